"""The local cloud as the VMM sees it: machines are folders with a supervisor each.

Nothing is kept in memory that matters: another VMM process, or the same after
``kill -9``, finds everything in the folders.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from ...model import Size
from ..base import (
    Cloud,
    CloudMachine,
    CloudState,
    Limits,
    MachineSpec,
    NoCapacity,
    OutcomeUnknown,
    Refused,
    SizeFact,
    Unreachable,
)
from . import cgroups, host, network
from .folder import Folder, Record, sweep
from .isolation import Prober
from .namespaces import Way
from .options import LocalSize, Options

START_S = 30
"""``create`` returns by then, with a machine that is still building if need be."""

KILL_S = 10
"""How long the kernel may take to end what was killed."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class LocalCloud(Cloud):
    """Machines that are sandboxes on this host."""

    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, name: str, options: BaseModel) -> None:
        if not isinstance(options, Options):
            raise TypeError(f"the options of {name} are not those of a local cloud")
        self._options = options
        self._parent = options.folder.absolute()
        self._prober = Prober(self._parent)
        self._host = host.look()
        self._placing = asyncio.Lock()

    async def create(self, spec: MachineSpec) -> CloudMachine:
        """Make the machine, or find it, or go on where an earlier attempt was killed."""
        if not _NAME.fullmatch(spec.name):
            raise Refused(f"{spec.name!r} cannot be a machine's name: use letters, digits, . _ -")
        self._make_parent()
        folder = Folder(self._parent / spec.name)
        if folder.record() is None:
            record = await self._plan(spec)
            async with self._placing:  # nobody else takes the room between look and placing
                with suppress(FileExistsError):
                    record = self._with_room(record)
                    folder = await asyncio.to_thread(Folder.create, self._parent, record)
        return await self._started(folder)

    async def list_owned(self, owner: str) -> list[CloudMachine]:
        """Every folder of the owner, whatever is left in it."""
        await asyncio.to_thread(sweep, self._parent)
        return [_machine(folder) for folder, record in self._folders() if record.owner == owner]

    async def delete(self, machine_id: str) -> None:
        """End the machine: asked first, then forced; then remove its cgroups and files."""
        folder = Folder(self._parent / machine_id)
        if not _NAME.fullmatch(machine_id) or (record := folder.record()) is None:
            return
        folder.mark_deleting()
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
                self._lacking(size),
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

    def _folders(self) -> Iterator[tuple[Folder, Record]]:
        for path in sorted(self._parent.glob("[!.]*/record.json")):
            folder = Folder(path.parent)
            if (record := folder.record()) is not None:
                yield folder, record

    def _make_parent(self) -> None:
        try:
            self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._parent.chmod(0o700)
        except OSError as error:
            raise Refused(f"the folder {self._parent} cannot be used: {error.strerror}") from None

    async def _plan(self, spec: MachineSpec) -> Record:
        finding = await self._prober.find(self._options.isolation)
        if finding.way is None:
            raise Refused(f"this host cannot keep machines apart ({finding.reason})")
        size = self._options.sizes.get(spec.size.name)
        if size is None:
            known = ", ".join(self._options.sizes)
            raise Refused(f"this cloud has no size {spec.size.name!r}: it has {known}")
        if lacking := self._lacking(size):
            raise Refused(f"size {spec.size.name} cannot be had here: {lacking}")
        reach = {*self._options.reach, *_service_port(spec.user_data)}
        if both := reach & set(spec.ports):
            raise Refused(
                f"port {min(both)} is both the host's and the machine's: take it out of `reach`, "
                "or give the session another port"
            )
        return Record(
            name=spec.name,
            owner=spec.owner,
            way=finding.way.value,
            cpus=size.cpus,
            ram_gb=size.ram_gb,
            gpus=size.gpus,
            ports=spec.ports,
            reach=tuple(sorted(reach)),
            devices=(),
            show=_needed(self._options.show),
            hide=tuple(str(path.absolute()) for path in (self._parent, *self._options.hide)),
            command=self._options.command,
            environment=_environment(),
            user_data=spec.user_data,
            stop_timeout_s=self._options.stop_timeout_s,
            tags=dict(spec.tags),
        )

    def _with_room(self, record: Record) -> Record:
        """The record with its GPUs, if there is room for it beside the others.

        Raises:
            NoCapacity: there is none now.
        """
        others = [other for _, other in self._folders() if other.name != record.name]
        factor = self._options.overcommit
        for what, used, most in (
            ("machines", len(others) + 1, self._most_machines(record)),
            ("CPUs", sum(o.cpus for o in (*others, record)), self._host.cpus * factor.cpus),
            ("GiB", sum(o.ram_gb for o in (*others, record)), self._host.ram_gb * factor.ram),
        ):
            if most is not None and used > most:
                raise NoCapacity(f"this host has room for {most:g} {what}, {used:g} were asked")
        taken = {node for other in others for node in other.devices}
        free = [gpu for gpu in self._host.gpus if gpu.nodes[0] not in taken]
        if record.gpus > len(free):
            raise NoCapacity(f"{len(free)} GPUs of this host are free, {record.gpus} were asked")
        nodes = dict.fromkeys(node for gpu in free[: record.gpus] for node in gpu.nodes)
        return replace(record, devices=tuple(nodes))

    def _most_machines(self, record: Record) -> int | None:
        if record.way == Way.PROCESS and record.ports:
            return 1  # without a network of its own a second one could not have the same ports
        return self._options.machines

    def _lacking(self, size: LocalSize) -> str:
        here = self._host
        if size.cpus > here.cpus:
            return f"it needs {size.cpus:g} CPUs and this host has {here.cpus}"
        if size.ram_gb > here.ram_gb:
            return f"it needs {size.ram_gb:g} GiB and this host has {here.ram_gb:.1f}"
        gpus = [g for g in here.gpus if size.gpu_model is None or size.gpu_model in g.model]
        if size.gpus > len(gpus):
            what = f"{size.gpu_model} GPUs" if size.gpu_model else "GPUs"
            return f"it needs {size.gpus} {what} and this host has {len(gpus) or 'none'}"
        return ""

    async def _started(self, folder: Folder) -> CloudMachine:
        status = folder.status()
        if (status is None or status.state == "building") and not folder.deleting:
            starter = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", f"{__package__}.supervisor", str(folder.path)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
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
                    folder.supervisor() is None or _machine(folder).state is not CloudState.BUILDING
                ),
                START_S,
            )
        machine = _machine(folder)
        if folder.record() is None:
            raise OutcomeUnknown(f"machine {folder.name} was deleted while it was being made")
        return machine


