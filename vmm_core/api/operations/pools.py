"""The pools, for operators: seen, paused, resumed."""

from __future__ import annotations

from typing import Any

from ...errors import NotFound
from ...model import PoolStatus
from ...store.records import Actor
from ..models import WhyRequest
from ..routes import (
    OPERATING,
    SEEING_POOLS,
    Answer,
    Call,
    Nothing,
    Route,
    Services,
)


async def pools(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The pools and how many machines of each are in which state."""
    return Answer(await services.pools.status())


async def pause(services: Services, call: Call[WhyRequest, Nothing]) -> Answer:
    """Let a pool make no machines."""
    name = call.path["pool"]
    by = Actor(call.caller.name, call.caller.name)
    await services.pools.hands.pause(name, by, call.body.reason)
    return Answer(await _status(services, name))


async def resume(services: Services, call: Call[WhyRequest, Nothing]) -> Answer:
    """Let a pool go on, and try again now."""
    name = call.path["pool"]
    by = Actor(call.caller.name, call.caller.name)
    await services.pools.hands.resume(name, by, call.body.reason)
    return Answer(await _status(services, name))


async def _status(services: Services, name: str) -> PoolStatus:
    return next(each for each in await services.pools.status() if each.name == name)


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/pools",
        name="pools",
        summary="The pools and how many machines of each are in which state",
        answers={200: list[PoolStatus]},
        body=Nothing,
        query=Nothing,
        run=pools,
        scopes=SEEING_POOLS,
    ),
    Route(
        method="POST",
        path="/pools/{pool}/pause",
        name="pause_pool",
        summary="Let a pool make no machines until it is resumed; what it has is leased. "
        "The pool's name is percent-encoded: mantid%40ral%2Fsmall",
        answers={200: PoolStatus},
        body=WhyRequest,
        query=Nothing,
        run=pause,
        scopes=OPERATING,
        errors=(NotFound,),
    ),
    Route(
        method="POST",
        path="/pools/{pool}/resume",
        name="resume_pool",
        summary="Let a pool go on that is paused, backs off, or was stopped after failures",
        answers={200: PoolStatus},
        body=WhyRequest,
        query=Nothing,
        run=resume,
        scopes=OPERATING,
        errors=(NotFound,),
    ),
)
