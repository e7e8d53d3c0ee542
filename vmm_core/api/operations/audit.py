"""The audit log: for operators all of it, for owners what concerns their lease."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from ...errors import NotFound
from ...model import AuditEntry, Noun
from ...tokens import Scope
from ..routes import OPERATING, SEEING_LEASES, Answer, Call, Nothing, Route, Services
from .visible import LEASE_ID, owned_lease

MOST = 1000


class AuditQuery(Noun):
    """Which lines."""

    since: int = Field(default=0, ge=0, le=2**31 - 1, description="number of the first one wanted")
    most: int = Field(default=MOST, ge=1, le=MOST, description="lines in one answer")


class WholeAuditQuery(AuditQuery):
    """Which lines, of which lease."""

    lease: str | None = Field(
        default=None, pattern=f"^{LEASE_ID}$", description="of this lease only"
    )


async def audit(services: Services, call: Call[Nothing, WholeAuditQuery]) -> Answer:
    """Lines of the audit log."""
    query = call.query
    found = await services.store.audit.entries(
        lease=query.lease, since=query.since, most=query.most
    )
    return Answer(found)


async def lease_audit(services: Services, call: Call[Nothing, AuditQuery]) -> Answer:
    """Lines of the audit log that concern one lease; for operators also a forgotten one."""
    lease_id, query = call.path["lease"], call.query
    if Scope.OPERATE not in call.caller.scopes or not re.fullmatch(LEASE_ID, lease_id):
        await owned_lease(services, call.caller, lease_id, "see the audit log of")
    found = await services.store.audit.entries(lease=lease_id, since=query.since, most=query.most)
    return Answer(found)


ROUTES: tuple[Route[Any, Any], ...] = (
    Route(
        method="GET",
        path="/audit",
        name="audit",
        summary="Who did what to whose machine, oldest first; ask on from the last number",
        answers={200: list[AuditEntry]},
        body=Nothing,
        query=WholeAuditQuery,
        run=audit,
        scopes=OPERATING,
    ),
    Route(
        method="GET",
        path="/leases/{lease}/audit",
        name="lease_audit",
        summary="Who did what to the lease and its machine, for its owner",
        answers={200: list[AuditEntry]},
        body=Nothing,
        query=AuditQuery,
        run=lease_audit,
        scopes=SEEING_LEASES,
        errors=(NotFound,),
    ),
)
