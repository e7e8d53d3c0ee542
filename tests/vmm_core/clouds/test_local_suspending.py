"""Local machines that are suspended: they stand still, remember, and end as others do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from vmm_core.clouds.base import CONSOLE_BYTES, CloudMachine, CloudState, Refused
from vmm_core.clouds.local import suspending
from vmm_core.clouds.local.cloud import LocalCloud
from vmm_core.clouds.local.folder import Folder, Status
from vmm_core.clouds.local.trees import remove_tree
from vmm_core.processes import descendants

from .local_machines import (
    M1,
    QUIETLY,
    Make,
    as_nobody,
    assert_gone,
    cgroups_of,
    processes_of,
    shell,
    spec,
    until,
)

BUSY = "while :; do :; done > /dev/null 2>&1 & echo $!"
WORK_S = 0.2
"""Of our own CPU time, in which a machine that runs would use some, too."""


@pytest.fixture(params=["freezer", "signals"])
def status(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the freezer, if this user is given one, and without."""
    if request.param == "signals":
        real = Folder.status

        def without(self: Folder) -> Status | None:
            found = real(self)
            return replace(found, freezer="") if found else None

        monkeypatch.setattr(Folder, "status", without)


def used(folder: Path) -> int:
    """CPU time of everything in the machine, in ticks."""
    status = Folder(folder / M1).status()
    assert status is not None
    ticks = 0
    for pid in descendants(status.processes[0][0]):
        with suppress(OSError):  # it ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks


def work() -> None:
    """Use CPU time ourselves."""
    end = time.process_time() + WORK_S
    while time.process_time() < end:
        pass


async def state(cloud: LocalCloud) -> CloudState:
    (machine,) = await cloud.list_owned("tests")
    return machine.state


@contextmanager
def asked(machine: CloudMachine, port: int, command: str) -> Iterator[asyncio.Task[str]]:
    """A command that was sent to the machine, whether it runs or not."""
    task = asyncio.create_task(shell(machine, port, command))
    yield task
    task.cancel()


@pytest.mark.usefixtures("status")
async def test_a_suspended_machine_leaves_nothing_running_and_remembers(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    busy = await shell(machine, port, BUSY)
    before = used(folder)
    await until(lambda: used(folder) > before, "it uses CPU time")
    await cloud.suspend(M1)
    assert await state(cloud) is CloudState.SUSPENDED
    before = used(folder)
    work()
    assert used(folder) == before
    with asked(machine, port, f"kill -0 {busy} && echo still there") as answer:
        await asyncio.wait([answer], timeout=0.2)
        assert not answer.done()
        await cloud.resume(M1)
        assert await state(cloud) is CloudState.RUNNING
        assert await answer == "still there"
    await until(lambda: used(folder) > before, "it uses CPU time again")
    await cloud.delete(M1)
    assert_gone(folder, M1)


@pytest.mark.usefixtures("status")
async def test_a_suspended_machine_that_is_deleted_leaves_nothing(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    await shell(machine, port, f"setsid sh -c '{BUSY}'")
    await cloud.suspend(M1)
    await cloud.delete(M1)
    assert_gone(folder, M1)


@pytest.mark.usefixtures("status")
async def test_kill_9_of_the_supervisor_of_a_suspended_machine(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    await cloud.create(spec(M1, port))
    await cloud.suspend(M1)
    supervisor = Folder(folder / M1).supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    await until(lambda: Folder(folder / M1).supervisor() is None, "it is dead")
    assert await state(cloud) is CloudState.FAILED
    with pytest.raises(Refused, match="cannot be resumed, it is failed"):
        await cloud.resume(M1)
    await cloud.delete(M1)
    assert_gone(folder, M1)


async def test_a_suspended_machine_whose_supervisor_is_asked_to_end_leaves_nothing(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    await cloud.create(spec(M1, port))
    await cloud.suspend(M1)
    Folder(folder / M1).signal_supervisor(signal.SIGTERM)
    await until(lambda: not processes_of(folder / M1), "everything of it ends")
    await cloud.delete(M1)
    assert_gone(folder, M1)


async def test_kill_9_of_the_vmm_before_the_machine_stood_still(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    """It is listed as suspended, and resumed as one."""
    machine = await cloud.create(spec(M1, port))
    Folder(folder / M1).mark_suspended(True)
    assert await state(cloud) is CloudState.SUSPENDED
    await cloud.resume(M1)
    assert await state(cloud) is CloudState.RUNNING
    assert await shell(machine, port, "echo here") == "here"


async def test_processes_that_are_being_started_are_stopped_too(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    machine = await cloud.create(spec(M1, port))
    await shell(machine, port, "while :; do sh -c :; done > /dev/null 2>&1 & echo")
    status = Folder(folder / M1).status()
    assert status is not None
    one_by_one = replace(status, freezer="")
    suspending.suspend(one_by_one)
    before = used(folder)
    work()
    assert used(folder) == before
    suspending.resume(one_by_one)
    assert await shell(machine, port, "echo here") == "here"


async def test_a_machine_whose_folder_is_removed_leaves_nothing_running(
    cloud: LocalCloud, folder: Path, port: int
) -> None:
    """Nobody could ask for its end any more."""
    await cloud.create(spec(M1, port))
    remove_tree(folder / M1)
    await until(lambda: not processes_of(folder / M1), "everything of it ends")
    await until(lambda: not cgroups_of(M1), "its cgroups are removed")
    assert await cloud.list_owned("tests") == []


async def written(cloud: LocalCloud, end: str) -> str:
    """What the machine wrote, once it ends so."""
    async with asyncio.timeout(30):
        while True:
            text = await cloud.console(M1)
            if text.endswith(end):
                return text
            await asyncio.sleep(0.02)


async def test_what_a_machine_and_its_agent_wrote_can_be_read(make: Make, port: int) -> None:
    cloud = make(command=("sh", "-c", "echo hello; exec sleep 1000"))
    await cloud.create(spec(M1, port))
    await written(cloud, "hello\n")
    await cloud.delete(M1)
    cloud = make(command=("no-such-agent",))
    await cloud.create(spec(M1, port))
    await written(cloud, "cannot start no-such-agent: No such file or directory\n")


async def test_of_much_that_was_written_the_end_is_read(make: Make, port: int) -> None:
    lines = f"print('line\\n' * {CONSOLE_BYTES} + 'the last', flush=True)"
    write = f"import signal; {lines}; signal.pause()"
    cloud = make(command=(sys.executable, "-c", write))
    await cloud.create(spec(M1, port))
    text = await written(cloud, "line\nthe last\n")
    assert text.startswith("line\n")
    assert CONSOLE_BYTES - 10 < len(text) <= CONSOLE_BYTES


@pytest.mark.root
@pytest.mark.timeout(320)
def test_most_of_this_as_a_normal_user() -> None:
    chosen = "(leaves_nothing or kill_9 or being_started) and not signals"
    done = as_nobody([*QUIETLY, "-k", chosen, __file__])
    assert done.returncode == 0, done.stdout
