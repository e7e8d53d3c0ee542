"""What users and groups may have at once, in numbers and in words."""

from __future__ import annotations

import pytest

from vmm_core.allocation.explain import decide
from vmm_core.allocation.limits import Amount, Usage, exceeded, limit_of, refusal
from vmm_core.allocation.rules import Rules
from vmm_core.model import Limit, Needs

from .test_allocation import pool

EACH = Limit(each="user", machines=2)
ALICE = Limit(user="alice", machines=5)
GROUPS = Limit(each="group", machines=9)


def test_a_limit_that_names_somebody_wins_over_one_for_each():
    limits = [EACH, ALICE, GROUPS]
    assert limit_of(limits, user="alice") is ALICE
    assert limit_of(limits, user="bob") is EACH
    assert limit_of(limits, group="alice") is GROUPS
    assert limit_of([ALICE], user="bob") is None


def test_each_amount_of_a_limit_counts():
    limit = Limit(each="user", machines=2, cpus=8, ram_gb=32, gpus=1)
    one = Amount(1, 4, 16, 1)
    assert exceeded(limit, Amount(), one) == ""
    assert exceeded(limit, one, one) == "gpus"
    assert exceeded(limit, Amount(1, 6, 8, 0), Amount(1, 4, 8, 0)) == "cpus"
    assert exceeded(limit, Amount(2), Amount(1)) == "machines"
    assert exceeded(None, Amount(99), one) == ""


@pytest.mark.parametrize(
    ("limit", "used", "more", "said"),
    [
        (
            EACH,
            Amount(2),
            Amount(1),
            "you have 2 machines, the most you may have at once: release one first",
        ),
        (
            Limit(each="user", cpus=8),
            Amount(1, 6),
            Amount(1, 4),
            "you have 6 CPUs and ask for 4 CPUs, and may have 8 CPUs at once: release one first, "
            "or ask for at most 2 CPUs",
        ),
        (
            Limit(each="user", ram_gb=8),
            Amount(),
            Amount(1, 1, 16),
            "you ask for 16 GiB, and may have 8 GiB at once: ask for less",
        ),
        (
            Limit(each="user", gpus=0),
            Amount(1),
            Amount(1, 1, 1, 1),
            "you may not have a GPU: ask the facility's support, or ask for something else",
        ),
    ],
)
def test_a_refusal_says_the_remedy(limit, used, more, said):
    assert refusal(limit, exceeded(limit, used, more), used, more) == said


def test_a_smaller_machine_that_is_within_the_limit_will_do():
    small, large = pool(cpus=2), pool(cpus=16)
    rules = Rules([large, small], limits=[Limit(each="user", cpus=4)])
    usage = Usage(users={"alice": Amount(1, 2, 8)})
    decision = decide(Needs(), [large, small], {})
    assert rules.refusal("alice", decision, usage) == ""
    assert rules.charge("alice", (), large, usage).held
    assert not rules.charge("alice", (), small, usage).held
    usage.waiting["alice"] = Amount(1, 2)
    assert rules.refusal("alice", decision, usage) != ""
