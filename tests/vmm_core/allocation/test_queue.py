"""Whose turn it is: fair between groups, nobody starves, and each one's place and estimate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vmm_core.allocation.facts import Counts
from vmm_core.allocation.handout import hand_out
from vmm_core.allocation.limits import Amount, Usage
from vmm_core.allocation.queue import PATIENCE_S, Ask, Turns, standings
from vmm_core.allocation.rules import Rules
from vmm_core.model import Limit, Needs

from .test_allocation import pool

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POOL = pool(maximum=100)
RULES = Rules([POOL])


def ask(name: str, *groups: str, waits_s: float = 0, needs: Needs | None = None) -> Ask:
    since = NOW - timedelta(seconds=waits_s)
    return Ask(name, needs or Needs(), f"owner-of-{name}", groups, since)


def order(asks: list[Ask], rules: Rules = RULES, usage: Usage | None = None) -> list[str]:
    """Who gets a machine, in the order of their turns, when there is one for each."""
    counts = {POOL.name: Counts(free=len(asks))}
    grants = hand_out(asks, rules, counts, usage or Usage(), NOW)
    return [grant.ask.lease for grant in grants]


def test_within_a_group_the_oldest_comes_first():
    assert order([ask("b", waits_s=1), ask("a", waits_s=2), ask("c")]) == ["a", "b", "c"]


def test_groups_take_turns_within_one_pass():
    many = [ask(f"big-{n}", "big", waits_s=50 - n) for n in range(4)]
    few = [ask(f"small-{n}", "small", waits_s=9 - n) for n in range(2)]
    assert order([*many, *few]) == ["big-0", "small-0", "big-1", "small-1", "big-2", "big-3"]


def test_the_group_with_the_smaller_share_in_use_comes_first():
    usage = Usage(groups={"a": Amount(3), "b": Amount(1)})
    asks = [ask("a1", "a", waits_s=9), ask("b1", "b"), ask("b2", "b"), ask("b3", "b")]
    assert order(asks, usage=usage) == ["b1", "b2", "a1", "b3"]


def test_a_share_is_weighed_by_the_groups_limit():
    rules = Rules([POOL], limits=[Limit(group="a", machines=40), Limit(group="b", machines=4)])
    usage = Usage(groups={"a": Amount(10), "b": Amount(2)})
    assert order([ask("b1", "b", waits_s=9), ask("a1", "a")], rules, usage) == ["a1", "b1"]


def test_whoever_waited_long_enough_is_overtaken_by_nobody_later():
    usage = Usage(groups={"a": Amount(30)})
    old = ask("old", "a", waits_s=PATIENCE_S + 1)
    assert order([ask("new", "b"), old], usage=usage) == ["old", "new"]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 2 * PATIENCE_S)), min_size=1, max_size=12
    ),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
)
def test_nobody_starves_and_nobody_is_forgotten(waiting, used):
    asks = [ask(f"l-{n}", group, waits_s=s) for n, (group, s) in enumerate(waiting)]
    usage = Usage(groups={group: Amount(number) for group, number in used.items()})
    served = order(asks, usage=usage)
    assert sorted(served) == sorted(each.lease for each in asks)
    by_name = {each.lease: each for each in asks}
    for place, lease in enumerate(served):
        impatient = NOW - by_name[lease].since >= timedelta(seconds=PATIENCE_S)
        for other in served[:place] if impatient else ():
            assert by_name[other].since <= by_name[lease].since
    for group in "abc":  # in a group, nobody overtakes
        ages = [by_name[lease].since for lease in served if by_name[lease].groups == (group,)]
        assert ages == sorted(ages)


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), st.integers(1, 20))
def test_no_group_gets_two_more_than_another_that_still_waits(groups, machines):
    asks = [ask(f"l-{n:02}", group, waits_s=len(groups) - n) for n, group in enumerate(groups)]
    got = dict.fromkeys(groups, 0)
    left = {group: groups.count(group) for group in groups}
    counts = {POOL.name: Counts(free=machines)}
    for grant in hand_out(asks, RULES, counts, Usage(), NOW):
        got[grant.group] += 1
        left[grant.group] -= 1
        assert all(got[grant.group] <= got[other] + 1 for other in left if left[other])


def test_turns_go_by_what_was_handed_out_until_then():
    turns = Turns([ask("a1", "a"), ask("a2", "a"), ask("b1", "b")], RULES, Usage(), NOW)
    first, *_ = turns
    assert first.lease == "a1"


def test_places_count_those_who_compete_for_the_same_machines():
    ral, dls = pool(location="ral"), pool(location="dls")
    here, there = Needs(locations=("ral",)), Needs(locations=("dls",))
    asks = [
        ask("1", waits_s=5, needs=here),
        ask("2", waits_s=4, needs=there),
        ask("3", waits_s=3, needs=here),
        ask("4", waits_s=2),
    ]
    found = standings(asks, Rules([ral, dls]), {}, Usage(), NOW)
    assert [(each.ask.lease, each.place) for each in found] == [
        ("1", 1),
        ("2", 1),
        ("3", 2),
        ("4", 4),
    ]
    arrivals = {ral.name: [10.0, 90.0], dls.name: [30.0]}
    assert [each.estimate_s(arrivals) for each in found] == [10, 30, 90, None]


def test_who_is_held_by_a_limit_is_in_nobodys_way():
    rules = Rules([POOL], limits=[Limit(group="a", machines=2)])
    usage = Usage(groups={"a": Amount(1)})
    asks = [ask("a1", "a", waits_s=9), ask("a2", "a", waits_s=8), ask("b1", "b", waits_s=1)]
    found = {each.ask.lease: each for each in standings(asks, rules, {}, usage, NOW)}
    assert not found["a1"].held
    assert found["a2"].held == "your group a has 2 machines, the most it may have at once"
    assert found["a2"].estimate_s({POOL.name: [1.0] * 9}) is None
    assert found["b1"].place == 1
    assert usage.groups == {"a": Amount(1)}, "looking changes nothing"


def test_an_ask_of_several_groups_counts_for_the_first_that_has_room():
    rules = Rules([POOL], limits=[Limit(group="full", machines=1)])
    usage = Usage(groups={"full": Amount(1)})
    (grant,) = hand_out([ask("x", "full", "other")], rules, {POOL.name: Counts(free=1)}, usage, NOW)
    assert grant.group == "other"
    alone = [ask("y", "full")]
    assert hand_out(alone, rules, {POOL.name: Counts(free=1)}, usage, NOW) == []


def test_a_machine_counts_only_for_a_group_that_may_use_its_environment():
    facts = pool()
    theirs = facts.environment.model_copy(update={"groups": ("staff",)})
    rules = Rules([type(facts)(facts.pool, theirs, facts.location, facts.size, "now")])
    counts = {facts.name: Counts(free=2)}
    (grant,) = hand_out([ask("x", "guests", "staff")], rules, counts, Usage(), NOW)
    assert grant.group == "staff"
    assert hand_out([ask("y", "guests")], rules, counts, Usage(), NOW) == []
    assert not rules(Needs(), counts, ("guests",)).possible
    assert rules(Needs(), counts, ("guests",)).candidates == ()


def test_the_explanation_tells_who_is_before():
    decision = RULES(Needs(), {})
    assert decision.waiting(before=2, of_group=2).summary.endswith(
        "; 2 of your group are before you"
    )
    assert decision.waiting(before=1).summary.endswith("; 1 is before you")
    assert decision.waiting(before=3, of_group=1).summary.endswith(
        "; 3 are before you, 1 of them of your group"
    )
    assert "before you" not in decision.waiting().summary
