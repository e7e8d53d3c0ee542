"""Queries on what the pool managers remember: who works a pool, backoff, orphans seen."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import delete, insert, or_, select

from ...allocation.trouble import Trouble
from ..engine import Transaction, upsert
from ..records import Backoff, Fence
from ..tables import installation, orphan_sightings, pool_backoff, pool_locks

_AT_A_TIME = 500
"""Rows that one statement writes."""


async def installation_id(tx: Transaction) -> str:
    """The name under which this installation tags its machines; made once."""
    found = (await tx.connection.execute(select(installation.c.id))).scalar()
    if found is None:
        found = f"vmm-{uuid.uuid4().hex}"
        await tx.connection.execute(insert(installation).values(id=found, created_at=tx.now))
    return found


async def lock(tx: Transaction, pools: Collection[str], holder: str, for_s: float) -> set[str]:
    """Take or keep the pools that nobody else holds now; the names of those held.

    Nothing is written as long as the holder's are good for half of ``for_s`` yet.
    """
    until = tx.now + timedelta(seconds=for_s)
    taken = select(pool_locks.c.pool, pool_locks.c.holder, pool_locks.c.expires_at).where(
        or_(pool_locks.c.holder == holder, pool_locks.c.expires_at > tx.now)
    )
    held, others = set(), set()
    for row in await tx.connection.execute(taken):
        if row.holder != holder:
            others.add(row.pool)
        elif row.expires_at > tx.now + timedelta(seconds=for_s / 2):
            held.add(row.pool)
    wanted = sorted(set(pools) - held - others)
    for start in range(0, len(wanted), _AT_A_TIME):
        part = wanted[start : start + _AT_A_TIME]
        statement = (
            upsert(tx)(pool_locks)
            .values([{"pool": pool, "holder": holder, "expires_at": until} for pool in part])
            .on_conflict_do_update(
                index_elements=[pool_locks.c.pool],
                set_={"holder": holder, "expires_at": until},
                where=or_(pool_locks.c.holder == holder, pool_locks.c.expires_at <= tx.now),
            )
            .returning(pool_locks.c.pool)
        )
        held |= set((await tx.connection.execute(statement)).scalars())
    return held & set(pools)


async def holds(tx: Transaction, fence: Fence | None) -> bool:
    """Whether the pool is its holder's until this transaction ends; also if there is no fence.

    Who takes the pool over meanwhile waits for us. It does not matter when the lock expires:
    as long as nobody else has taken it, nobody else acts.
    """
    if fence is None:
        return True
    query = select(pool_locks.c.pool).where(
        pool_locks.c.pool == fence.pool, pool_locks.c.holder == fence.holder
    )
    return (await tx.connection.execute(query.with_for_update(read=True))).first() is not None


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
    tx: Transaction, cloud: str, found: Mapping[str, str], again_after_s: float
) -> set[str]:
    """Note which orphans a cloud shows now; those that were seen long enough ago as well.

    Orphans that are not shown any more are forgotten.
    """
    seen = orphan_sightings
    await tx.connection.execute(
        delete(seen).where(seen.c.cloud == cloud, seen.c.cloud_id.not_in(found))
    )
    for cloud_id, kind in sorted(found.items()):
        await tx.connection.execute(
            upsert(tx)(seen)
            .values(cloud=cloud, cloud_id=cloud_id, kind=str(kind), first_seen_at=tx.now)
            .on_conflict_do_nothing()
        )
    before = tx.now - timedelta(seconds=again_after_s)
    query = select(seen.c.cloud_id).where(seen.c.cloud == cloud, seen.c.first_seen_at <= before)
    return set((await tx.connection.execute(query)).scalars())
