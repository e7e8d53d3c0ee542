"""The local cloud as the VMM sees it: machines are folders with a supervisor each.

Nothing is kept in memory that matters: another VMM process, or the same after
``kill -9``, finds everything in the folders.
"""

from __future__ import annotations

import asyncio
import errno
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from ...model import Size
from ..base import (
    CONSOLE_BYTES,
    Abilities,
    Cloud,
    CloudError,
    CloudMachine,
    CloudState,
    Limits,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    Refused,
    SizeFact,
    Unreachable,
    console_end,
)
from . import cgroups, host, leftovers, planning, suspending
from .folder import Folder, Record, Status
from .isolation import Prober
from .machines import START_S, machine_of
from .options import Options
from .trees import sweep

KILL_S = 10
"""How long the kernel may take to end what was killed."""

LEAST_FREE = 64 << 20
"""Bytes that the disk must have free for another machine."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class LocalCloud(Cloud):
    """Machines that are sandboxes on this host."""

    Options: ClassVar[type[BaseModel]] = Options
    abilities = Abilities(suspend=True, console=True)

    def __init__(self, name: str, options: BaseModel) -> None:
        if not isinstance(options, Options):
            raise TypeError(f"the options of {name} are not those of a local cloud")
        self._name = name
        self._options = options
        self._parent = options.folder.absolute()
        self._prober = Prober(self._parent)
        self._host = host.look()
        self._placing = asyncio.Lock()

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Make the machine, or find it, or go on where an earlier attempt was killed."""
        with self._told():
            if not _NAME.fullmatch(spec.name):
                raise Refused(f"{spec.name!r} is no machine's name: use letters, digits, . _ -")
            self._make_parent()
            folder = Folder(self._parent / spec.name)
            if folder.record() is None:
                folder = await self._placed(spec)
            return await self._started(folder)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Every folder of the owner, whatever is left in it, and cgroups without one."""
        await asyncio.to_thread(sweep, self._parent)
        machines = [machine_of(folder) for folder, its in self._folders() if its.owner == owner]
        return machines + await asyncio.to_thread(leftovers.owned, self._parent, owner)

    async def delete(self, machine_id: str) -> None:
        """End the machine: asked first, then forced; then remove its cgroups and files."""
        if leftovers.is_id(machine_id):
            if left := await asyncio.to_thread(leftovers.remove, machine_id, self._parent):
                raise Unreachable(f"cgroup {left[0]} cannot be removed: something in it lives")
            return
        try:
            folder, record = self._known(machine_id)
        except Refused:
            return
        folder.mark_deleting()
        if (status := folder.status()) is not None:  # what is frozen hears of no end
            with suppress(OSError):
                await asyncio.to_thread(suspending.resume, status)
        folder.signal_supervisor(signal.SIGTERM)
        if not await _until(
            lambda: folder.supervisor() is None, record.stop_timeout_s + 2 * KILL_S
        ):
            folder.signal_supervisor(signal.SIGKILL)
            if not await _until(lambda: folder.supervisor() is None, KILL_S):
                raise Unreachable(f"the supervisor of machine {machine_id} cannot be killed")
        if not await _until(lambda: not folder.kill_leftovers(), KILL_S):
            raise Unreachable(f"processes of machine {machine_id} cannot be killed")
        status = folder.status()
        groups = tuple(map(Path, status.cgroups)) if status else ()
        if left := await asyncio.to_thread(cgroups.remove, groups):
            raise Unreachable(f"cgroup {left[0]} of machine {machine_id} cannot be removed")
        try:
            await asyncio.to_thread(folder.remove)
        except OSError as error:
            raise Unreachable(f"files of machine {machine_id} cannot be removed: {error}") from None

    async def suspend(self, machine_id: str) -> None:
        """Stop all processes of the machine where they are; its memory stays as it is."""
        folder, status = self._running(machine_id, "suspended")
        folder.mark_suspended(True)  # first: what is stopped and not so marked would stay stopped
        try:
            await asyncio.to_thread(suspending.suspend, status)
        except OSError as error:
            raise OutcomeUnknown(
                f"cloud {self._name}: machine {machine_id} is not suspended as a whole ({error}): "
                "it is tried again"
            ) from None

    async def resume(self, machine_id: str) -> None:
        """Let all processes of the machine go on."""
        folder, status = self._running(machine_id, "resumed")
        try:
            await asyncio.to_thread(suspending.resume, status)
        except OSError as error:
            raise OutcomeUnknown(
                f"cloud {self._name}: machine {machine_id} is not resumed as a whole ({error}): "
                "it is tried again"
            ) from None
        folder.mark_suspended(False)

    async def console(self, machine_id: str) -> str:
        """What its first process and its agent wrote, then its supervisor."""
        folder, _ = self._known(machine_id)
        return console_end(await asyncio.to_thread(folder.written, CONSOLE_BYTES + 1))

    async def sizes(self) -> dict[str, SizeFact]:
        """The sizes of the catalogue, and what this host lacks for each."""
        return {
            name: SizeFact(
                Size(
                    name=name,
                    cpus=size.cpus,
                    ram_gb=size.ram_gb,
                    gpus=size.gpus,
                    gpu_model=size.gpu_model,
                ),
                planning.lacking(size, self._host),
            )
            for name, size in self._options.sizes.items()
        }

    async def limits(self) -> Limits:
        """What this host has, times the overcommit factors."""
        factor = self._options.overcommit
        return Limits(
            machines=self._options.machines,
            cpus=self._host.cpus * factor.cpus,
            ram_gb=round(self._host.ram_gb * factor.ram, 2),
            gpus=len(self._host.gpus),
        )

    def _known(self, machine_id: str) -> tuple[Folder, Record]:
        folder = Folder(self._parent / machine_id)
        if not _NAME.fullmatch(machine_id) or (record := folder.record()) is None:
            raise Refused(f"cloud {self._name} has no machine {machine_id}: look at its list")
        return folder, record

    def _running(self, machine_id: str, wish: str) -> tuple[Folder, Status]:
        """The machine, which runs or is suspended."""
        folder, _ = self._known(machine_id)
        state, status = machine_of(folder).state, folder.status()
        if status is None or state not in (CloudState.RUNNING, CloudState.SUSPENDED):
            raise Refused(
                f"cloud {self._name}: machine {machine_id} cannot be {wish}, it is {state}: "
                "wait until it runs, or delete it"
            )
        return folder, status

    def _folders(self) -> Iterator[tuple[Folder, Record]]:
        for path in sorted(self._parent.glob("[!.]*/record.json")):
            folder = Folder(path.parent)
            if (record := folder.record()) is not None:
                yield folder, record

    def _make_parent(self) -> None:
        with self._filing():
            self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._parent.chmod(0o700)

    async def _placed(self, spec: MachineSpec) -> Folder:
        """The folder of a new machine, for which there is room."""
        with self._filing():
            if shutil.disk_usage(self._parent).free < LEAST_FREE:
                raise OSError(errno.ENOSPC, "there is room for no machine")
        finding = await self._prober.find(self._options.isolation)
        if finding.way is None:
            raise Refused(f"machines cannot be kept apart on this host ({finding.reason})")
        record = planning.plan(spec, self._options, self._host, finding.way)
        async with self._placing:  # nobody else takes the room between look and placing
            others = [other for _, other in self._folders()]
            record = planning.place(record, others, self._options, self._host)
            with self._filing(), suppress(FileExistsError):
                return await asyncio.to_thread(Folder.create, self._parent, record)
        return Folder(self._parent / spec.name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever keeps a machine from being made names this cloud."""
        try:
            yield
        except CloudError as error:
            raise type(error)(f"cloud {self._name}: {error}") from None

    @contextmanager
    def _filing(self) -> Iterator[None]:
        """What is wrong with the folder is told with what to do."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoCapacity(
                    f"the disk of {self._parent} is full: make room there, "
                    "or move 'folder' to a larger one"
                ) from None
            raise Refused(
                f"the folder {self._parent} cannot be used ({error.strerror}): "
                "correct 'folder', or its permissions"
            ) from None

    async def _started(self, folder: Folder) -> CloudMachine:
        status = folder.status()
        if (status is None or status.state == "building") and not folder.deleting:
            starter = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", f"{__package__}.supervisor", str(folder.path)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env=planning.environment(),
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(START_S):
                    await starter.wait()
            except TimeoutError:
                starter.kill()  # only who waits for the start; the supervisor goes on
                await starter.wait()
            # Another VMM may have been starting it: then its supervisor is at work.
            await _until(
                lambda: (
                    folder.supervisor() is None
                    or machine_of(folder).state is not CloudState.BUILDING
                ),
                START_S,
            )
        machine = machine_of(folder)
        if folder.record() is None:
            raise OutcomeUnknown(f"machine {folder.name} was deleted while it was being made")
        return machine


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
