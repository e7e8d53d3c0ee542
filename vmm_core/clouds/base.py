"""What a cloud is to the VMM: six facts and three verbs.

A provider subclasses :class:`Cloud`, names itself under the entry-point group
``vmm_core.clouds`` and passes ``vmm_core.clouds.conformance``. Everything
hard (retries, quotas across pools, orphans, backoff) is done once, above.

The contract:

* ``create`` is idempotent by ``spec.name``: a second call with the same name
  returns the machine that the first made, or finishes making it.
* ``list_owned`` shows every machine this installation made (by ``owner`` tag)
  that still uses anything, also half-made ones and their side resources.
* ``delete`` is idempotent and returns when nothing of the machine is left, or
  raises; it may be called again for the rest.
* Every call ends by itself. Only the six errors below come out; anything else
  is a bug in the provider.
* ``spec.user_data`` is the same for all machines of a pool but for the
  machine's own name and one-time enrolment token. Nothing in it is a user's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel

from ..model import Size


class CloudError(Exception):
    """Base of what a cloud may raise. The text is one sentence for an operator."""


class QuotaExceeded(CloudError):
    """This account may not have more of it now. Not the machine's fault: try elsewhere."""


class NoCapacity(CloudError):
    """The provider has no room for this size here now."""


class Throttled(CloudError):
    """Too many calls; not before ``retry_after_s``."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(CloudError):
    """The provider did not answer and has not seen the request."""


class Refused(CloudError):
    """A bad request or bad credentials: an operator must act, retrying cannot help."""


class OutcomeUnknown(CloudError):
    """The request was sent and no answer came: look before trying again."""


class CloudState(StrEnum):
    """What a cloud says of a machine."""

    BUILDING = "building"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """Everything a cloud needs to make one machine."""

    name: str
    owner: str
    image: str
    size: Size
    user_data: str
    ports: tuple[int, ...]
    """Ports on the machine that the service's side must be able to dial."""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloudMachine:
    """A machine as its cloud reports it."""

    id: str
    name: str
    state: CloudState
    address: str | None = None
    ports: dict[int, int] = field(default_factory=dict)
    """Port on the machine -> port to dial at ``address``; the identity on real clouds."""
    isolation: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SizeFact:
    """A size of this cloud and, if it cannot be had, why not (a fact, not a shortage)."""

    size: Size
    unavailable: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most of each that this account may use; None where the cloud does not say."""

    machines: int | None = None
    cpus: float | None = None
    ram_gb: float | None = None
    gpus: int | None = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """Optional verbs, as data."""

    suspend: bool = False


class Cloud(ABC):
    """One account at one provider."""

    Options: ClassVar[type[BaseModel]]
    """Checks the catalogue's ``options`` of this kind of cloud."""

    abilities: ClassVar[Abilities] = Abilities()

    @abstractmethod
    def __init__(self, name: str, options: BaseModel) -> None:
        """Take the account's name in the catalogue and an instance of ``Options``. Open nothing."""

    @abstractmethod
    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Make ``spec.name`` or return it if it is there. May return while it is building."""

    @abstractmethod
    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Every machine tagged with ``owner`` that still uses anything."""

    @abstractmethod
    async def delete(self, machine_id: str) -> None:
        """Remove the machine and all that came with it. Unknown ids are already gone."""

    @abstractmethod
    async def sizes(self) -> dict[str, SizeFact]:
        """The sizes of this cloud by name, also those it knows it cannot give."""

    @abstractmethod
    async def limits(self) -> Limits:
        """The account's ceilings now."""

    async def close(self) -> None:  # noqa: B027 - optional by contract
        """Release connections. Machines are not touched."""
