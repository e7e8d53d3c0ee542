"""What a cloud's list says about the ledger's machines. Pure.

A create of unknown outcome is looked up by name here; machines that are gone
and machines that nobody knows (orphans) are found here. Anything ambiguous
keeps the machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..clouds.base import CloudMachine, CloudState
from ..model import Machine
from ..model import MachineState as S
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Findings:
    """What one list of one cloud means."""

    found: tuple[tuple[Machine, CloudMachine], ...] = ()
    """Machines on their way, with what their cloud says."""
    failed: tuple[tuple[Machine, str], ...] = ()
    """Machines that are of no use any more, with why."""
    missing: frozenset[str] = frozenset()
    """Machines that should be in the list and are not."""
    orphans: frozenset[str] = frozenset()
    """Provider's ids of machines that are ours and that the ledger does not want."""


def reconcile(
    machines: Sequence[Machine],
    listed: Sequence[CloudMachine],
    *,
    in_flight: Collection[str],
    missing_since: Mapping[str, datetime],
    now: datetime,
    policy: Policy,
) -> Findings:
    """Compare a cloud's list with the ledger, which was read after the list.

    Args:
        machines: the cloud's machines in the ledger that are not deleted.
        listed: what the cloud says it has of ours.
        in_flight: machines this process is creating or deleting at this moment.
        missing_since: when machines that were missing before were first missed.
        now: the time.
        policy: how long to wait before believing.
    """
    by_name = {machine.name: machine for machine in listed}
    found, failed, missing = [], [], set()
    for machine in machines:
        seen = by_name.get(machine.id)
        if machine.id in in_flight or machine.state in (S.DELETING, S.FAILED):
            continue
        if seen is None:
            missing.add(machine.id)
            if why := _gone(machine, missing_since.get(machine.id, now), now, policy):
                failed.append((machine, why))
        elif seen.state is CloudState.FAILED and not _is_kept(machine):
            failed.append((machine, seen.reason or "its cloud says it failed"))
        elif machine.state in (S.REQUESTED, S.BUILDING, S.PROVISIONED):
            found.append((machine, seen))
    wanted = {machine.id for machine in machines}
    return Findings(
        found=tuple(found),
        failed=tuple(failed),
        missing=frozenset(missing),
        orphans=frozenset(m.id for m in listed if m.name not in wanted),
    )


def _is_kept(machine: Machine) -> bool:
    """Whether a machine that no longer runs stays: what its user left may be on its disk."""
    return machine.state is S.ACQUIRED or (machine.state is S.HELD and bool(machine.holding))


def _gone(machine: Machine, since: datetime, now: datetime, policy: Policy) -> str:
    """Why a machine that is not in the list is of no use; empty if it is too early to say."""
    if machine.state is S.REQUESTED:
        lost = now - machine.changed_at >= timedelta(seconds=policy.look_up_s)
        return "its cloud never made it" if lost else ""
    gone = now - since >= timedelta(seconds=policy.missing_grace_s)
    return "its cloud has it no more" if gone else ""
