"""Which machines are to be replaced though they work: out of date, or ready for too long. Pure.

The age limits of a pool's machines differ by up to a fifth, so that machines
made together do not go together. A machine's own limit never changes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum
from zlib import crc32

from ..allocation.facts import PoolFacts
from ..store.records import MachineRow

SPREAD = 0.2
"""A machine's limit is the pool's, less up to this share of it."""


class Fit(IntEnum):
    """How fit a ready machine is to be kept, the least first."""

    DUE = 0
    """To be replaced now."""
    STALE = 1
    """Built from what is out of date; good until it is used."""
    CURRENT = 2


def age_limit(machine: str, max_ready_h: float) -> timedelta:
    """How long this machine may be ready, of a pool where that is ``max_ready_h`` at most."""
    share = crc32(machine.encode()) / 2**32
    return timedelta(hours=max_ready_h * (1 - SPREAD * share))


def expired(machine: MachineRow, facts: PoolFacts, now: datetime) -> bool:
    """Whether it has been ready for too long."""
    limit_h = facts.pool.max_ready_h
    if limit_h is None or machine.vacant_at is None:
        return False
    return now - machine.vacant_at >= age_limit(machine.id, limit_h)


def fitness(machine: MachineRow, facts: PoolFacts, now: datetime) -> Fit:
    """How fit a vacant or suspended machine of the pool is to be kept."""
    if expired(machine, facts, now):
        return Fit.DUE
    if machine.fingerprint == facts.fingerprint:
        return Fit.CURRENT
    return Fit.DUE if facts.pool.replace == "at-once" else Fit.STALE


def why_replaced(machine: MachineRow, facts: PoolFacts) -> str:
    """The reason for people."""
    if machine.fingerprint != facts.fingerprint:
        return "it was built from what is out of date"
    return f"it was ready for longer than its pool allows ({facts.pool.max_ready_h:g} h)"
