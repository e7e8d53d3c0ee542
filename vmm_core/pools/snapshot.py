"""What a plan is made of, and what it says. Plain records, no decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..allocation.facts import PoolFacts
from ..allocation.trouble import Trouble
from ..clouds.base import Limits
from ..model import MachineState, Needs
from ..store.records import MachineRow


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a pool creates nothing, and until when, if that is known."""

    reason: str
    until: datetime | None
    open_end: bool = False
    """It lasts until it is taken away, whatever ``until`` says."""
    trouble: Trouble | None = None
    """The reason in a word, for what users are told."""
    silent: bool = False
    """Its cloud does not answer: what is on its way there may never come."""

    def lasts(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.open_end or (self.until is not None and self.until > now)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody waits for."""

    needs: Needs
    groups: tuple[str, ...] = ()
    """Of who waits."""
    pool: str | None = None
    """From this pool only, where it is booked; None: from any that fits."""
    shut: frozenset[str] = frozenset()
    """Pools whose machines are booked for others."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan is made of."""

    now: datetime
    pools: Sequence[PoolFacts]
    machines: Sequence[MachineRow]
    """All that are not deleted, oldest first."""
    waiting: Sequence[Wanted] = ()
    """Oldest first; who may have no machine now, whatever is there, is left out."""
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    """Pools that back off."""
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """Ceilings of clouds, where known."""
    floors: Mapping[str, int] = field(default_factory=dict)
    """How many machines of a pool should be vacant now; where it says nothing, ``ready``."""
    booked: Mapping[str, int] = field(default_factory=dict)
    """How many more than that, for bookings."""
    suspends: Collection[str] = ()
    """Clouds that can suspend machines."""
    unsuspendable: Mapping[str, str] = field(default_factory=dict)
    """Pools whose machines are not to be suspended for a while, with why."""
    resting: Collection[str] = ()
    """Suspended machines that their cloud would not resume a moment ago."""
    shut: Mapping[str, str] = field(default_factory=dict)
    """Pools that an operator paused, with who did and why."""
    draining: Mapping[str, str] = field(default_factory=dict)
    """Clouds that an operator drains, with who does and why."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A machine to delete, if it still is in the state it was planned in."""

    machine: str
    state: MachineState
    why: str
    failure: bool = False
    """Whether it counts against its pool."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What one pool should do."""

    pool: str
    create: int = 0
    remove: tuple[Removal, ...] = ()
    resume: tuple[str, ...] = ()
    """Suspended machines that are wanted."""
    suspend: tuple[str, ...] = ()
    """Vacant machines that are wanted later."""
    keep: tuple[str, ...] = ()
    """Failed machines to be kept for an operator to look at."""
    floor: int = 0
    """Machines that should be vacant now, with those that are booked."""
    hold: str = ""
    """Why it does not create what it lacks; empty if it does."""
    until: datetime | None = None
    """When the hold ends, if that is known."""
    full: bool = False
    """It lacks machines and may have no more."""

    @property
    def rests(self) -> bool:
        """Whether it says that nothing is to be done."""
        return not (self.create or self.remove or self.resume or self.suspend or self.keep)
