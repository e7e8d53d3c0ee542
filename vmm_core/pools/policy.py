"""The numbers that pool management goes by, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """All times are in seconds."""

    booting_per_cloud: int = 4
    """Machines on their way at one cloud at any time to fill pools."""
    booting_for_people: int = 2
    """As many more, for people who wait, so that they need not wait for refills to boot."""
    boot_deadline_s: float = 600
    """From asked for to vacant; a machine that takes longer has failed."""
    resume_deadline_s: float = 120
    """From resumed to vacant; a suspended machine that takes longer has failed."""
    wake_again_s: float = 30
    """A cloud that does not show that it suspends or resumes is asked again after this."""
    suspend_pause_s: float = 300
    """A pool whose machine could not be suspended tries no other for this long; doubles each time,
    up to an hour."""
    create_deadline_s: float = 120
    """A create that takes longer has an unknown outcome."""
    delete_deadline_s: float = 120
    """A delete that takes longer is tried again."""
    look_up_s: float = 15
    """A create of unknown outcome that its cloud does not show after this was lost."""
    agent_grace_s: float = 30
    """A vacant machine without its agent's connection for this long has failed."""
    missing_grace_s: float = 30
    """A machine that its cloud does not show for this long is gone."""
    orphan_gap_s: float = 30
    """An orphan is deleted when seen a second time this long after the first."""
    wait_limit_s: float = 1800
    """A lease that waits longer is refused."""
    quota_pause_s: float = 60
    """A pool whose cloud had no quota or room is not tried again for this long."""
    backoff_first_s: float = 5
    """After the first failure in a row; doubles with each."""
    backoff_most_s: float = 600
    """The longest pause between failures."""
    failures_to_stop: int = 8
    """After so many failures in a row a pool is stopped until an operator resumes it."""
    limits_every_s: float = 60
    """How long a cloud's limits are believed."""
    list_deadline_s: float = 15
    """A cloud that does not answer what it has within this is left out of a step."""
    slow_s: float = 2
    """A cloud that fails after more than this is asked again beside the steps."""
    unbind_s: float = 120
    """How long the agent of a held machine may take to end its session."""
    held_silent_s: float = 24 * 3600
    """A held machine whose agent is away for this long is deleted, if it is not known to hold
    anything."""
    held_look_s: float = 600
    """So long of that a manager has seen it itself: a service that was away hears it first."""
    lock_s: float = 20
    """How long a pool stays with a manager that does not come back."""
    keep_s: float = 90 * 24 * 3600
    """How long ended leases and deleted machines stay in the ledger."""
    keep_audit_s: float = 2 * 365 * 24 * 3600
    """How long the audit log says who did what, also to leases that are forgotten."""
    forget_every_s: float = 3600
    """How often the ledger is rid of what is older."""
    interval_s: float = 5
    """Between steps when nothing happens."""
    busy_interval_s: float = 1
    """Between steps while a machine is being made or deleted."""
    ports: tuple[int, ...] = (8888,)
    """Ports on each machine that frontends may dial."""
