"""The rules as a table, and what must hold for any path and any memberships."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_core.access.rules import Memberships, children, decide, shown_mode, stored_mode
from dms_core.model import Action, Kind, Policy

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


# The same once more, written from the table of the design and not from the code: who
# an experiment's folder and what is in it belong to, and nothing else for anybody.


def model(parts: list[str], who: Memberships) -> set[Action]:
    """What the design gives ``who`` at a place below an rb volume."""
    everything, look = set(Action), {Action.LIST, Action.READ}
    shape = ["instrument", "RBNumber", "number"]
    place = shape[len(parts) - 1] if 0 < len(parts) <= 3 else ("below" if parts else "volume")
    if len(parts) > 1 and parts[1] != "RBNumber":
        place = "elsewhere"
    is_scientist = bool(parts) and parts[0] in who.instruments
    is_member = len(parts) > 2 and (parts[0], parts[2]) in who.experiments
    has_some_here = bool(parts) and any(parts[0] == inst for inst, _ in who.experiments)
    if not who.readable:
        return {Action.LIST} if place == "volume" else set()
    if who.administrator:
        return look if place == "volume" else everything
    rights = {
        "volume": {Action.LIST},
        "instrument": look if is_scientist else {Action.LIST} if has_some_here else set(),
        "RBNumber": look if is_scientist else {Action.LIST} if has_some_here else set(),
        "number": everything if is_scientist else look if is_member else set(),
        "below": everything if is_scientist or is_member else set(),
        "elsewhere": everything if is_scientist else set(),
    }
    return rights[place]


anybody = st.builds(
    Memberships,
    st.sampled_from(["alice", "bob"]),
    administrator=st.booleans(),
    instruments=st.frozensets(instruments),
    experiments=st.frozensets(st.tuples(instruments, st.sampled_from(["RB1", "RB2"]))),
    readable=st.just(True),
) | st.builds(Memberships, st.just("alice"), readable=st.just(False))


@given(paths, anybody)
def test_rb_is_as_the_design_has_it(parts: list[str], who: Memberships) -> None:
    allowed = {one for one in Action if decide(Policy.RB, parts, one, who).allowed}
    assert allowed == model(parts, who)


@given(paths, anybody)
def test_what_a_user_may_not_list_is_not_known(parts: list[str], who: Memberships) -> None:
    decision = decide(Policy.RB, parts, Action.LIST, who)
    assert decision.known == (decision.allowed or not who.readable)


def test_without_an_answer_experiments_are_closed_and_the_rest_is_open() -> None:
    who = Memberships("alice", readable=False)
    assert decide(Policy.ARCHIVE, ["run"], Action.READ, who).allowed
    assert decide(Policy.HOME, ["alice", "x"], Action.WRITE, who).allowed
    assert "nobody can say" in decide(Policy.RB, ["SANS2D"], Action.LIST, who).reason
    assert children(Policy.RB, [], who) == frozenset()


@given(st.integers(0, 0o777), st.sampled_from([Kind.FILE, Kind.FOLDER]))
def test_what_is_shared_is_the_services_alone_and_looks_shared(mode: int, kind: Kind) -> None:
    stored, shown = stored_mode(Policy.RB, kind, mode), shown_mode(Policy.RB, kind, mode)
    assert stored & 0o677 == 0o600
    assert shown & 0o660 == 0o660
    assert bool(stored & 0o100) == bool(shown & 0o100) == (kind is Kind.FOLDER or mode & 0o111 > 0)
    assert stored_mode(Policy.HOME, kind, mode) == shown_mode(Policy.HOME, kind, mode) == mode
