"""What there is to ask for, and whether the service answers."""

from __future__ import annotations

from typing import Any

from ... import __version__
from ...model import (
    Environment,
    Location,
    Needs,
    Offer,
)
from ..models import Health
from ..routes import (
    Answer,
    Call,
    Nothing,
    Route,
    Services,
)


async def health(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The service answers, and so does its store."""
    await services.store.leases.holder_of("")  # any query will do; this one is cheap
    return Answer(Health(version=__version__))


async def environments(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """What can be asked for."""
    return Answer(list(services.catalogue.environments.values()))


async def locations(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Where the clouds run."""
    return Answer(list(services.catalogue.locations.values()))


async def offers(services: Services, call: Call[Nothing, Needs]) -> Answer:
    """Every environment at every place in every size that meets the needs."""
    return Answer(await services.leases.offers(call.query))


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/health",
        name="health",
        summary="Whether the service and its store answer",
        answers={200: Health},
        body=Nothing,
        query=Nothing,
        run=health,
        scopes=None,
    ),
    Route(
        method="GET",
        path="/environments",
        name="environments",
        summary="What can be asked for",
        answers={200: list[Environment]},
        body=Nothing,
        query=Nothing,
        run=environments,
    ),
    Route(
        method="GET",
        path="/locations",
        name="locations",
        summary="Where the clouds run",
        answers={200: list[Location]},
        body=Nothing,
        query=Nothing,
        run=locations,
    ),
    Route(
        method="GET",
        path="/offers",
        name="offers",
        summary="Every environment at every place in every size that meets the needs",
        answers={200: list[Offer]},
        body=Nothing,
        query=Needs,
        run=offers,
    ),
)