def _machine(folder: Folder) -> CloudMachine:
    status = folder.status()
    alive = folder.supervisor() is not None
    state, reason = CloudState.BUILDING, ""
    if folder.deleting:
        state = CloudState.DELETING
    elif status is not None and status.state == "failed":
        state, reason = CloudState.FAILED, status.reason
    elif not alive and (status is not None or folder.age_s > START_S):
        state, reason = CloudState.FAILED, "its supervisor died"
    elif status is not None and status.state == "running":
        state = CloudState.RUNNING
    return CloudMachine(
        id=folder.name,
        name=folder.name,
        state=state,
        address=network.LOOPBACK if state is CloudState.RUNNING else None,
        ports=status.ports if status and state is CloudState.RUNNING else {},
        isolation=status.isolation if status else "",
        reason=reason,
    )


def _needed(more: tuple[Path, ...]) -> tuple[str, ...]:
    """Folders of the host without which this Python and its packages do not run."""
    source = Path(__file__).parents[3]
    wanted = [sys.base_prefix, sys.prefix, str(source), *map(str, more)]
    wanted += [path for path in sys.path if path and Path(path).is_dir()]
    found: list[str] = []
    for path in sorted({str(Path(path).absolute()) for path in wanted}):
        if not any(Path(path).is_relative_to(known) for known in found):
            found.append(path)
    return tuple(found)


def _environment() -> dict[str, str]:
    """What supervisors and agents see of our environment: how to find Python's modules."""
    passed = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    own = str(Path(sys.executable).parent)
    return {
        "PATH": f"{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        **passed,
    }


def _service_port(user_data: str) -> set[int]:
    """The VMM's port, if its URL in the user data is on the host's loopback."""
    try:
        url = urlsplit(json.loads(user_data)["service"])
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    except (ValueError, KeyError, TypeError):
        return set()
    return {port} if port and url.hostname in ("127.0.0.1", "localhost") else set()


async def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
