from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from vmm_core.clouds.base import CloudMachine, CloudState, ResourceKind
from vmm_core.model import MachineState as S
from vmm_core.pools.policy import Policy
from vmm_core.pools.reconcile import Findings, reconcile
from vmm_core.store.records import MachineRow

from .test_plan import NOW, facts, machine

POLICY = Policy(look_up_s=15, missing_grace_s=30)


def look(machines: list[MachineRow], listed: list[CloudMachine], **others) -> Findings:
    given = {"in_flight": (), "missing_since": {}, "now": NOW, "policy": POLICY, **others}
    return reconcile(machines, listed, **given)


def at_cloud(name: str, state: CloudState = CloudState.RUNNING) -> CloudMachine:
    return CloudMachine(id=f"c-{name}", name=name, state=state, reason="it says so")


def test_a_create_of_unknown_outcome_is_found_by_its_name():
    asked = machine(facts(), 0, S.REQUESTED)
    seen = at_cloud(asked.id)
    assert look([asked], [seen]).found == ((asked, seen),)


def test_a_create_that_the_cloud_never_shows_was_lost_after_a_while():
    asked = machine(facts(), 0, S.REQUESTED)
    assert look([asked], []).failed == ()
    later = NOW + timedelta(seconds=15)
    assert look([asked], [], now=later).failed == ((asked, "its cloud never made it"),)
    assert look([asked], [], now=later, in_flight={asked.id}) == Findings()


@pytest.mark.parametrize("state", [S.BUILDING, S.PROVISIONED, S.VACANT, S.ACQUIRED, S.HELD])
def test_a_machine_that_stays_out_of_the_list_is_gone(state: S):
    gone = machine(facts(), 0, state)
    first = look([gone], [])
    assert (first.failed, first.missing) == ((), {gone.id})
    since = {gone.id: NOW - timedelta(seconds=30)}
    assert [m.id for m, _ in look([gone], [], missing_since=since).failed] == [gone.id]


@pytest.mark.parametrize("state", [S.DELETING, S.FAILED])
def test_machines_on_their_way_out_are_not_missed(state: S):
    assert look([machine(facts(), 0, state)], []) == Findings()


def test_a_held_machine_that_runs_no_more_is_kept_for_what_is_on_its_disk():
    empty = machine(facts(), 0, S.HELD)
    full = replace(empty, holding="2 files")
    stopped = at_cloud(empty.id, CloudState.FAILED)
    assert [m.id for m, _ in look([empty], [stopped]).failed] == [empty.id]
    assert look([full], [stopped]) == Findings()


def test_what_the_ledger_does_not_have_is_an_orphan():
    known = machine(facts(), 0)
    findings = look([known], [at_cloud(known.id), at_cloud("other")])
    assert findings.orphans == {"c-other": ResourceKind.MACHINE}


def test_a_failed_machine_is_told_unless_somebody_uses_it():
    vacant, used = machine(facts(), 0), machine(facts(), 1, S.ACQUIRED)
    listed = [at_cloud(m.id, CloudState.FAILED) for m in (vacant, used)]
    assert look([vacant, used], listed).failed == ((vacant, "it says so"),)


@pytest.mark.parametrize("for_its_user", [{"holding": "2 files"}, {"kept_until": NOW}])
def test_what_is_kept_for_its_user_is_not_believed_gone_by_a_list_that_misses_it(for_its_user):
    kept = replace(machine(facts(), 0, S.HELD), **for_its_user)
    since = {kept.id: NOW - timedelta(seconds=POLICY.held_silent_s - 1)}
    assert look([kept], [], missing_since=since).failed == ()
    since = {kept.id: NOW - timedelta(seconds=POLICY.held_silent_s)}
    assert [m.id for m, _ in look([kept], [], missing_since=since).failed] == [kept.id]


def test_what_can_be_taken_back_is_kept_though_its_cloud_says_that_it_failed():
    kept = replace(machine(facts(), 0, S.HELD), kept_until=NOW)
    assert look([kept], [at_cloud(kept.id, CloudState.FAILED)]) == Findings()
