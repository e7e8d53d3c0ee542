"""How the whole service stands, for operators: ``vmm status``, and half of the metrics."""

from __future__ import annotations

from . import __version__
from .model import ReplicaStatus, Status
from .pools.manager import PoolManager
from .store import Store


async def look(store: Store, pools: PoolManager) -> Status:
    """How the service stands now."""
    found = await store.situation.now()
    oldest = min(found.waiting_since, default=found.now)
    stepped_at = pools.stepped_at
    return Status(
        version=__version__,
        at=found.now,
        replicas=tuple(
            ReplicaStatus(
                id=each.id, url=each.url, started_at=each.started_at, seen_at=each.seen_at
            )
            for each in found.replicas
        ),
        clouds=tuple(await pools.clouds()),
        pools=tuple(await pools.status()),
        leased=found.leased,
        waiting=len(found.waiting_since),
        longest_wait_s=(found.now - oldest).total_seconds(),
        held=tuple(found.held),
        step_age_s=(found.now - stepped_at).total_seconds() if stepped_at else None,
    )
