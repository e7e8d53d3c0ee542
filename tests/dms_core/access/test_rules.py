"""The rules as a table, and what must hold for any path and any memberships."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_core.access.rules import Memberships, children, decide
from dms_core.model import Action, Policy

ALICE = Memberships("alice", experiments=frozenset({("SANS2D", "RB1")}))
SARAH = Memberships("sarah", instruments=frozenset({"SANS2D"}))
ADMIN = Memberships("root", administrator=True)
NOBODY = Memberships("nobody")

# (policy, path, who, list, read, write, known)
TABLE = [
    ("archive", "", NOBODY, True, True, False, True),
    ("archive", "NDX/run.nxs", ALICE, True, True, False, True),
    ("archive", "NDX/run.nxs", ADMIN, True, True, False, True),
    ("home", "", ALICE, True, False, False, True),
    ("home", "alice", ALICE, True, True, False, True),
    ("home", "alice/x", ALICE, True, True, True, True),
    ("home", "bob", ALICE, False, False, False, False),
    ("home", "bob/x/y", ADMIN, False, False, False, False),
    ("home", "alicex", ALICE, False, False, False, False),
    ("rb", "", NOBODY, True, False, False, True),
    ("rb", "SANS2D", NOBODY, False, False, False, False),
    ("rb", "SANS2D", ALICE, True, False, False, True),
    ("rb", "SANS2D", SARAH, True, True, False, True),
    ("rb", "SANS2D", ADMIN, True, True, True, True),
    ("rb", "SANS2D/RBNumber", ALICE, True, False, False, True),
    ("rb", "SANS2D/RBNumber", SARAH, True, True, False, True),
    ("rb", "SANS2D/RBNumber/RB1", ALICE, True, True, False, True),
    ("rb", "SANS2D/RBNumber/RB1", SARAH, True, True, True, True),
    ("rb", "SANS2D/RBNumber/RB1/data/x", ALICE, True, True, True, True),
    ("rb", "SANS2D/RBNumber/RB2", ALICE, False, False, False, False),
    ("rb", "SANS2D/RBNumber/RB2/x", ALICE, False, False, False, False),
    ("rb", "SANS2D/RBNumber/RB2/x", SARAH, True, True, True, True),
    ("rb", "SANS2D/RBNumber/RB2/x", ADMIN, True, True, True, True),
    ("rb", "SANS2D/other/RB1", ALICE, False, False, False, False),
    ("rb", "SANS2D/other", ALICE, False, False, False, False),
    ("rb", "SANS2D/other", SARAH, True, True, True, True),
    ("rb", "LOQ/RBNumber/RB1", ALICE, False, False, False, False),
    ("rb", "LOQ/RBNumber/RB1", SARAH, False, False, False, False),
]


@pytest.mark.parametrize(("policy", "path", "who", "lists", "reads", "writes", "known"), TABLE)
def test_who_may_what(
    policy: str, path: str, who: Memberships, lists: bool, reads: bool, writes: bool, known: bool
) -> None:
    parts = path.split("/") if path else []
    decisions = {action: decide(Policy(policy), parts, action, who) for action in Action}
    allowed = {action: decision.allowed for action, decision in decisions.items()}
    assert allowed == {Action.LIST: lists, Action.READ: reads, Action.WRITE: writes}
    assert decisions[Action.LIST].known == known
    assert all(decision.reason for decision in decisions.values())


names = st.sampled_from(["SANS2D", "LOQ", "RBNumber", "RB1", "RB2", "alice", "bob", "x", ""])
paths = st.lists(names, max_size=5)
instruments = st.sampled_from(["SANS2D", "LOQ"])
memberships = st.builds(
    Memberships,
    st.sampled_from(["alice", "bob"]),
    administrator=st.booleans(),
    instruments=st.frozensets(instruments),
    experiments=st.frozensets(st.tuples(instruments, st.sampled_from(["RB1", "RB2"]))),
)


@given(st.sampled_from(Policy), paths, memberships)
def test_what_is_below_is_never_known_without_what_is_above(
    policy: Policy, parts: list[str], who: Memberships
) -> None:
    if parts and decide(policy, parts, Action.LIST, who).allowed:
        assert decide(policy, parts[:-1], Action.LIST, who).allowed


@given(st.sampled_from(Policy), paths, names, memberships)
def test_a_listing_shows_what_may_be_known_and_nothing_else(
    policy: Policy, parts: list[str], name: str, who: Memberships
) -> None:
    if decide(policy, parts, Action.LIST, who).allowed:
        shown = children(policy, parts, who)
        known = decide(policy, [*parts, name], Action.LIST, who).allowed
        assert known == (shown is None or name in shown)


@given(st.sampled_from(Policy), paths, memberships)
def test_what_may_be_written_may_be_read_and_what_may_be_read_may_be_listed(
    policy: Policy, parts: list[str], who: Memberships
) -> None:
    allowed = {action: decide(policy, parts, action, who).allowed for action in Action}
    assert allowed[Action.LIST] >= allowed[Action.READ] >= allowed[Action.WRITE]


@given(st.sampled_from(Policy), paths, st.sampled_from(Action), memberships)
def test_fewer_memberships_never_allow_more(
    policy: Policy, parts: list[str], action: Action, who: Memberships
) -> None:
    if decide(policy, parts, action, Memberships(who.user)).allowed:
        assert decide(policy, parts, action, who).allowed


@given(paths, st.sampled_from(Action), memberships)
def test_homes_know_no_administrators(parts: list[str], action: Action, who: Memberships) -> None:
    if parts and parts[0] != who.user:
        decision = decide(Policy.HOME, parts, action, who)
        assert not decision.allowed
        assert not decision.known
