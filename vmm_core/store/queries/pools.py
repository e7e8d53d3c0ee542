"""Queries on what the pool managers remember: who works a pool, backoff, orphans seen."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, insert, or_, select

from ...allocation.trouble import Trouble
from ..engine import Transaction, upsert
from ..records import Backoff
from ..tables import installation, orphan_sightings, pool_backoff, pool_locks


async def installation_id(tx: Transaction) -> str:
    """The name under which this installation tags its machines; made once."""
    found = (await tx.connection.execute(select(installation.c.id))).scalar()
    if found is None:
        found = f"vmm-{uuid.uuid4().hex}"
        await tx.connection.execute(insert(installation).values(id=found, created_at=tx.now))
    return found


async def lock(tx: Transaction, pools: Collection[str], holder: str, for_s: float) -> set[str]:
    """Take or keep the pools that nobody else holds now; the names of those held."""
    until = tx.now + timedelta(seconds=for_s)
    fresh = select(pool_locks.c.pool).where(
        pool_locks.c.holder == holder,
        pool_locks.c.expires_at > tx.now + timedelta(seconds=for_s / 2),
    )
    held = set((await tx.connection.execute(fresh)).scalars()) & set(pools)
    for pool in sorted(set(pools) - held):
        statement = (
            upsert(tx)(pool_locks)
            .values(pool=pool, holder=holder, expires_at=until)
            .on_conflict_do_update(
                index_elements=[pool_locks.c.pool],
                set_={"holder": holder, "expires_at": until},
                where=or_(pool_locks.c.holder == holder, pool_locks.c.expires_at <= tx.now),
            )
            .returning(pool_locks.c.pool)
        )
        if (await tx.connection.execute(statement)).first():
            held.add(pool)
    return held


async def unlock(tx: Transaction, holder: str) -> None:
    """Let go of all pools of a holder."""
    await tx.connection.execute(delete(pool_locks).where(pool_locks.c.holder == holder))


async def backoffs(tx: Transaction) -> dict[str, Backoff]:
    """All backoffs by pool, also those that are over: they count the failures."""
    rows = await tx.connection.execute(select(pool_backoff))
    return {
        row.pool: Backoff(
            **{**row._mapping, "trouble": Trouble(row.trouble) if row.trouble else None}
        )
        for row in rows
    }


async def back_off(tx: Transaction, backoff: Backoff) -> None:
    """Write a pool's backoff."""
    values = {
        "failures": backoff.failures,
        "until": backoff.until,
        "reason": backoff.reason,
        "fingerprint": backoff.fingerprint,
        "trouble": backoff.trouble or "",
    }
    await tx.connection.execute(
        upsert(tx)(pool_backoff)
        .values(pool=backoff.pool, **values)
        .on_conflict_do_update(index_elements=[pool_backoff.c.pool], set_=values)
    )


async def resume(tx: Transaction, pool: str) -> None:
    """Forget a pool's backoff."""
    await tx.connection.execute(delete(pool_backoff).where(pool_backoff.c.pool == pool))


async def sight(
    tx: Transaction, cloud: str, cloud_ids: Collection[str], again_after_s: float
) -> set[str]:
    """Note which orphans a cloud shows now; those that were seen long enough ago as well.

    Orphans that are not shown any more are forgotten.
    """
    seen = orphan_sightings
    await tx.connection.execute(
        delete(seen).where(seen.c.cloud == cloud, seen.c.cloud_id.not_in(cloud_ids))
    )
    for cloud_id in sorted(cloud_ids):
        await tx.connection.execute(
            upsert(tx)(seen)
            .values(cloud=cloud, cloud_id=cloud_id, first_seen_at=tx.now)
            .on_conflict_do_nothing()
        )
    before = tx.now - timedelta(seconds=again_after_s)
    query = select(seen.c.cloud_id).where(seen.c.cloud == cloud, seen.c.first_seen_at <= before)
    return set((await tx.connection.execute(query)).scalars())
