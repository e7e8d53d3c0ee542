"""The membership file: what it says, and what happens when it changes or breaks."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dms_core.access.membership import MembershipFile
from dms_core.access.rules import Memberships
from dms_core.errors import ConfigError

TEXT = """\
administrators: [root, sarah]
instruments:
  SANS2D:
    scientists: [sarah]
experiments:
  RB1310123:
    instrument: SANS2D
    members: [alice, bob]
  RB1310124: {instrument: SANS2D, members: [bob], title: Micelles}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "membership.yaml"
    file.write_text(TEXT)
    return file


def replace(file: Path, text: str) -> None:
    """As an editor does: a new file in the old one's place."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def test_what_it_says(file: Path) -> None:
    membership = MembershipFile(file)
    assert membership.of("bob") == Memberships(
        "bob", experiments=frozenset({("SANS2D", "RB1310123"), ("SANS2D", "RB1310124")})
    )
    assert membership.of("sarah") == Memberships(
        "sarah", administrator=True, instruments=frozenset({"SANS2D"})
    )
    assert membership.of("stranger") == Memberships("stranger")


def test_a_change_holds_within_the_stated_time(file: Path) -> None:
    now = 0.0
    membership = MembershipFile(file, check_every_s=1, clock=lambda: now)
    assert membership.of("alice").experiments
    replace(file, TEXT.replace("alice, bob", "bob"))
    now = 1.0
    assert not membership.of("alice").experiments
    assert membership.of("bob").experiments


@pytest.mark.parametrize("broken", ["administrators: [", "", "members: []", "experiments: 7"])
def test_a_broken_file_is_told_and_the_last_good_one_stays(
    file: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    membership = MembershipFile(file, check_every_s=0)
    replace(file, broken)
    with caplog.at_level(logging.WARNING):
        assert membership.of("alice").experiments
        assert membership.of("alice").experiments
    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{file}:1" in record.message
    assert membership.problem == record.message
    replace(file, TEXT.replace("alice, bob", "bob"))
    assert not membership.of("alice").experiments
    assert membership.problem == ""


def test_a_file_that_went_is_told_and_the_last_good_one_stays(file: Path) -> None:
    membership = MembershipFile(file, check_every_s=0)
    file.unlink()
    assert membership.of("alice").experiments
    assert "cannot be read" in membership.problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("administrators: [root]\nexperiment: {}\n", ":2: experiment: is not known here"),
        (TEXT.replace("SANS2D, m", "LOQ, m"), ":9: experiments.RB1310124.instrument: there is no"),
        (TEXT.replace("[bob]", "bob"), ":9: experiments.RB1310124.members: "),
        (TEXT.replace("alice", "'../x'"), ":8: experiments.RB1310123.members.0: "),
        (TEXT.replace("RB1310123", "'..'"), ":6: "),
        ("a: b: c", ":1: is no YAML"),
        ("- x", ":1: the file: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        MembershipFile(file)
    assert f"{file}{told}" in str(caught.value)
    assert "\n" not in str(caught.value)
