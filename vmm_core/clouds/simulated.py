"""A cloud without machines: sizes, quotas, boot times and faults, to try things on.

Nothing boots; a machine is a record that says RUNNING once its boot time has
passed on the injected clock. With ``state_file`` the records are in a JSON
file, replaced whole at each change, so that they outlive the process as real
machines do. Faults are named, and happen to the next calls::

    cloud.inject("quota", times=2)        # the next two creates are over quota
    cloud.inject("lost-answer")           # the next create happens, its answer is lost
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from ..model import Noun, Size
from .base import (
    Cloud,
    CloudError,
    CloudMachine,
    CloudState,
    Limits,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    SizeFact,
    Throttled,
    Unreachable,
)

Fault = Literal[
    "quota",  # create: QuotaExceeded
    "no-capacity",  # create: NoCapacity
    "throttled",  # create: Throttled
    "refused",  # create: Refused
    "unreachable",  # create: Unreachable, nothing made
    "lost-request",  # create: OutcomeUnknown, nothing made
    "lost-answer",  # create: OutcomeUnknown, but the machine was made
    "never-boots",  # create works, the machine stays BUILDING
    "boot-fails",  # create works, the machine becomes FAILED
    "list-unreachable",  # list_owned: Unreachable
    "list-frozen",  # list_owned: no answer, until the caller gives up
    "delete-unreachable",  # delete: Unreachable, nothing deleted
    "delete-lost-answer",  # delete: OutcomeUnknown, but it is gone
    "sizes-unreachable",  # sizes: Unreachable
    "sizes-refused",  # sizes: Refused
]
"""What can be made to go wrong, by name."""


class SimulatedSize(Noun):
    """A size of the catalogue's options; ``unavailable`` says why it cannot be had."""

    name: str
    cpus: float = Field(gt=0)
    ram_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None
    unavailable: str = ""

    def fact(self) -> SizeFact:
        """As the interface says it."""
        return SizeFact(
            Size(**self.model_dump(exclude={"unavailable"})), unavailable=self.unavailable
        )


class SimulatedOptions(Noun):
    """Options of a simulated cloud in the catalogue."""

    sizes: tuple[SimulatedSize, ...] = Field(
        default=(
            SimulatedSize(name="small", cpus=2, ram_gb=8),
            SimulatedSize(name="large", cpus=8, ram_gb=32),
        ),
        min_length=1,
    )
    boot_s: float = Field(default=0, ge=0, description="from create to RUNNING")
    max_machines: int | None = Field(default=None, ge=0, description="a quota, if any")
    max_cpus: float | None = Field(default=None, ge=0, description="a quota, if any")
    state_file: Path | None = Field(default=None, description="keeps the machines; else memory")
    agents: bool = Field(
        default=True, description="machines report ready and can be bound, as if agents ran there"
    )


@dataclass(frozen=True, slots=True)
class _Record:
    """A machine as the simulated provider remembers it."""

    id: str
    name: str
    owner: str
    cpus: float
    ports: tuple[int, ...]
    user_data: str
    made_at: float
    fate: Literal["runs", "never-boots", "boot-fails"] = "runs"


