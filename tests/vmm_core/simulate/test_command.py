"""``vmm simulate``: make a trace up, replay it against a policy, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vmm_core.cli import main

POLICY = """
pools:
  "*": {ready: 2, maximum: 60}
  muon-spins:
    maximum: 30
    sizing:
      minimum: 1
      forecast:
        timezone: Europe/London
        cycles: {file: days.ics, match: cycle}
        closed: {file: days.ics, match: holiday}
boot: {median_s: 200, sigma: 0.2}
warm_up_days: 14
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    days = str(tmp_path / "days.ics")
    made = ["--generate", "3", "--days", "42", "--requests", "20000", "--calendar", days]
    assert main(["simulate", *made]) == 0
    (tmp_path / "trace.csv").write_text(capsys.readouterr().out)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def simulate(folder: Path, *more: str, policy: str = "policy.yaml") -> int:
    return main(["simulate", str(folder / "trace.csv"), str(folder / policy), *more])


def test_it_tells_hits_waits_and_idle_hours(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(folder, "--json", "--plot", str(folder / "plot.png")) == 0
    told = json.loads(capsys.readouterr().out)
    every = told["all"]
    assert every["requests"] == sum(pool["requests"] for pool in told["pools"].values()) > 700
    assert 0.7 < every["hit_rate"] < 1
    assert every["wait_p50_s"] == 0 < every["wait_max_s"] < 1800
    assert every["vacant_h"] < every["idle_h"] < 28 * 24 * 2 * 12
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert simulate(folder) == 0
    text = capsys.readouterr().out
    assert f"{every['hit_rate']:.2%}" in text
    assert "█" in text


def test_the_same_twice_tells_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for _ in range(2):
        assert simulate(folder, "--json") == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]


def test_more_machines_ready_are_more_hits_and_more_idle_hours(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for ready in (0, 1, 4):
        (folder / "fixed.yaml").write_text(f'pools: {{"*": {{ready: {ready}}}}}')
        assert simulate(folder, "--json", "--warm-up", "0", policy="fixed.yaml") == 0
        found.append(json.loads(capsys.readouterr().out)["all"])
    assert [each["hit_rate"] for each in found] == sorted(each["hit_rate"] for each in found)
    assert found[0]["hit_rate"] == 0
    assert found[0]["idle_h"] < found[1]["idle_h"] < found[2]["idle_h"]
    leased = [each["leased_h"] for each in found]
    assert leased == pytest.approx([leased[0]] * 3, rel=0.01)


def test_a_catalogue_is_a_policy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = (folder / "trace.csv").read_text().splitlines()
    muons = [trace[0], *(line for line in trace if ",muon-spins," in line)]
    (folder / "trace.csv").write_text("\n".join(muons))
    (folder / "catalogue.yaml").write_text(
        "locations: [{name: ral, title: RAL}]\n"
        "clouds: [{name: sim, kind: simulated, location: ral}]\n"
        "environments: [{name: muon-spins, title: Muons}]\n"
        "pools: [{environment: muon-spins, cloud: sim, size: small, ready: 2, maximum: 20}]\n"
    )
    assert simulate(folder, "--json", "--warm-up", "0", policy="catalogue.yaml") == 0
    assert list(json.loads(capsys.readouterr().out)["pools"]) == ["muon-spins@sim/small"]


def test_a_cloud_with_little_room_makes_people_wait(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for machines in (8, 400):
        policy = (
            f'pools: {{"*": {{ready: 1}}}}\nlimits: {{machines: {machines}}}\nwarm_up_days: 14\n'
        )
        (folder / "full.yaml").write_text(policy)
        assert simulate(folder, "--json", policy="full.yaml") == 0
        found.append(json.loads(capsys.readouterr().out)["all"])
    assert found[0]["hit_rate"] < found[1]["hit_rate"]
    assert found[0]["refused"] > found[1]["refused"] == 0
    assert found[0]["leased_h"] + found[0]["idle_h"] <= 8 * 28 * 24 + 1


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ('pools: {"muon-spins": {}}', 'has no pool for imaging: add it to pools, or "*" for all'),
        ("pools: [", "is not valid YAML"),
        ('pools: {"*": {redy: 1}}', "pools.*.redy: Extra inputs are not permitted"),
        ('pools: {"*": {}}\nwarm_up_days: 99', "the trace has 42 days, all of which are warm-up"),
        (
            'pools: {"*": {sizing: {calendar: [{file: no.ics, ready: 1}]}}}',
            "no.ics cannot be read: No such file or directory",
        ),
    ],
)
def test_a_wrong_policy_is_told_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], policy: str, why: str
) -> None:
    (folder / "wrong.yaml").write_text(policy)
    assert simulate(folder, policy="wrong.yaml") == 1
    assert why in capsys.readouterr().err


def test_what_is_missing_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["simulate"]) == 1
    assert "give a trace and a policy, or --generate SEED" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert simulate(folder, "--plot", str(folder / "plot.png")) == 1
    assert "a plot needs matplotlib: pip install 'jupyter-daaas[plot]'" in capsys.readouterr().err
