"""The route table: the single source of what the API offers.

Paths are below ``/vmm/api/v1``. The agents' WebSocket and the document itself
are no operations of this table.
"""

from __future__ import annotations

from typing import Any

from .operations import (
    audit,
    basics,
    clouds,
    leases,
    lifetimes,
    machines,
    pools,
    reservations,
    sharing,
    status,
    stories,
)
from .routes import Route

ROUTES: tuple[Route[Any, Any], ...] = (
    *basics.ROUTES,
    *pools.ROUTES,
    *clouds.ROUTES,
    *machines.ROUTES,
    *leases.ROUTES,
    *lifetimes.ROUTES,
    *sharing.ROUTES,
    *audit.ROUTES,
    *reservations.ROUTES,
    *stories.ROUTES,
    *status.ROUTES,
)
