"""The route table: the single source of what the API offers.

Paths are below ``/vmm/api/v1``. The agents' WebSocket and the document itself
are no operations of this table.
"""

from __future__ import annotations

from typing import Any

from .operations import basics, leases, machines, pools
from .routes import Route

ROUTES: tuple[Route[Any, Any], ...] = (
    *basics.ROUTES,
    *pools.ROUTES,
    *machines.ROUTES,
    *leases.ROUTES,
)
