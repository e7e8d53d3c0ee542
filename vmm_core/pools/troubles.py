"""Which pools make nothing because of their clouds, and what users are told of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ..allocation.facts import PoolFacts
from ..allocation.trouble import Trouble
from ..store.records import Backoff
from .snapshot import Pause, PoolPlan


def pauses_of(
    pools: Iterable[PoolFacts], backoffs: Mapping[str, Backoff], mute: Mapping[str, Pause]
) -> dict[str, Pause]:
    """The pools that back off, or whose clouds do not answer."""
    pauses = {}
    for facts in pools:
        backoff = backoffs.get(facts.name)
        if backoff and backoff.fingerprint == facts.fingerprint:
            pauses[facts.name] = Pause(
                backoff.reason, backoff.until, backoff.until is None, backoff.trouble
            )
        if facts.pool.cloud in mute:
            pauses[facts.name] = mute[facts.pool.cloud]
    return pauses


def troubles_of(
    pauses: Mapping[str, Pause], plans: Mapping[str, PoolPlan], now: datetime
) -> dict[str, tuple[Trouble, bool]]:
    """For each pool in trouble: which, and whether it lasts until an operator acts."""
    troubles = {name: (Trouble.FULL, False) for name, each in plans.items() if each.full}
    for name, pause in pauses.items():
        if pause.trouble is not None and pause.lasts(now):
            lasting = pause.trouble.lasting or (pause.open_end and not pause.silent)
            troubles[name] = (pause.trouble, lasting)
    return troubles
