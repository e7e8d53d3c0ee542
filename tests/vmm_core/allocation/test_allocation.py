from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.estimate import next_in_s
from vmm_core.allocation.explain import decide
from vmm_core.allocation.facts import Counts, PoolFacts
from vmm_core.allocation.match import removed_by
from vmm_core.allocation.words import describe
from vmm_core.model import Environment, Location, Needs, Pool, Size


def pool(
    environment: str = "mantid",
    location: str = "ral",
    *,
    cpus: float = 2,
    ram_gb: float = 8,
    gpus: int = 0,
    gpu_model: str | None = None,
    unavailable: str = "",
    paused: bool = False,
    maximum: int = 5,
) -> PoolFacts:
    size = Size(
        name=f"c{cpus:g}r{ram_gb:g}g{gpus}",
        cpus=cpus,
        ram_gb=ram_gb,
        gpus=gpus,
        gpu_model=gpu_model,
    )
    return PoolFacts(
        pool=Pool(
            environment=environment,
            cloud=f"{location}-sim",
            size=size.name,
            paused=paused,
            maximum=maximum,
        ),
        environment=Environment(name=environment, title=environment),
        location=Location(name=location, title=location),
        size=size,
        fingerprint="now",
        unavailable=unavailable,
    )


pools = st.lists(
    st.builds(
        pool,
        environment=st.sampled_from(["mantid", "tomo"]),
        location=st.sampled_from(["ral", "dls", "esrf"]),
        cpus=st.sampled_from([1, 2, 4, 8, 64]),
        ram_gb=st.sampled_from([4, 8, 32]),
        gpus=st.sampled_from([0, 0, 1, 2]),
        unavailable=st.sampled_from(["", "", "", "this host has no GPU"]),
        paused=st.booleans(),
        maximum=st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda facts: facts.name,
)
some_needs = st.builds(
    Needs,
    environment=st.sampled_from([None, "mantid", "tomo"]),
    cpus=st.sampled_from([0, 1, 3, 8]),
    ram_gb=st.sampled_from([0, 6, 32]),
    gpus=st.sampled_from([0, 0, 1]),
    locations=st.sampled_from([(), ("ral",), ("dls", "ral")]),
)
counted = st.builds(Counts, free=st.integers(0, 3), booting=st.integers(0, 3))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Needs, list[PoolFacts], dict[str, Counts]]:
    facts = draw(pools)
    return draw(some_needs), facts, {f.name: draw(counted) for f in facts}


@given(cases())
def test_every_pool_is_explained_and_what_is_ranked_fits(case):
    needs, facts, counts = case
    decision = decide(needs, facts, counts)
    assert sorted(c.pool for c in decision.candidates) == sorted(f.name for f in facts)
    ranked = [r.facts.name for r in decision.ranked]
    for candidate in decision.candidates:
        assert (candidate.pool in ranked) == (not candidate.removed_by)
        assert (candidate.score is None) == bool(candidate.removed_by)
    for r in decision.ranked:
        size = r.facts.size
        assert needs.environment in (None, r.facts.environment.name)
        assert not needs.locations or r.facts.location.name in needs.locations
        assert size.cpus >= needs.cpus
        assert size.ram_gb >= needs.ram_gb
        assert size.gpus >= needs.gpus
        assert not r.facts.unavailable
        assert r.score >= 0


@given(cases())
def test_free_comes_before_booting_before_cold_and_then_the_lower_penalty(case):
    needs, facts, counts = case
    keys = []
    for r in decide(needs, facts, counts).ranked:
        here = counts[r.facts.name]
        keys.append((0 if here.free else 1 if here.booting else 2, r.score))
    assert keys == sorted(keys)


@given(cases())
def test_gpu_machines_are_kept_while_any_other_fits(case):
    needs, facts, counts = case
    ranked = decide(needs, facts, counts).ranked
    if needs.gpus == 0 and any(r.facts.size.gpus == 0 for r in ranked):
        assert all(r.facts.size.gpus == 0 for r in ranked)


