"""How the whole service stands, for operators."""

from __future__ import annotations

from typing import Any

from ...model import Status
from ...status import look
from ..routes import SEEING_POOLS, Answer, Call, Nothing, Route, Services


async def status(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """How the service stands."""
    return Answer(await look(services.store, services.pools))


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
