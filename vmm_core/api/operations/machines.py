"""The machines, for operators."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ...errors import (
    Conflict,
    NotFound,
    Unavailable,
)
from ...model import (
    ConsoleLog,
    Machine,
    Noun,
)
from ...store.records import Actor
from ..routes import (
    OPERATING,
    Answer,
    Call,
    Nothing,
    Route,
    Services,
)


class DeleteQuery(Noun):
    """How to delete a machine."""

    discard: bool = Field(default=False, description="also what it holds that is nowhere else")


async def machines(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Every machine that is not deleted."""
    return Answer(await services.store.machines.all())


async def delete_machine(services: Services, call: Call[Nothing, DeleteQuery]) -> Answer:
    """Delete a machine that nobody leases."""
    machine_id = call.path["machine"]
    by = Actor(call.caller.name, call.caller.name)
    return Answer(await services.pools.held.remove(machine_id, discard=call.query.discard, by=by))


async def console(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The end of what a machine wrote to its console."""
    return Answer(await services.pools.console(call.path["machine"]))


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/machines",
        name="machines",
        summary="Every machine that is not deleted",
        answers={200: list[Machine]},
        body=Nothing,
        query=Nothing,
        run=machines,
        scopes=OPERATING,
    ),
    Route(
        method="DELETE",
        path="/machines/{machine}",
        name="delete_machine",
        summary="Delete a machine that nobody leases; with `discard` also what it holds",
        answers={200: Machine},
        body=Nothing,
        query=DeleteQuery,
        run=delete_machine,
        scopes=OPERATING,
        errors=(NotFound, Conflict),
    ),
    Route(
        method="GET",
        path="/machines/{machine}/console",
        name="console",
        summary="The end of what a machine wrote to its console, also of a failed one that is kept",
        answers={200: ConsoleLog},
        body=Nothing,
        query=Nothing,
        run=console,
        scopes=OPERATING,
        errors=(NotFound, Conflict, Unavailable),
    ),
)