@given(cases())
def test_a_free_machine_more_never_makes_a_pool_come_later(case):
    needs, facts, counts = case
    before = [r.facts.name for r in decide(needs, facts, counts).ranked]
    for name in before:
        more = {**counts, name: Counts(counts[name].free + 1, counts[name].booting)}
        after = [r.facts.name for r in decide(needs, facts, more).ranked]
        assert after.index(name) <= before.index(name)


@given(cases())
def test_asking_for_less_never_removes_a_pool_without_gpus(case):
    needs, facts, counts = case
    less = needs.model_copy(update={"cpus": 0, "ram_gb": 0, "locations": (), "gpus": needs.gpus})
    before, after = (removed_by(n, facts, counts) for n in (needs, less))
    assert all(not after[f.name] for f in facts if not before[f.name] and not f.size.gpus)


def chosen(needs: Needs, *facts: PoolFacts, free: str = "") -> str:
    counts = {f.name: Counts(free=1) for f in facts if not free or f.name == free}
    return decide(needs, facts, counts).ranked[0].facts.name


def test_the_closest_size_wins():
    small, middle, large = pool(cpus=2), pool(cpus=4), pool(cpus=16)
    assert chosen(Needs(cpus=3), large, middle, small) == middle.name
    assert chosen(Needs(), large, middle, small) == small.name


def test_a_larger_machine_that_is_free_comes_before_a_closer_one_that_is_not():
    small, large = pool(cpus=2), pool(cpus=16)
    assert chosen(Needs(cpus=2), small, large, free=large.name) == large.name


def test_the_penalty_is_one_for_each_doubling():
    small, large = pool(cpus=2, ram_gb=8), pool(cpus=8, ram_gb=16)
    decision = decide(Needs(cpus=2, ram_gb=8), [small, large], {})
    assert [c.score for c in decision.candidates] == [0, 3]


def test_locations_are_taken_in_the_order_of_the_request():
    ral, dls = pool(location="ral"), pool(location="dls")
    assert chosen(Needs(locations=("dls", "ral")), ral, dls) == dls.name
    assert chosen(Needs(locations=("ral", "dls")), ral, dls) == ral.name
    assert chosen(Needs(), ral, dls) == ral.name


def test_a_gpu_machine_serves_others_only_if_nothing_else_ever_can():
    gpu, plain = pool(gpus=1, gpu_model="A100"), pool()
    reasons = removed_by(Needs(), [gpu, plain], {gpu.name: Counts(free=1)})
    assert reasons == {gpu.name: "kept for requests that need a GPU", plain.name: ""}
    assert removed_by(Needs(), [gpu], {}) == {gpu.name: ""}
    assert removed_by(Needs(gpus=1), [gpu], {}) == {gpu.name: ""}


@pytest.mark.parametrize(
    ("needs", "facts", "reason"),
    [
        (Needs(environment="tomo"), pool(), "its environment is mantid"),
        (Needs(locations=("dls",)), pool(), "its location is ral"),
        (Needs(cpus=3), pool(), "it has 2 CPUs"),
        (Needs(cpus=2), pool(cpus=1), "it has 1 CPU"),
        (Needs(ram_gb=9), pool(), "it has 8 GiB of RAM"),
        (Needs(gpus=1), pool(), "it has no GPU"),
        (Needs(gpus=2), pool(gpus=1), "it has 1 GPU"),
        (Needs(gpu_model="H100"), pool(), "it has no GPU"),
        (Needs(gpu_model="H100"), pool(gpus=1, gpu_model="A100"), "its GPU model is A100"),
        (Needs(), pool(unavailable="no GPU here"), "no GPU here"),
        (Needs(), pool(paused=True), "paused by the operator"),
        (Needs(), pool(maximum=0), "its maximum is 0"),
    ],
)
def test_each_reason_is_told(needs: Needs, facts: PoolFacts, reason: str):
    assert reason in removed_by(needs, [facts], {})[facts.name]


def test_a_paused_pool_serves_what_it_has():
    paused = pool(paused=True)
    assert removed_by(Needs(), [paused], {paused.name: Counts(free=1)}) == {paused.name: ""}


