"""Places that have told no sizes since the service started: refused ones and ones to wait for."""

from __future__ import annotations

import pytest

from vmm_core.allocation.explain import Decision, decide
from vmm_core.allocation.facts import PoolFacts, Silent
from vmm_core.allocation.trouble import Trouble
from vmm_core.model import Environment, Location, Needs

from .test_allocation import pool
from .test_wishes import FREE, RAL

MANTID = Environment(name="mantid", title="mantid")
DIAMOND, ESRF = Location(name="dls", title="Diamond"), Location(name="esrf", title="ESRF")
OUT_OF_ORDER = "Diamond is out of order until its operators put it right"


def silent(trouble: Trouble, location: Location = DIAMOND) -> Silent:
    return Silent(environment=MANTID, location=location, cloud=location.name, trouble=trouble)


REFUSED, AWAY = silent(Trouble.REFUSED), silent(Trouble.AWAY, ESRF)


def decided(needs: Needs, *untold: Silent, facts: tuple[PoolFacts, ...] = (RAL,)) -> Decision:
    return decide(needs, facts, {each.name: FREE for each in facts}, untold)


def test_only_a_place_that_may_answer_soon_is_asked_again_soon():
    needs = Needs(cpus=64)
    assert decided(needs, REFUSED).impossible() == (
        f"a machine with 64 CPUs cannot be had now, because {OUT_OF_ORDER}: "
        "try again later, or ask for something else"
    )
    assert decided(needs, REFUSED, AWAY).impossible() == (
        f"no place that answers has a machine with 64 CPUs, and {OUT_OF_ORDER} and "
        "ESRF does not answer now: try again in a few minutes"
    )


def test_who_waits_is_told_each_place_once():
    sick = pool(location="dls", cpus=64)
    stopped = PoolFacts(
        sick.pool, MANTID, DIAMOND, sick.size, "now", trouble=Trouble.REFUSED, stopped=True
    )
    decision = decide(Needs(cpus=64), [RAL, stopped], {}, [REFUSED, AWAY])
    assert decision.waiting().summary == (
        f"{OUT_OF_ORDER} and ESRF does not answer now, and you wait for that"
    )


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (Needs(prefer=("dls",)), OUT_OF_ORDER),
        (Needs(near=("dls",)), f"the data is at Diamond, but {OUT_OF_ORDER}"),
        (Needs(prefer=("esrf",)), "ESRF does not answer now"),
        (Needs(environment="tomo", prefer=("dls",)), "Diamond has no tomo"),
        (Needs(), ""),
    ],
)
def test_why_elsewhere(needs: Needs, said: str):
    won = pool("tomo") if needs.environment else RAL
    decision = decided(needs, REFUSED, AWAY, facts=(won,))
    assert decision.claimed(won.name, "vmm-1").elsewhere == said


def test_a_refusal_tells_places_by_their_titles():
    decision = decided(
        Needs(environment="tomo", locations=("dls",)), REFUSED, facts=(pool("tomo"),)
    )
    assert "Diamond has no tomo" in decision.impossible()
