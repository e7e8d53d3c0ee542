"""The pools, for operators."""

from __future__ import annotations

from typing import Any

from ...pools.status import PoolStatus
from ..routes import (
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
)
