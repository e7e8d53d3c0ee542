"""What allocation knows of a pool: the catalogue's part and the ledger's part.

And of a pool whose cloud has told nothing yet: the catalogue's part alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model import Environment, Location, MachineState, Pool, Size
from .trouble import Trouble

BOOTING = frozenset({MachineState.REQUESTED, MachineState.BUILDING, MachineState.PROVISIONED})
"""States of a machine that is on its way to vacant."""


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """A pool of the catalogue, with its names looked up and its size measured at its cloud."""

    pool: Pool
    environment: Environment
    location: Location
    size: Size
    fingerprint: str
    """Hash of what its machines are built from now."""
    unavailable: str = ""
    """Why the cloud cannot give this size, as a fact and not a shortage; empty if it can."""
    trouble: Trouble | None = None
    """What keeps it from getting new machines now."""
    stopped: bool = False
    """The trouble lasts until an operator acts."""
    name: str = field(init=False, default="")
    """The pool's name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.pool.name)  # asked for very often


@dataclass(frozen=True, slots=True)
class Silent:
    """An environment at a cloud that has not told its sizes since the service started.

    What sizes there are is the cloud's to tell, so it is not known.
    """

    environment: Environment
    location: Location
    cloud: str
    trouble: Trouble
    """What keeps it from telling them: it does not answer, or it refuses us."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many machines of a pool could serve a request."""

    free: int = 0
    """Vacant now."""
    booting: int = 0
    """On their way to vacant."""
    suspended: int = 0
    """Kept by the cloud at less cost: sooner there than a new one."""


NONE = Counts()
"""A pool without machines."""
