"""How the whole service stands, for operators."""

from __future__ import annotations

from typing import Any

from ...model import Machine, Status
from ...status import look
from ...tokens import Scope
from ..routes import SEEING_POOLS, Answer, Call, Nothing, Route, Services


async def status(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """How the service stands."""
    found = await look(services.store, services.pools)
    if Scope.OPERATE not in call.caller.scopes:
        found = found.model_copy(update={"held": tuple(map(_without_user, found.held))})
    return Answer(found)


def _without_user(machine: Machine) -> Machine:
    """The machine without what is its user's: that is for operators."""
    holding = "something of its user's" if machine.holding else ""
    return machine.model_copy(
        update={"lease": None, "address": None, "ports": {}, "holding": holding}
    )


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/status",
        name="status",
        summary="How the service stands: its processes, clouds, pools, who waits, what is held",
        answers={200: Status},
        body=Nothing,
        query=Nothing,
        run=status,
        scopes=SEEING_POOLS,
    ),
)