class SimulatedCloud(Cloud):
    """Keeps the contract of :class:`Cloud` without any machine."""

    Options = SimulatedOptions

    def __init__(
        self,
        name: str,
        options: SimulatedOptions,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
    ) -> None:
        """``clock`` counts seconds; ``pause`` is awaited in every call, as a network would be."""
        self.name = name
        self.options = options
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._pause = pause
        self._faults: list[Fault] = []
        self._memory: dict[str, _Record] = {}

    def inject(self, fault: Fault, times: int = 1) -> None:
        """Let ``fault`` happen to the next ``times`` calls that it concerns."""
        if fault not in get_args(Fault):
            raise ValueError(f"no fault {fault!r}: one of {', '.join(get_args(Fault))}")
        self._faults += [fault] * times

    def machines(self, owner: str) -> list[CloudMachine]:
        """What is there of ``owner``, whatever faults the interface shows."""
        with self._records() as records:
            return [self._machine(r) for r in records.values() if r.owner == owner]

    def user_data(self, machine_id: str) -> str:
        """What the machine was given at creation."""
        with self._records() as records:
            return records[machine_id].user_data

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """See :meth:`Cloud.create`."""
        await self._called("create")
        fact = self._sizes().get(spec.size.name)
        if fact is None or fact.unavailable:
            why = fact.unavailable if fact else f"cloud {self.name} has no such size"
            raise Refused(f"size {spec.size.name!r} cannot be had: {why}")
        fault = self._fault(
            "quota",
            "no-capacity",
            "throttled",
            "refused",
            "unreachable",
            "lost-request",
            "lost-answer",
            "never-boots",
            "boot-fails",
        )
        if fault not in (None, "lost-answer", "never-boots", "boot-fails"):
            raise self._error(fault)
        with self._records() as records:
            record = next(
                (r for r in records.values() if (r.owner, r.name) == (spec.owner, spec.name)), None
            )
            if record is None:
                self._check_quota(records, spec)
                record = _Record(
                    id=f"sim-{uuid.uuid4().hex[:12]}",
                    name=spec.name,
                    owner=spec.owner,
                    cpus=spec.size.cpus,
                    ports=spec.ports,
                    user_data=spec.user_data,
                    made_at=self._clock(),
                )
                if fault == "never-boots" or fault == "boot-fails":
                    record = replace(record, fate=fault)
                records[record.id] = record
        if fault == "lost-answer":
            raise self._error(fault)
        return self._machine(record)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """See :meth:`Cloud.list_owned`."""
        await self._called("list_owned")
        fault = self._fault("list-unreachable", "list-frozen")
        if fault == "list-frozen":
            await asyncio.Event().wait()
        if fault:
            raise self._error(fault)
        return self.machines(owner)

    async def delete(self, machine_id: str) -> None:
        """See :meth:`Cloud.delete`."""
        await self._called("delete")
        fault = self._fault("delete-unreachable", "delete-lost-answer")
        if fault == "delete-unreachable":
            raise self._error(fault)
        with self._records() as records:
            records.pop(machine_id, None)
        if fault:
            raise self._error(fault)

    async def sizes(self) -> dict[str, SizeFact]:
        """See :meth:`Cloud.sizes`."""
        if fault := self._fault("sizes-unreachable", "sizes-refused"):
            raise self._error(fault)
        return self._sizes()

    async def limits(self) -> Limits:
        """See :meth:`Cloud.limits`."""
        return Limits(machines=self.options.max_machines, cpus=self.options.max_cpus)

    def _sizes(self) -> dict[str, SizeFact]:
        return {size.name: size.fact() for size in self.options.sizes}

    async def _called(self, verb: str) -> None:
        self.calls[verb] += 1
        await self._pause()

    def _fault(self, *concerned: Fault) -> Fault | None:
        """The next injected fault that concerns the call, taken off the list."""
        for place, fault in enumerate(self._faults):
            if fault in concerned:
                return self._faults.pop(place)
        return None

    def _error(self, fault: Fault) -> CloudError:
        said = f"cloud {self.name}: simulated fault {fault}"
        match fault:
            case "quota":
                return QuotaExceeded(said)
            case "no-capacity":
                return NoCapacity(said)
            case "throttled":
                return Throttled(said, retry_after_s=30)
            case "refused" | "sizes-refused":
                return Refused(said)
            case "unreachable" | "list-unreachable" | "delete-unreachable" | "sizes-unreachable":
                return Unreachable(said)
            case _:
                return OutcomeUnknown(said)

    def _check_quota(self, records: dict[str, _Record], spec: MachineSpec) -> None:
        machines, cpus = self.options.max_machines, self.options.max_cpus
        if machines is not None and len(records) >= machines:
            raise QuotaExceeded(
                f"cloud {self.name} is full: {machines} machines are all it may have: "
                "wait until some are released, or raise 'max_machines'"
            )
        used = sum(record.cpus for record in records.values())
        if cpus is not None and used + spec.size.cpus > cpus:
            raise QuotaExceeded(
                f"cloud {self.name} is full: it may have {cpus:g} CPUs and uses {used:g}: "
                "wait until machines are released, or raise 'max_cpus'"
            )

    def _machine(self, record: _Record) -> CloudMachine:
        booted = self._clock() >= record.made_at + self.options.boot_s
        state = CloudState.BUILDING
        if booted and record.fate == "runs":
            state = CloudState.RUNNING
        if booted and record.fate == "boot-fails":
            state = CloudState.FAILED
        return CloudMachine(
            id=record.id,
            name=record.name,
            state=state,
            address="127.0.0.1",
            ports={port: port for port in record.ports},
            isolation="simulated",
            reason="simulated fault boot-fails" if state is CloudState.FAILED else "",
        )

    @contextmanager
    def _records(self) -> Iterator[dict[str, _Record]]:
        """The records, to read and to change; changes in a file are kept whole or not at all."""
        path = self.options.state_file
        if path is None:
            yield self._memory
            return
        with self._told(path), path.with_name(path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.read_text() if path.exists() else "[]"
            records = _parsed(before)
            yield records
            after = json.dumps([asdict(record) for record in records.values()])
            if after != before:
                draft = path.with_name(path.name + ".draft")
                draft.write_text(after)
                draft.replace(path)

    @contextmanager
    def _told(self, path: Path) -> Iterator[None]:
        """A file that cannot be used is an operator's to mend."""
        try:
            yield
        except OSError as error:
            raise Refused(
                f"cloud {self.name}: the file {path} cannot be used ({error.strerror}): "
                "correct 'state_file', or make room or a folder for it"
            ) from None
        except _DamagedError:
            raise Refused(
                f"cloud {self.name}: the file {path} is damaged: "
                "put a copy of it back, or remove it, and with it all its machines"
            ) from None


class _DamagedError(Exception):
    """What was read holds no machines."""


def _parsed(text: str) -> dict[str, _Record]:
    try:
        return {item["id"]: _Record(**item) for item in json.loads(text)}
    except (ValueError, TypeError, KeyError):
        raise _DamagedError from None
