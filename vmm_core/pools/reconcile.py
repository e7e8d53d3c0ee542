"""What a cloud's list says about the ledger's machines. Pure.

A create of unknown outcome is looked up by name here; machines that are gone, side
resources and machines that nobody knows (orphans), and what should be suspended
or resumed and is not, are found here. Anything ambiguous keeps the machine. What
is as the ledger has it is not mentioned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..clouds.base import CloudMachine, CloudState, ResourceKind
from ..model import MachineState as S
from ..store.records import MachineRow
from .policy import Policy


@dataclass(frozen=True, slots=True)
class Findings:
    """What one list of one cloud means."""

    found: tuple[tuple[MachineRow, CloudMachine], ...] = ()
    """Machines on their way of which their cloud says something new."""
    failed: tuple[tuple[MachineRow, str], ...] = ()
    """Machines that are of no use any more, with why."""
    missing: frozenset[str] = frozenset()
    """Machines that should be in the list and are not."""
    repeat: tuple[MachineRow, ...] = ()
    """Machines that are to be suspended or resumed, and are not, as far as is known."""
    orphans: Mapping[str, ResourceKind] = field(default_factory=dict)
    """Provider's ids, with the kind, of what is ours and the ledger does not want."""


def reconcile(
    machines: Iterable[MachineRow],
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
        in_flight: machines this process is creating, deleting, … at this moment.
        missing_since: when machines that were missing before were first missed.
        now: the time.
        policy: how long to wait before believing.
    """
    by_name = {seen.name: seen for seen in listed if seen.kind is ResourceKind.MACHINE}
    wanted = set()
    found, failed, missing, repeat = [], [], set(), []
    for machine in machines:
        wanted.add(machine.id)
        if machine.state in (S.DELETING, S.FAILED) or machine.id in in_flight:
            continue
        seen = by_name.get(machine.id)
        if seen is None:
            missing.add(machine.id)
            if why := _gone(machine, missing_since.get(machine.id, now), now, policy):
                failed.append((machine, why))
        elif seen.state is CloudState.FAILED and not _is_kept(machine):
            failed.append((machine, seen.reason or "its cloud says it failed"))
        elif machine.state is S.SUSPENDED:
            if seen.state is CloudState.RUNNING:
                repeat.append(machine)
            elif seen.state is CloudState.STOPPED:
                failed.append((machine, "it was suspended, and its cloud says that it is stopped"))
        elif machine.state is S.PROVISIONED and seen.state is CloudState.SUSPENDED:
            repeat.append(machine)
        elif machine.state in (S.REQUESTED, S.BUILDING, S.PROVISIONED) and _is_news(machine, seen):
            found.append((machine, seen))
    return Findings(
        found=tuple(found),
        failed=tuple(failed),
        missing=frozenset(missing),
        repeat=tuple(repeat),
        orphans={seen.id: seen.kind for seen in listed if (seen.of or seen.name) not in wanted},
    )


def _is_news(machine: MachineRow, seen: CloudMachine) -> bool:
    """Whether the cloud says something that the ledger does not have yet."""
    runs = seen.state is CloudState.RUNNING
    return (
        machine.state is S.REQUESTED
        or machine.cloud_id != seen.id
        or (runs and machine.state is not S.PROVISIONED)
        or (runs and machine.address != seen.address)
    )


def _is_kept(machine: MachineRow) -> bool:
    """Whether a machine that no longer runs stays: what its user left may be on its disk.

    Or an operator wants to look at it.
    """
    return machine.state is S.ACQUIRED or (
        machine.state is S.HELD and (machine.kept or _is_precious(machine))
    )


def _is_precious(machine: MachineRow) -> bool:
    """Whether a machine is held for what its user left on it. No agent need speak for it."""
    return machine.state is S.HELD and (bool(machine.holding) or machine.kept_until is not None)


def _gone(machine: MachineRow, since: datetime, now: datetime, policy: Policy) -> str:
    """Why a machine that is not in the list is of no use; empty if it is too early to say."""
    if machine.state is S.REQUESTED:
        lost = now - machine.changed_at >= timedelta(seconds=policy.look_up_s)
        return "its cloud never made it" if lost else ""
    grace_s = policy.held_silent_s if _is_precious(machine) else policy.missing_grace_s
    gone = now - since >= timedelta(seconds=grace_s)
    return "its cloud has it no more" if gone else ""
