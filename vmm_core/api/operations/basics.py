"""What there is to ask for, and whether the service answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field

from ... import __version__
from ...allocation.rules import may_use
from ...errors import NotAllowed
from ...model import (
    Environment,
    GroupName,
    Location,
    Needs,
    Noun,
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
from .visible import groups_of


async def health(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """The service answers, and so does its store."""
    await services.store.leases.holder_of("")  # any query will do; this one is cheap
    return Answer(Health(version=__version__))


def _named(given: object) -> object:
    """Groups of a query, which says by one without a name that the user is in none."""
    return [each for each in given if each] if isinstance(given, list | tuple) else given


Groups = Annotated[tuple[GroupName, ...] | None, BeforeValidator(_named)]


class GroupsQuery(Noun):
    """Who looks."""

    groups: Groups = Field(
        default=None,
        max_length=1000,
        description="frontends: leave out what a user in these groups may not use, `groups=` of "
        "one who is in none; a plain token's groups are in the tokens file",
    )


class OffersQuery(Needs):
    """What is looked for, for whom, and when."""

    groups: Groups = Field(default=None, max_length=1000, description="as of `environments`")
    at: AwareDatetime | None = Field(
        default=None, description="also say what will be free then (`free_at`)"
    )
    for_h: float = Field(default=0, ge=0, le=24 * 366, description="for so many hours from `at` on")


async def environments(services: Services, call: Call[Nothing, GroupsQuery]) -> Answer:
    """What can be asked for."""
    groups = groups_of(call.caller, call.query.groups)
    found = services.catalogue.environments.values()
    return Answer([each for each in found if groups is None or may_use(each, groups)])


async def locations(services: Services, call: Call[Nothing, Nothing]) -> Answer:
    """Where the clouds run."""
    return Answer(list(services.catalogue.locations.values()))


async def offers(services: Services, call: Call[Nothing, OffersQuery]) -> Answer:
    """Every environment at every place in every size that meets the needs."""
    query = call.query
    needs = Needs.model_validate({name: getattr(query, name) for name in Needs.model_fields})
    groups = groups_of(call.caller, query.groups)
    found = await services.leases.offers(needs, groups=groups, at=query.at, for_h=query.for_h)
    return Answer(found)


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
        query=GroupsQuery,
        run=environments,
        errors=(NotAllowed,),
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
        query=OffersQuery,
        run=offers,
        errors=(NotAllowed,),
    ),
)
