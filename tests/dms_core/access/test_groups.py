"""Groups' names as memberships."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_core.access.groups import Patterns
from dms_core.access.rules import Memberships

# (patterns, group, memberships beside the user's name)
TABLE = [
    (Patterns(), "rb-SANS2D-RB1", {"experiments": {("SANS2D", "RB1")}}),
    (Patterns(), "RB-SANS2D-RB1", {"experiments": {("SANS2D", "RB1")}}),
    (Patterns(), "rb-EMMA-X-RB1", {"experiments": {("EMMA-X", "RB1")}}),
    (Patterns(), "scientists-EMMA-X", {"instruments": {"EMMA-X"}}),
    (Patterns(), "dms-administrators", {"administrator": True}),
    (Patterns(), "DMS-Administrators", {"administrator": True}),
    (Patterns(), "dms-administrators2", {}),
    (Patterns(), "xdms-administrators", {}),
    (Patterns(), "rb-SANS2D", {}),
    (Patterns(), "rb-SANS2D-", {}),
    (Patterns(), "rb--RB1", {}),
    (Patterns(), "rb-SANS2D-RB1\n", {}),
    (Patterns(), "rb-SANS2D/..-RB1", {}),
    (Patterns(), "rb-SANS2D-..", {}),
    (Patterns(), "rb-..-RB1", {}),
    (Patterns(), "climbing", {}),
    (
        Patterns(case="upper", number_folder="RB{number}"),
        "rb-sans2d-1310123",
        {"experiments": {("SANS2D", "RB1310123")}},
    ),
    (Patterns(case="lower"), "scientists-LOQ", {"instruments": {"loq"}}),
    (
        Patterns(experiments=("{number}@{instrument}.rb",)),
        "RB1@SANS2D.rb",
        {"experiments": {("SANS2D", "RB1")}},
    ),
    (Patterns(administrators=()), "dms-administrators", {}),
]


@pytest.mark.parametrize(("patterns", "group", "means"), TABLE)
def test_what_a_group_means(patterns: Patterns, group: str, means: dict[str, object]) -> None:
    found = patterns.memberships("alice", [group, "unrelated"])
    sets = {
        key: frozenset(value) if isinstance(value, set) else value for key, value in means.items()
    }
    assert found == Memberships("alice", **sets)  # type: ignore[arg-type]


@given(
    st.lists(st.text(max_size=30) | st.from_regex(r"(rb|scientists)-[a-z./-]{1,9}", fullmatch=True))
)
def test_folders_are_plain_names(groups: list[str]) -> None:
    found = Patterns().memberships("alice", groups)
    for name in [*found.instruments, *(part for pair in found.experiments for part in pair)]:
        assert "/" not in name
        assert not name.startswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiments": ("rb-{number}",)},
        {"experiments": ("rb-{instrument}{number}",)},
        {"experiments": ("{instrument}-{number}-{number}",)},
        {"scientists": ("scientists",)},
        {"administrators": ("{instrument}",)},
        {"number_folder": "RB"},
    ],
)
def test_wrong_patterns(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Patterns(**wrong)  # type: ignore[arg-type]
