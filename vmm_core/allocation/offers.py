"""What is offered now: each pool that fits, with what is free and when the next will be. Pure.

A place that has told nothing yet is shown, too, with what is wrong there: who
looks for it should not find that it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ..model import Machine, MachineState, Needs, Offer
from .estimate import next_in_s
from .facts import BOOTING, Counts, PoolFacts, Silent
from .match import may_have, mismatch, removed_by
from .trouble import said_of
from .words import shut


def offers(
    needs: Needs,
    facts: Sequence[PoolFacts],
    *,
    silent: Sequence[Silent] = (),
    machines: Sequence[Machine],
    waiting: Sequence[Needs],
    boot_times_s: Mapping[str, Sequence[float]],
    now: datetime,
) -> list[Offer]:
    """The offers that fit ``needs``, in the order of ``facts``, and last what may fit.

    Args:
        needs: what is looked for.
        facts: the pools.
        silent: what is at clouds that have not told their sizes yet.
        machines: all that are not deleted.
        waiting: what those need who wait already.
        boot_times_s: for each pool, what past machines took from asked for to vacant.
        now: the time.
    """
    counts = {each.name: _counts(machines, each.name) for each in facts}
    ahead = dict.fromkeys(counts, 0)
    for wanted in waiting:
        for pool, why in removed_by(wanted, facts, counts).items():
            ahead[pool] += not why
    return [
        _offer(
            each,
            counts[each.name],
            [m for m in machines if m.pool == each.name],
            ahead[each.name],
            boot_times_s.get(each.name, ()),
            now,
        )
        for each in facts
        if not mismatch(needs, each)
    ] + [_unanswered(each) for each in silent if may_have(needs, each)]


def _offer(
    facts: PoolFacts,
    counts: Counts,
    machines: Sequence[Machine],
    ahead: int,
    boot_times_s: Sequence[float],
    now: datetime,
) -> Offer:
    why = shut(facts, counts)
    trouble = ""
    if facts.trouble is not None and not counts.free and not counts.booting:
        trouble = said_of(facts.trouble, facts.location.title)
    estimate = next_in_s(
        free=counts.free,
        ahead=ahead,
        booting_for_s=[
            (now - m.created_at).total_seconds() for m in machines if m.state in BOOTING
        ],
        boot_times_s=boot_times_s,
        room=len(machines) < facts.pool.maximum and not facts.pool.paused and facts.trouble is None,
    )
    return Offer(
        environment=facts.environment,
        location=facts.location,
        cloud=facts.pool.cloud,
        size=facts.size,
        free=counts.free,
        booting=counts.booting,
        next_in_s=None if why else estimate,
        available=not why,
        reason=why or trouble,
    )


def _unanswered(silent: Silent) -> Offer:
    return Offer(
        environment=silent.environment,
        location=silent.location,
        cloud=silent.cloud,
        size=None,
        free=0,
        booting=0,
        next_in_s=None,
        available=False,
        reason=said_of(silent.trouble, silent.location.title),
    )


def _counts(machines: Sequence[Machine], pool: str) -> Counts:
    states = [machine.state for machine in machines if machine.pool == pool]
    return Counts(
        free=states.count(MachineState.VACANT), booting=sum(state in BOOTING for state in states)
    )
