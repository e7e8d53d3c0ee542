"""The query for what a step of the pool manager goes by: every machine, cheaply."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from sys import intern

from sqlalchemy import Text, cast, select

from ...model import MachineState as S
from ...model import Size
from ..engine import Transaction
from ..records import MachineRow
from ..tables import machines

_ALIVE = tuple(state for state in S if state is not S.DELETED)
_STATES = {str(state): state for state in S}
_AT_A_TIME = 2000
"""Rows that are held twice while they are read."""

_QUERY = (
    select(
        machines.c.id,
        machines.c.pool,
        machines.c.cloud,
        machines.c.state,
        machines.c.fingerprint,
        cast(machines.c.size, Text),
        machines.c.created_at,
        machines.c.changed_at,
        machines.c.cloud_id,
        machines.c.address,
        machines.c.reason,
        machines.c.holding,
        machines.c.location,
        machines.c.replica,
        machines.c.agent_lost_at,
        machines.c.kept_until,
        machines.c.vacant_at,
        machines.c.console.is_not(None),
    )
    .where(machines.c.state.in_(_ALIVE))
    .order_by(machines.c.created_at, machines.c.id)
    .execution_options(yield_per=_AT_A_TIME)
)


async def rows(tx: Transaction) -> list[MachineRow]:
    """All machines that are not deleted, oldest first."""
    found = []
    with _nothing_is_garbage():
        async with tx.connection.stream(_QUERY) as result:
            async for part in result.partitions():
                for row in part:
                    (machine, pool, cloud, state, fingerprint, size, *others) = row
                    found.append(
                        MachineRow(
                            machine,
                            intern(pool),
                            intern(cloud),
                            _STATES[state],
                            intern(fingerprint),
                            _size(size),
                            *others,
                        )
                    )
    return found


@contextmanager
def _nothing_is_garbage() -> Iterator[None]:
    """All that is made inside stays for a while.

    Python would look through all objects of the process again and again as their number
    grows, which costs more the more machines there are.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@lru_cache(maxsize=1000)
def _size(text: str) -> Size:
    """There are few, and many machines of each."""
    return Size.model_validate_json(text)