def test_the_impossible_is_one_sentence_with_the_reasons():
    said = decide(Needs(environment="mantid", cpus=64, gpus=1), [pool(), pool("tomo")], {})
    assert said.impossible() == (
        "mantid with 64 CPUs, 1 GPU cannot be had: ral has no GPU; ask for something else"
    )
    assert decide(Needs(environment="mantid"), [pool("tomo")], {}).impossible() == (
        "mantid cannot be had: no place has mantid; ask for something else"
    )
    paused = decide(Needs(), [pool(paused=True)], {})
    assert "ral is closed for such machines; ask" in paused.impossible()
    assert "paused by the operator" in paused.candidates[0].removed_by


def test_a_refusal_names_the_place_that_has_it():
    facts = [pool(), pool(location="dls", cpus=64), pool(location="esrf", cpus=64, maximum=0)]
    assert decide(Needs(cpus=64, locations=("ral",)), facts, {}).impossible() == (
        "a machine with 64 CPUs at ral cannot be had: ral has no machine with more than 2 CPUs; "
        "ask for dls, or for something else"
    )


def test_a_refusal_names_a_few_places_and_how_many_more():
    facts = [pool(location=f"place-{number}") for number in range(6)]
    said = decide(Needs(gpus=1), facts, {}).impossible()
    assert said.count("has no GPU") == 4
    assert "place-3 has no GPU and 2 more places cannot; ask for something else" in said


def test_needs_in_words():
    needs = Needs(
        environment="tomo", cpus=4, ram_gb=16, gpus=2, gpu_model="A100", locations=("ral", "dls")
    )
    assert describe(needs) == "tomo with 4 CPUs, 16 GiB, 2 GPUs (A100) at ral or dls"
    assert describe(Needs()) == "a machine"
    assert describe(Needs(cpus=1, gpu_model="A100")) == "a machine with 1 CPU, 1 GPU (A100)"


def test_summaries_say_what_won_or_what_comes():
    small, large, far = pool(), pool(cpus=8), pool(location="dls")
    decision = decide(Needs(cpus=2), [small, large], {large.name: Counts(free=1)})
    said = decision.claimed(large.name, "vmm-1")
    assert said.summary == (
        "you have machine vmm-1 with 8 CPUs, 8 GiB at ral; nothing smaller is free there"
    )
    assert [(each.pool, each.score) for each in said.candidates] == [
        (large.name, 2),
        (small.name, 0),
    ]
    assert decide(Needs(), [small], {small.name: Counts(free=1)}).claimed(
        small.name, "vmm-1"
    ).summary == ("you have machine vmm-1 with 2 CPUs, 8 GiB at ral")
    assert decide(Needs(), [small, large, far], {}).waiting().summary == (
        "no machine is free now, one is started at ral or dls as soon as there is room"
    )
    starting = {far.name: Counts(booting=1)}
    assert decide(Needs(cpus=1, ram_gb=4), [small, far], starting).waiting().summary == (
        "no machine with 1 CPU, 4 GiB is free now, one is starting up at dls"
    )
    assert decide(Needs(environment="mantid"), [pool(maximum=0)], {}).waiting().summary == (
        "mantid cannot be had now: you wait until it can"
    )


@given(cases())
def test_users_read_nothing_of_pools(case):
    needs, facts, counts = case
    decision = decide(needs, facts, counts)
    told = [decision.waiting().summary, decision.impossible()]
    told += [decision.claimed(r.facts.name, "vmm-1").summary for r in decision.ranked]
    for said in told:
        assert not any(word in said for word in ("pool", "penalty", "score", "@", "maximum"))


@pytest.mark.parametrize(
    ("free", "ahead", "booting_for_s", "boot_times_s", "room", "expected"),
    [
        (1, 0, [], [], True, 0),
        (1, 1, [], [60], True, 60),
        (0, 0, [20], [50, 60, 70], True, 40),
        (0, 1, [20, 50], [60], True, 40),
        (0, 0, [90], [60], True, 1),
        (0, 0, [], [60], False, None),
        (0, 0, [], [], True, None),
    ],
)
def test_the_next_machine_is_estimated_from_measured_boots(
    free, ahead, booting_for_s, boot_times_s, room, expected
):
    assert (
        next_in_s(
            free=free,
            ahead=ahead,
            booting_for_s=booting_for_s,
            boot_times_s=boot_times_s,
            room=room,
        )
        == expected
    )
