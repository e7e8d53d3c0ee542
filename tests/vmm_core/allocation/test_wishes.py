"""What a request wishes: data that is near, places it prefers; and the words that explain it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vmm_core.allocation.explain import decide
from vmm_core.allocation.facts import Counts, PoolFacts
from vmm_core.allocation.trouble import Trouble
from vmm_core.client.asynchronous import query_of
from vmm_core.model import Needs

from .test_allocation import cases, pool

FREE = Counts(free=1)


def titled(facts: PoolFacts, title: str) -> PoolFacts:
    return replace(facts, location=facts.location.model_copy(update={"title": title}))


RAL = titled(pool(location="ral"), "Rutherford")
DLS = titled(pool(location="dls"), "Diamond")
DLS_GPU = titled(pool(location="dls", gpus=1, gpu_model="V100"), "Diamond")

wishes = st.fixed_dictionaries(
    {
        "prefer": st.sampled_from([(), ("dls",), ("esrf", "dls")]),
        "near": st.sampled_from([(), ("ral",), ("dls=0.7", "ral=0.3"), ("mars",)]),
    }
)


@given(cases(), wishes)
def test_wishes_remove_nothing_and_change_only_the_order(case, wish):
    needs, facts, counts = case
    wished = needs.model_copy(update=wish)
    plain, with_wish = decide(needs, facts, counts), decide(wished, facts, counts)
    assert {r.facts.name for r in plain.ranked} == {r.facts.name for r in with_wish.ranked}
    keys = []
    for r in with_wish.ranked:
        assert r.score >= 0
        here = counts[r.facts.name]
        keys.append((0 if here.free else 1 if here.booting else 2, r.score))
    assert keys == sorted(keys)


@given(cases(), st.floats(0, 1), st.floats(0, 1))
def test_more_of_the_data_here_never_makes_a_place_come_later(case, share, other):
    needs, facts, counts = case
    low, high = sorted((round(share, 2), round(other, 2)))

    def place(amount: float) -> list[int]:
        near = needs.model_copy(update={"near": (f"dls={amount:.2f}",)})
        ranked = [r.facts for r in decide(near, facts, counts).ranked]
        return [at for at, f in enumerate(ranked) if f.location.name == "dls"]

    assert all(after <= before for before, after in zip(place(low), place(high), strict=True))


@given(cases())
def test_every_decision_can_be_said(case):
    needs, facts, counts = case
    for near in ((), ("dls",)):
        decision = decide(needs.model_copy(update={"near": near}), facts, counts)
        assert decision.waiting().summary
        for r in decision.ranked:
            assert "vmm-1" in decision.claimed(r.facts.name, "vmm-1").summary


def chosen(needs: Needs, *facts: PoolFacts) -> str:
    return decide(needs, facts, {f.name: FREE for f in facts}).ranked[0].facts.location.name


def test_data_moves_a_request_to_where_it_is():
    assert chosen(Needs(), RAL, DLS) == "ral"
    assert chosen(Needs(near=("dls",)), RAL, DLS) == "dls"
    assert chosen(Needs(near=("dls=0.3", "ral=0.7")), RAL, DLS) == "ral"
    assert chosen(Needs(near=("dls=0.7", "ral=0.3")), RAL, DLS) == "dls"
    assert chosen(Needs(near=("mars",)), RAL, DLS) == "ral"


def test_data_near_is_worth_eight_doublings():
    penalty = [c.score for c in decide(Needs(near=("dls=0.5",)), [RAL, DLS], {}).candidates]
    assert penalty == [4, 8]
    large = titled(pool(location="dls", cpus=64), "Diamond")
    assert chosen(Needs(cpus=2, near=("dls",)), RAL, large) == "dls"


def test_a_preferred_place_comes_first_and_a_required_one_alone():
    assert chosen(Needs(prefer=("dls",)), RAL, DLS) == "dls"
    assert chosen(Needs(prefer=("esrf", "dls")), RAL, DLS) == "dls"
    assert chosen(Needs(prefer=("esrf",)), RAL, DLS) == "ral"
    required = decide(Needs(locations=("dls",)), [RAL, DLS], {})
    assert [r.facts.location.name for r in required.ranked] == ["dls"]
    preferred = decide(Needs(prefer=("dls",)), [RAL, DLS], {RAL.name: FREE})
    assert [r.facts.location.name for r in preferred.ranked] == ["ral", "dls"]


@pytest.mark.parametrize("wrong", ["ral=2", "ral=-1", "ral=", "Ral", "ral=x", "", "ral=1.5"])
def test_a_share_is_from_0_to_1(wrong: str):
    with pytest.raises(ValidationError):
        Needs(near=(wrong,))


def test_shares_are_read_and_sent_as_they_are_written():
    needs = Needs(near=("ral=0.25", "dls", "x_1=.5"), prefer=("dls", "ral"))
    assert needs.nearness == {"dls": 1.0, "x_1": 0.5, "ral": 0.25}
    assert query_of(needs) == {"near": ["ral=0.25", "dls", "x_1=.5"], "prefer": ["dls", "ral"]}


def why(needs: Needs, facts: list[PoolFacts], won: PoolFacts, *free: PoolFacts) -> str:
    counts = {f.name: FREE for f in (won, *free)}
    return decide(needs, facts, counts).claimed(won.name, "vmm-1").elsewhere


OTHER_CLOUD = titled(pool(location="ral", gpus=1), "Rutherford")


@pytest.mark.parametrize(
    ("needs", "facts", "won", "said"),
    [
        (Needs(gpus=1), [RAL, DLS_GPU], DLS_GPU, "Rutherford has no GPU"),
        (Needs(gpus=1), [DLS_GPU, RAL], DLS_GPU, ""),
        (Needs(), [RAL, DLS], RAL, ""),
        (Needs(), [RAL, DLS], DLS, ""),
        (Needs(prefer=("ral",)), [RAL, DLS], DLS, "Rutherford has none free now"),
        (Needs(prefer=("ral",)), [RAL, DLS], RAL, ""),
        (
            Needs(environment="tomo", prefer=("ral",)),
            [RAL, titled(pool("tomo", "dls"), "Diamond")],
            titled(pool("tomo", "dls"), "Diamond"),
            "Rutherford has no tomo",
        ),
        (Needs(cpus=4, prefer=("ral",)), [RAL, pool(location="dls", cpus=8)], None, "2 CPUs"),
        (Needs(ram_gb=9, prefer=("ral",)), [RAL, pool(location="dls", ram_gb=16)], None, "8 GiB"),
        (Needs(near=("ral",)), [RAL, DLS], DLS, "the data is at Rutherford, but Rutherford has "),
        (Needs(near=("dls",)), [RAL, DLS], DLS, ""),
        (Needs(near=("mars",)), [RAL, DLS], RAL, ""),
    ],
)
def test_why_elsewhere(needs: Needs, facts: list[PoolFacts], won: PoolFacts | None, said: str):
    told = why(needs, facts, won or facts[-1])
    assert said in told if said else told == ""


def test_two_clouds_of_one_place_are_told_apart_by_their_names():
    local = replace(RAL, pool=RAL.pool.model_copy(update={"cloud": "ral-local"}))
    far = replace(OTHER_CLOUD, pool=OTHER_CLOUD.pool.model_copy(update={"cloud": "ral-openstack"}))
    decision = decide(Needs(gpus=1), [local, far], {far.name: FREE})
    said = decision.claimed(far.name, "vmm-1").summary
    assert said == (
        "ral-local has no GPU, so you have machine vmm-1 with 2 CPUs, 8 GiB, 1 GPU at ral-openstack"
    )


def test_the_summary_says_where_the_data_is():
    decision = decide(Needs(near=("dls",)), [RAL, DLS], {DLS.name: FREE, RAL.name: FREE})
    assert decision.claimed(DLS.name, "vmm-1").summary == (
        "you have machine vmm-1 with 2 CPUs, 8 GiB at Diamond, where the data is"
    )
    decision = decide(Needs(near=("dls=0.6",)), [RAL, DLS], {DLS.name: FREE})
    assert decision.claimed(DLS.name, "v").summary.endswith("Diamond, where 60% of the data is")


def test_a_pool_in_trouble_for_good_is_closed_and_one_for_a_while_is_not():
    for stopped, ranked in ((True, 0), (False, 1)):
        sick = replace(RAL, trouble=Trouble.REFUSED, stopped=stopped)
        assert len(decide(Needs(), [sick], {}).ranked) == ranked
        assert len(decide(Needs(), [sick], {sick.name: FREE}).ranked) == 1
