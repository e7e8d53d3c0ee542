"""Homes on real mounts of a real service: away and back, two machines, full, refused, killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dms_core.client.mount import Mount
from dms_core.fuse import mountpoint as mountpoints
from dms_core.model import CacheState, Status

from ...support.messages import expected, says
from ...support.waiting import until
from ..fuse.running import SECONDS, USER, Mounted, Service, error_of, gone
from .conftest import Two

pytestmark = pytest.mark.mount

UNREACHABLE = (errno.EHOSTUNREACH, errno.ETIMEDOUT)


@pytest.fixture
def mounted(service: Service, tmp_path: Path) -> Iterator[Mounted]:
    (service.home / "old.txt").write_text("old")
    with Mounted(service, tmp_path / "m") as running:
        assert [path.name for path in running.home.iterdir()] == ["old.txt"]
        yield running


def state(path: Path) -> CacheState:
    return CacheState(os.getxattr(path, "user.dms.state").decode())


def drained(mount: Mount) -> None:
    until(lambda: mount.info().unsent_files == 0, "everything is sent")


def queue_command(mounted: Mounted) -> str:
    command = [sys.executable, "-m", "dms_core.cli", "queue", "--socket", str(mounted.socket)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_what_is_written_while_the_service_is_away_is_here_and_sent_later(
    service: Service, mounted: Mounted, how: str
) -> None:
    new, old = mounted.home / "new.txt", mounted.home / "old.txt"
    if how == "stopped":
        service.stop()
    else:
        service.freeze()
    new.write_text("made while away")
    old.write_text("replaced while away")  # truncated, so nothing of it is needed
    assert new.read_text() == "made while away"
    assert old.read_text() == "replaced while away"
    assert sorted(path.name for path in mounted.home.iterdir()) == ["new.txt", "old.txt"]
    assert new.stat().st_size == len("made while away")
    assert state(new) is CacheState.DIRTY
    with mounted.client() as mount:
        info = mount.info()
        assert (info.unsent_files, info.unsent_bytes, info.stuck_files) == (2, 34, 0)
        assert not info.reachable
        waiting = mount.queue().files
        assert sorted(file.path for file in waiting) == [
            f"/home/{USER}/new.txt",
            f"/home/{USER}/old.txt",
        ]
        row = expected("home", "service away")
        until(lambda: mount.queue().files[0].reason, "the reason is known")
        [first, *_] = mount.queue().files
        assert says(row.user, f"{first.reason} {first.remedy}"), first
        assert "new.txt" in queue_command(mounted)
        if how == "stopped":
            service.start()
        else:
            service.thaw()
        drained(mount)
    assert (service.home / "new.txt").read_text() == "made while away"
    assert (service.home / "old.txt").read_text() == "replaced while away"
    assert state(new) is CacheState.REMOTE
    assert sorted(path.name for path in service.home.iterdir()) == ["new.txt", "old.txt"]


def test_what_is_unsent_is_there_after_kill_9_and_is_sent_by_the_next_mount(
    service: Service, mounted: Mounted
) -> None:
    service.stop()
    with (mounted.home / "open.txt").open("wb", buffering=0) as never_closed:
        never_closed.write(b"written and not closed")
        (mounted.home / "new.txt").write_text("made while away")
        mounted.kill()
        with pytest.raises(OSError):  # noqa: PT011 - any: the mount is dead
            never_closed.write(b".")
        assert error_of(never_closed.close) in (0, errno.ENOTCONN)
    service.start()
    mounted.start()
    assert (mounted.home / "new.txt").read_text() == "made while away"
    assert (mounted.home / "open.txt").read_text() == "written and not closed"
    with mounted.client() as mount:
        drained(mount)
    names = sorted(path.name for path in service.home.iterdir())
    assert names == ["new.txt", "old.txt", "open.txt"]
    assert (service.home / "new.txt").read_text() == "made while away"
    assert (service.home / "open.txt").read_text() == "written and not closed"


def test_an_unmount_says_what_is_not_sent_and_the_next_mount_sends_it(
    service: Service, mounted: Mounted
) -> None:
    service.stop()
    (mounted.home / "new.txt").write_text("made while away")
    mounted.stop()
    assert mounted.process is not None
    assert mounted.process.stderr is not None
    said = mounted.process.stderr.read()
    row = expected("home", "unmounted before it was sent")
    assert any(says(row.operator, line.split(": ", 1)[-1]) for line in said.splitlines()), said
    mounted.process.stderr.close()
    service.start()
    mounted.start()
    with mounted.client() as mount:
        drained(mount)
    assert (service.home / "new.txt").read_text() == "made while away"


def test_a_mount_that_keeps_its_machine_ends_when_everything_is_sent(
    service: Service, tmp_path: Path
) -> None:
    hold = tmp_path / "hold" / "dms-mount"
    (service.home / "full.txt").write_text("as it was")
    with Mounted(service, tmp_path / "m", journal={"hold_file": str(hold)}) as mounted:
        assert len(list(mounted.home.iterdir())) == 1
        (mounted.home / "sent.txt").write_text("sent at close")
        until(lambda: not hold.exists(), "nothing is held")
        service.stop()
        (mounted.home / "new.txt").write_text("made while away")
        assert hold.read_text().startswith("1 file (")  # as soon as write() returned
        assert hold.parent.stat().st_mode & 0o777 == 0o700
        (mounted.home / "full.txt").write_text("changed")
        told = f"2 files (22 bytes) of {USER} not sent yet\n"
        until(lambda: hold.read_text() == told, "both are told")
        assert mounted.process is not None
        mounted.process.terminate()
        until(lambda: not mountpoints.is_mounted(mounted.path), "it is unmounted")
        with mounted.client() as mount:  # but goes on, and can be asked
            assert mount.info().unsent_files == 2
        assert hold.exists()
        service.start()
        assert gone(mounted.process) == 0
    assert not hold.exists()
    assert (service.home / "new.txt").read_text() == "made while away"
    assert (service.home / "full.txt").read_text() == "changed"


def test_what_was_held_is_held_again_after_kill_9(service: Service, tmp_path: Path) -> None:
    hold = tmp_path / "dms-mount"
    with Mounted(service, tmp_path / "m", journal={"hold_file": str(hold)}) as mounted:
        assert list(mounted.home.iterdir()) == []
        service.stop()
        (mounted.home / "new.txt").write_text("made while away")
        mounted.kill()
        assert hold.exists()
        hold.unlink()  # as a reboot does
        service.start()
        mounted.start()
        until(lambda: (service.home / "new.txt").exists(), "it is sent")
        until(lambda: not hold.exists(), "nothing is held")


def test_the_end_of_a_mount_sends_what_is_open(service: Service, mounted: Mounted) -> None:
    with (mounted.home / "open").open("wb", buffering=0) as file:
        file.write(b"not closed")
        assert (service.home / "open").read_bytes() == b""
        mounted.stop()
        assert error_of(file.close) in (0, errno.ENOTCONN)
    assert (service.home / "open").read_bytes() == b"not closed"


def test_unsent_files_are_renamed_removed_and_changed_while_the_service_is_away(
    service: Service, mounted: Mounted
) -> None:
    home = mounted.home
    service.stop()
    for name in ("a", "b", "c"):
        (home / name).write_text(name)
    (home / "a").rename(home / "renamed")
    (home / "b").replace(home / "old.txt")  # as editors save
    (home / "c").unlink()
    (home / "renamed").chmod(0o600)
    os.utime(home / "renamed", ns=(1, 1_600_000_000_123_456_789))
    with (home / "renamed").open("a") as file:
        file.write(" more")
    os.utime(home / "renamed", ns=(1, 1_600_000_000_123_456_789))
    assert sorted(path.name for path in home.iterdir()) == ["old.txt", "renamed"]
    assert error_of((home / "folder").mkdir) in UNREACHABLE
    assert error_of(lambda: (home / "old.txt").rename(home / "x")) in UNREACHABLE
    assert error_of(lambda: (home / "renamed").open("x")) == errno.EEXIST
    service.start()
    with mounted.client() as mount:
        drained(mount)
    assert sorted(path.name for path in service.home.iterdir()) == ["old.txt", "renamed"]
    assert (service.home / "old.txt").read_text() == "b"
    assert (service.home / "renamed").read_text() == "a more"
    info = (service.home / "renamed").stat()
    assert (info.st_mode & 0o777, info.st_mtime_ns) == (0o600, 1_600_000_000_123_456_789)


def test_two_machines_change_one_file_and_both_versions_are_kept(two: Two) -> None:
    mine, theirs = two.mine / "old.txt", two.theirs / "old.txt"
    with mine.open("r+") as file:
        file.write("MINE, longer than that")
        file.flush()
        assert mine.read_text() == "MINE, longer than that"
        assert theirs.read_text() == "old"
        theirs.write_text("THEIRS")
        # close() sends, finds the other version and keeps both
    assert (two.origin / "old.txt").read_text() == "THEIRS"
    until(lambda: mine.read_text() == "THEIRS", "the other version is seen")
    with two.mounted.client() as mount:
        [conflict] = mount.queue().conflicts
    assert conflict.path == f"/home/{USER}/{two.mine.name}/old.txt"
    copy = Path(conflict.copy_path).name
    assert copy.startswith(f"old (conflict {USER} ")
    assert copy.endswith(").txt")
    assert (two.origin / copy).read_text() == "MINE, longer than that"
    assert len(list(two.origin.iterdir())) == 2
    row = expected("home", "conflict")
    said = queue_command(two.mounted)
    assert any(says(row.user, line) for line in said.splitlines()), said


def test_an_open_file_that_another_machine_replaced_is_not_mixed(two: Two) -> None:
    with (two.mine / "old.txt").open("r+b", buffering=0) as file:
        (two.theirs / "old.txt").write_text("theirs")
        assert error_of(lambda: file.write(b"mine")) == errno.ESTALE
        assert (two.origin / "old.txt").read_text() == "theirs"


def test_what_one_machine_closed_another_sees_at_the_next_open_and_never_half(two: Two) -> None:
    path, there, origin = two.mine / "shared", two.theirs / "shared", two.origin / "shared"
    path.write_bytes(b"0" * 3_000_000)
    for number in range(1, 10):
        letter = str(number).encode()
        with path.open("r+b") as file:
            for _ in range(3):
                file.write(letter * 1_000_000)
                assert origin.read_bytes() == str(number - 1).encode() * 3_000_000
        with there.open("rb") as read:
            assert read.read() == letter * 3_000_000


def test_the_file_is_the_same_one_before_and_after_it_was_sent(two: Two) -> None:
    path = two.mine / "old.txt"
    before = path.stat().st_ino
    with path.open("r+b", buffering=0) as file:
        for _ in range(3):
            file.write(b"more")
            os.fsync(file.fileno())
            assert os.fstat(file.fileno()).st_ino == path.stat().st_ino == before
        file.seek(0)
        assert file.read() == b"more" * 3
        others = [two.mine / f"another{number}" for number in range(5)]
        for other in others:
            other.write_bytes(b"x")
        assert len({one.stat().st_ino for one in [path, *others]}) == 6


def test_states_are_told_as_events(two: Two) -> None:
    with two.mounted.client() as mount:
        heard = mount.events()
        next(heard)
        (two.mine / "told").write_bytes(b"x" * 100_000)
        seen: list[CacheState] = []
        for event in heard:
            if isinstance(event, Status) and event.path.endswith("/told"):
                seen.append(event.state)
                if event.state is CacheState.REMOTE:
                    break
    assert seen[-1] is CacheState.REMOTE


def test_a_full_journal_takes_no_more_and_loses_nothing(service: Service, tmp_path: Path) -> None:
    mounted = Mounted(service, tmp_path / "m", journal={"limit_gb": 0.001})
    with mounted, mounted.client() as mount:
        assert list(mounted.home.iterdir()) == []
        service.stop()
        (mounted.home / "fits").write_bytes(b"x" * 900_000)
        too_much = mounted.home / "too-much"
        assert error_of(lambda: too_much.write_bytes(b"y" * 200_000)) == errno.ENOSPC
        assert (mounted.home / "fits").read_bytes() == b"x" * 900_000
        service.start()
        drained(mount)
        assert (service.home / "fits").read_bytes() == b"x" * 900_000
        too_much.write_bytes(b"y" * 200_000)
        assert (service.home / "too-much").read_bytes() == b"y" * 200_000


def test_a_large_file_is_changed_in_place_at_the_service(service: Service, tmp_path: Path) -> None:
    (service.home / "large").write_bytes(b"0" * 2_000_000)
    with Mounted(service, tmp_path / "m", journal={"whole_mib": 1}) as mounted:
        with (mounted.home / "large").open("r+b", buffering=0) as file:
            file.seek(1_000_000)
            file.write(b"changed")
            assert (service.home / "large").read_bytes()[1_000_000:1_000_007] == b"changed"
        assert state(mounted.home / "large") is CacheState.REMOTE
        service.stop()
        with (mounted.home / "large").open("r+b", buffering=0) as file:
            assert error_of(lambda: file.write(b"away")) in UNREACHABLE


def test_another_users_journal_is_not_sent(service: Service, tmp_path: Path) -> None:
    with Mounted(service, tmp_path / "m") as mounted:
        assert list(mounted.home.iterdir()) == []
        service.stop()
        (mounted.home / "mine").write_text("mine")
        mounted.stop()
        service.start()
        other = {"service": service.url.replace("127.0.0.1", "localhost")}
        command = mounted.command(**other)
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        row = expected("home", "another's journal")
        assert done.returncode == 1
        assert says(row.operator, done.stderr.splitlines()[-1].removeprefix("dms: ")), done.stderr
