"""What a cloud is to the VMM: six errors, three verbs, two facts, and what it may do beside.

A provider subclasses :class:`Cloud`, names itself under the entry-point group
``vmm_core.clouds`` and passes ``vmm_core.clouds.conformance``. Everything
hard (retries, quotas across pools, orphans, backoff) is done once, above.

The contract:

* ``create`` is idempotent by ``spec.name``: a second call with the same name
  returns the machine that the first made, or finishes making it.
* ``list_owned`` shows every machine this installation made (by ``owner`` tag)
  that still uses anything, also half-made ones; and each side resource (port,
  disk, address, ...) whose machine is gone, by its kind, under a name and id of
  its own. What has another owner's tag, or none, is never shown.
* ``delete`` is idempotent and returns when nothing of the machine is left, or
  raises; it may be called again for the rest. It takes the ids of side resources.
* Optional verbs are told by ``abilities``, which may differ between accounts. A
  verb that is not there raises ``NotImplementedError``: who calls asks first.
* ``suspend`` keeps memory and disk for less than a running machine costs, and
  ``resume`` lets it go on where it was. Both are idempotent and return when it
  is asked for; until it is so, the machine is listed as before (on its way up
  also as BUILDING), and as FAILED if it came to nothing. A suspended machine can
  be deleted. ``address`` and ``ports`` hold for running machines only: read them
  anew after ``resume``.
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

CONSOLE_BYTES = 64 * 1024
"""Most that ``Cloud.console`` returns."""


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
    SUSPENDED = "suspended"
    """Memory and disk are kept, nothing runs: see ``Cloud.suspend``."""
    STOPPED = "stopped"
    FAILED = "failed"
    DELETING = "deleting"


class ResourceKind(StrEnum):
    """What something at a cloud is. Orphans are counted by it."""

    MACHINE = "machine"
    PORT = "port"
    """A network port or interface."""
    DISK = "disk"
    ADDRESS = "address"
    """A public address."""
    OTHER = "other"
    """Said in ``reason``, as a cgroup of a local machine."""


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
    """A machine, or what is left of one, as its cloud reports it."""

    id: str
    """What ``delete``, ``suspend``, ``resume`` and ``console`` take."""
    name: str
    """The machine's as in its spec; a side resource has a name that no machine has."""
    state: CloudState
    """Of a side resource that is left: FAILED, or DELETING."""
    address: str | None = None
    ports: dict[int, int] = field(default_factory=dict)
    """Port on the machine -> port to dial at ``address``; the identity on real clouds."""
    isolation: str = ""
    reason: str = ""
    kind: ResourceKind = ResourceKind.MACHINE
    of: str = ""
    """Name of the machine that a side resource came with; empty for machines."""


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
    """``suspend`` and ``resume``."""
    console: bool = False
    """``console``."""


class Cloud(ABC):
    """One account at one provider."""

    Options: ClassVar[type[BaseModel]]
    """Checks the catalogue's ``options`` of this kind of cloud."""

    abilities: Abilities = Abilities()
    """A class may say it for all accounts, an instance for its own, from its options."""

    @abstractmethod
    def __init__(self, name: str, options: BaseModel) -> None:
        """Take the account's name in the catalogue and an instance of ``Options``. Open nothing."""

    @abstractmethod
    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Make ``spec.name`` or return it if it is there. May return while it is building."""

    @abstractmethod
    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Every machine tagged with ``owner`` that uses anything, and what is left of others."""

    @abstractmethod
    async def delete(self, machine_id: str) -> None:
        """Remove the machine and all that came with it, or the side resource.

        Unknown ids are already gone. What is suspended is deleted as what runs.
        """

    @abstractmethod
    async def sizes(self) -> dict[str, SizeFact]:
        """The sizes of this cloud by name, also those it knows it cannot give."""

    @abstractmethod
    async def limits(self) -> Limits:
        """The account's ceilings now."""

    async def suspend(self, machine_id: str) -> None:
        """Ask that a running machine be suspended. One that is, or is about to be, stays so.

        Raises:
            NotImplementedError: this cloud cannot; see ``abilities``.
            Refused: there is no such machine, or it does not run.
        """
        raise NotImplementedError(self._cannot("suspend"))

    async def resume(self, machine_id: str) -> None:
        """Ask that a suspended machine go on. One that runs, or is about to, stays so.

        Raises:
            NotImplementedError: this cloud cannot; see ``abilities``.
            Refused: there is no such machine, or it is neither suspended nor running.
            NoCapacity: there is no room for it now; it stays suspended.
        """
        raise NotImplementedError(self._cannot("resume"))

    async def console(self, machine_id: str) -> str:
        """The end of what the machine wrote to its console, at most ``CONSOLE_BYTES`` as UTF-8.

        Also of a machine that failed; empty if nothing was written. It is the
        machine's own text: control characters and all.

        Raises:
            NotImplementedError: this cloud cannot; see ``abilities``.
            Refused: there is no such machine.
        """
        raise NotImplementedError(self._cannot("console"))

    def _cannot(self, verb: str) -> str:
        return f"{type(self).__name__} has no {verb}: ask its abilities before"

    async def close(self) -> None:  # noqa: B027 - optional by contract
        """Release connections. Machines are not touched."""


def console_end(written: bytes) -> str:
    """The end of a console's log as :meth:`Cloud.console` returns it, from the start of a line."""
    end = written[-CONSOLE_BYTES:]
    if len(end) < len(written):
        end = end[end.find(b"\n") + 1 :]  # the first line is cut, and may be in a character
    text = end.decode(errors="replace")
    return text.encode()[-CONSOLE_BYTES:].decode(errors="ignore")
