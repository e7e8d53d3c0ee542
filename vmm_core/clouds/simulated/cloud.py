"""The simulated cloud as the VMM sees it.

Nothing boots; a machine is a record that says RUNNING once its boot time has
passed on the injected clock. With ``state_file`` the records are in a JSON
file, replaced whole at each change, so that they outlive the process as real
machines do. Faults are named, and happen to the next calls::

    cloud.inject("quota", times=2)        # the next two creates are over quota
    cloud.inject("lost-answer")           # the next create happens, its answer is lost
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from ..base import (
    Abilities,
    Cloud,
    CloudError,
    CloudMachine,
    CloudState,
    Limits,
    MachineSpec,
    QuotaExceeded,
    Refused,
    SizeFact,
    console_end,
)
from .faults import LEAVES, Fault, Faults, error
from .options import SimulatedOptions
from .records import Record, Records, kept


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
        self.abilities = Abilities(suspend=options.suspend, console=options.console)
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._pause = pause
        self._faults = Faults()
        self._memory = Records()

    def inject(self, fault: Fault, times: int = 1) -> None:
        """Let ``fault`` happen to the next ``times`` calls that it concerns."""
        self._faults.inject(fault, times)

    def heal(self) -> None:
        """Let no fault happen any more that has not happened yet."""
        self._faults.forget()

    def machines(self, owner: str) -> list[CloudMachine]:
        """What is there of ``owner``, whatever faults the interface shows."""
        now = self._clock()
        with self._records() as records:
            return [record.show(now) for record in records.of(owner)]

    def user_data(self, machine_id: str) -> str:
        """What the machine was given at creation."""
        with self._records() as records:
            return self._known(records, machine_id).user_data

    def write(self, machine_id: str, text: str) -> None:
        """Let the machine write ``text`` to its console."""
        with self._records() as records:
            record = self._known(records, machine_id)
            record.console = console_end((record.console + text).encode())

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """See :meth:`Cloud.create`."""
        await self._called("create")
        fact = self._sizes().get(spec.size.name)
        if fact is None or fact.unavailable:
            why = fact.unavailable if fact else f"cloud {self.name} has no such size"
            raise Refused(f"size {spec.size.name!r} cannot be had: {why}")
        fault = self._faults.next(
            *("quota", "no-capacity", "throttled", "refused", "unreachable"),
            *("lost-request", "lost-answer", "never-boots", "boot-fails"),
        )
        if fault not in (None, "lost-answer", "never-boots", "boot-fails"):
            raise self._error(fault)
        now = self._clock()
        with self._records() as records:
            record = records.named(spec.owner, spec.name)
            if record is None:
                self._check_quota(records, spec)
                record = self._made(spec, now, fault)
                records.add(record)
        if fault == "lost-answer":
            raise self._error(fault)
        return record.show(now)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """See :meth:`Cloud.list_owned`."""
        await self._called("list_owned")
        fault = self._faults.next("list-unreachable", "list-frozen")
        if fault == "list-frozen":
            await asyncio.Event().wait()
        if fault:
            raise self._error(fault)
        return self.machines(owner)

    async def delete(self, machine_id: str) -> None:
        """See :meth:`Cloud.delete`."""
        await self._called("delete")
        fault = self._faults.next("delete-unreachable", "delete-lost-answer")
        if fault == "delete-unreachable":
            raise self._error(fault)
        with self._records() as records:
            record = records.get(machine_id)
            if record is not None:
                records.remove(record)
                if not record.of and (leaves := self._faults.next(*LEAVES)):
                    records.add(_left(record, leaves))
        if fault:
            raise self._error(fault)

    async def suspend(self, machine_id: str) -> None:
        """See :meth:`Cloud.suspend`."""
        if not self.abilities.suspend:
            await super().suspend(machine_id)
        await self._called("suspend")
        fault = self._faults.next("suspend-fails", "suspend-lost-answer")
        if fault == "suspend-fails":
            raise self._error(fault)
        with self._records() as records:
            record = self._alive(records, machine_id, "suspended")
            record.stays(CloudState.SUSPENDED)
        if fault:
            raise self._error(fault)

    async def resume(self, machine_id: str) -> None:
        """See :meth:`Cloud.resume`."""
        if not self.abilities.suspend:
            await super().resume(machine_id)
        await self._called("resume")
        fault = self._faults.next("resume-fails", "resume-lost-answer", "resume-breaks")
        if fault == "resume-fails":
            raise self._error(fault)
        with self._records() as records:
            record = self._alive(records, machine_id, "resumed")
            if record.at is None:  # else it runs, or is about to
                breaks = fault == "resume-breaks"
                record.becomes(
                    CloudState.FAILED if breaks else CloudState.RUNNING,
                    self._clock() + self.options.resume_s,
                    "simulated fault resume-breaks" if breaks else "",
                )
        if fault == "resume-lost-answer":
            raise self._error(fault)

    async def console(self, machine_id: str) -> str:
        """See :meth:`Cloud.console`."""
        if not self.abilities.console:
            await super().console(machine_id)
        await self._called("console")
        with self._records() as records:
            return self._known(records, machine_id).console

    async def sizes(self) -> dict[str, SizeFact]:
        """See :meth:`Cloud.sizes`."""
        if fault := self._faults.next("sizes-unreachable", "sizes-refused"):
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

    def _error(self, fault: Fault) -> CloudError:
        return error(self.name, fault)

    def _made(self, spec: MachineSpec, now: float, fault: Fault | None) -> Record:
        record = Record(
            id=f"sim-{uuid.uuid4().hex[:12]}",
            name=spec.name,
            owner=spec.owner,
            cpus=spec.size.cpus,
            ports=spec.ports,
            user_data=spec.user_data,
            console=f"{spec.name}: simulated machine of cloud {self.name}\n",
        )
        if fault == "boot-fails":
            record.becomes(CloudState.FAILED, now + self.options.boot_s, f"simulated fault {fault}")
            record.console += f"simulated fault {fault}\n"
        elif fault != "never-boots":
            record.becomes(CloudState.RUNNING, now + self.options.boot_s)
        return record

    def _known(self, records: Records, machine_id: str) -> Record:
        record = records.get(machine_id)
        if record is None or record.of:
            raise Refused(f"cloud {self.name} has no machine {machine_id}: look at its list")
        return record

    def _alive(self, records: Records, machine_id: str, wish: str) -> Record:
        record = self._known(records, machine_id)
        state = record.state(self._clock())
        if state not in (CloudState.RUNNING, CloudState.SUSPENDED):
            raise Refused(
                f"cloud {self.name}: machine {record.name} cannot be {wish}, it is {state}: "
                "wait until it runs, or delete it"
            )
        return record

    def _check_quota(self, records: Records, spec: MachineSpec) -> None:
        machines, cpus = self.options.max_machines, self.options.max_cpus
        if machines is not None and records.machines >= machines:
            raise QuotaExceeded(
                f"cloud {self.name} is full: {machines} machines are all it may have: "
                "wait until some are released, or raise 'max_machines'"
            )
        if cpus is not None and round(records.cpus + spec.size.cpus, 6) > cpus:
            raise QuotaExceeded(
                f"cloud {self.name} is full: it may have {cpus:g} CPUs and uses {records.cpus:g}: "
                "wait until machines are released, or raise 'max_cpus'"
            )

    @contextmanager
    def _records(self) -> Iterator[Records]:
        """The records, to read and to change."""
        if self.options.state_file is None:
            yield self._memory
            return
        with kept(self.name, self.options.state_file) as records:
            yield records


def _left(machine: Record, fault: Fault) -> Record:
    """What stays of a machine that is deleted."""
    kind = LEAVES[fault]
    return Record(
        id=f"{machine.id}-{kind}",
        name=f"{machine.name}#{kind}",
        owner=machine.owner,
        before=CloudState.FAILED,
        reason=f"only its {kind} is left: simulated fault {fault}",
        kind=kind,
        of=machine.name,
    )
