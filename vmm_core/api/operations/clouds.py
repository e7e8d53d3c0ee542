"""The clouds, for operators: seen, drained, taken into use again."""

from __future__ import annotations

from typing import Any

from ...errors import NotFound
from ...model import CloudStatus
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


async def clouds(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The clouds, what they have of ours, and how they are."""
    return Answer(await services.pools.clouds())


async def drain(services: Services, call: Call[WhyRequest, Nothing]) -> Answer:
    """Empty a cloud of what nobody has."""
    name = call.path["cloud"]
    by = Actor(call.caller.name, call.caller.name)
    await services.pools.hands.drain(name, by, call.body.reason)
    return Answer(await _status(services, name))


async def undrain(services: Services, call: Call[WhyRequest, Nothing]) -> Answer:
    """Take a cloud into use again."""
    name = call.path["cloud"]
    by = Actor(call.caller.name, call.caller.name)
    await services.pools.hands.undrain(name, by, call.body.reason)
    return Answer(await _status(services, name))


async def _status(services: Services, name: str) -> CloudStatus:
    return next(each for each in await services.pools.clouds() if each.name == name)


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/clouds",
        name="clouds",
        summary="The clouds: their limits, what they have of ours, and what is wrong with them",
        answers={200: list[CloudStatus]},
        body=Nothing,
        query=Nothing,
        run=clouds,
        scopes=SEEING_POOLS,
    ),
    Route(
        method="POST",
        path="/clouds/{cloud}/drain",
        name="drain_cloud",
        summary="Empty a cloud: nobody is served there, what nobody has is deleted, "
        "leases go on until they end",
        answers={200: CloudStatus},
        body=WhyRequest,
        query=Nothing,
        run=drain,
        scopes=OPERATING,
        errors=(NotFound,),
    ),
    Route(
        method="POST",
        path="/clouds/{cloud}/undrain",
        name="undrain_cloud",
        summary="Take a cloud into use again that is drained",
        answers={200: CloudStatus},
        body=WhyRequest,
        query=Nothing,
        run=undrain,
        scopes=OPERATING,
        errors=(NotFound,),
    ),
)
