"""What a route is: everything there is to know of one operation, in one record.

The route table (:mod:`vmm_core.api.table`) is the single source: the
endpoints serve it and the OpenAPI document is made from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from ..catalogue import Catalogue
from ..errors import BadRequest, NotAllowed, NotAuthenticated, VmmError
from ..leases import Leases
from ..metrics import Metrics
from ..model import LeaseEvent, Noun
from ..pools.manager import PoolManager
from ..reservations import Reservations
from ..store import Store
from ..tokens import Caller, Scope, TokensFile

Body = TypeVar("Body", bound=BaseModel)
Query = TypeVar("Query", bound=BaseModel)

KIB = 1024
MIB = 1024 * KIB

LEASING = frozenset({Scope.LEASE, Scope.LEASE_ANY})
SEEING_LEASES = LEASING | {Scope.OPERATE}
SEEING_POOLS = frozenset({Scope.READ, Scope.OPERATE})
OPERATING = frozenset({Scope.OPERATE})


class Nothing(Noun):
    """No body, or no query."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the operations work with."""

    catalogue: Catalogue
    store: Store
    leases: Leases
    pools: PoolManager
    tokens: TokensFile
    reservations: Reservations
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Call(Generic[Body, Query]):
    """One request, checked."""

    caller: Caller
    path: Mapping[str, str]
    query: Query
    body: Body
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; ``body`` is of the type that the route states for ``status``."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Run = Callable[[Services, Call[Body, Query]], Awaitable[Answer]]
Follow = Callable[[Services, Call[Body, Query]], Awaitable[AsyncIterator[LeaseEvent]]]


@dataclass(frozen=True, slots=True)
class Route(Generic[Body, Query]):
    """One operation of the API.

    ``run`` answers once; ``follow`` instead streams events. ``scopes`` are
    those of which a caller needs one; empty means any token, None means that no
    token is needed.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    summary: str
    answers: Mapping[int, Any]
    body: type[Body]
    query: type[Query]
    run: Run[Body, Query] | None = None
    follow: Follow[Body, Query] | None = None
    scopes: frozenset[Scope] | None = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Request headers that it looks at, and what they are for."""
    errors: tuple[type[VmmError], ...] = ()
    """What it may refuse with, beyond :meth:`refusals`."""
    body_limit: int = 64 * KIB

    def refusals(self) -> tuple[type[VmmError], ...]:
        """Every error this route may answer with."""
        always: tuple[type[VmmError], ...] = ()
        if self.scopes is not None:
            always += (NotAuthenticated,)
        if self.scopes:
            always += (NotAllowed,)
        if self.body is not Nothing or self.query is not Nothing:
            always += (BadRequest,)
        return always + self.errors
