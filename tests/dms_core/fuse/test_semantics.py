"""The promises of SEMANTICS.md that hold on a mount at rest, by both drivers."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import stat
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ...support.waiting import until
from .running import SECONDS, Mounted, Service, error_of

pytestmark = pytest.mark.mount

NOREPLACE, EXCHANGE = 1, 2


@pytest.fixture
def home(mounted: Mounted) -> Path:
    """A folder of its own in the mounted home."""
    folder = mounted.home / uuid.uuid4().hex
    folder.mkdir()
    return folder


@pytest.fixture
def origin(service: Service, home: Path) -> Path:
    """The same folder where the service keeps it."""
    return service.home / home.name


def renameat2(path: Path, to: Path, flags: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(-100, os.fsencode(path), -100, os.fsencode(to), flags)
    return ctypes.get_errno() if done else 0


def test_volumes_are_the_top_folders_and_the_root_is_the_users_alone(mounted: Mounted) -> None:
    assert sorted(path.name for path in mounted.path.iterdir()) == ["archive", "home"]
    assert mounted.path.stat().st_mode & 0o777 == 0o500


@pytest.mark.root
def test_another_user_is_refused(mounted: Mounted, service: Service) -> None:
    (service.archive / "public").write_text("for members of this mount")
    until((mounted.archive / "public").exists, "the new file appears")
    mounted.folder.chmod(0o755)
    look = (
        "import os, sys\n"
        "os.setgid(12345); os.setuid(12345)\n"
        "for call in (os.stat, os.listdir, open):\n"
        "    for path in sys.argv[1:]:\n"
        "        try: call(path)\n"
        "        except OSError as error: print(error.errno)\n"
        "        else: print('entered', call, path)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, "data/archive", "data/archive/public"],
        cwd=mounted.folder,  # entered as root: the folders above are root's alone
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.split() == [str(errno.EACCES)] * 6


def test_the_archive_is_read_only_and_looks_it(mounted: Mounted, service: Service) -> None:
    (service.archive / "closed").write_text("run")
    path = mounted.archive / "closed"
    until(path.exists, "the new file appears")
    assert path.stat().st_mode & 0o222 == 0
    expected = (errno.EROFS, errno.EACCES)
    assert error_of(lambda: path.open("a")) in expected
    assert error_of(lambda: (mounted.archive / "new").open("w")) in expected
    assert error_of((mounted.archive / "folder").mkdir) in expected
    assert error_of(path.unlink) in expected
    assert error_of(lambda: path.rename(mounted.archive / "other")) in expected
    assert (service.archive / "closed").read_text() == "run"
    assert not (service.archive / "new").exists()


def test_what_is_written_is_at_the_origin_when_it_was_synced_or_closed(
    home: Path, origin: Path
) -> None:
    with (home / "notes").open("wb", buffering=0) as file:
        file.write(b"one")
        assert (home / "notes").read_bytes() == b"one"
        os.fsync(file.fileno())
        assert (origin / "notes").read_bytes() == b"one"
        file.write(b" two")
        assert (home / "notes").read_bytes() == b"one two"
    assert (origin / "notes").read_bytes() == b"one two"
    assert (home / "notes").read_bytes() == b"one two"
    assert [path.name for path in origin.iterdir()] == ["notes"]


def test_a_later_open_sees_what_another_machine_closed(home: Path, origin: Path) -> None:
    path = home / "shared"
    path.write_text("first")
    assert path.read_text() == "first"
    (origin / "shared").write_text("second, longer")
    until(lambda: path.stat().st_size == len("second, longer"), "the attributes' second is over")
    assert path.read_text() == "second, longer"
    (origin / "shared").write_text("SECOND, LONGER")
    assert path.read_text() == "SECOND, LONGER"


def test_truncation_in_all_its_ways(home: Path, origin: Path) -> None:
    path = home / "file"
    path.write_bytes(b"0123456789")
    os.truncate(path, 4)
    assert path.read_bytes() == b"0123"
    with path.open("r+b") as file:
        file.truncate(8)
        assert os.fstat(file.fileno()).st_size == 8
    assert (origin / "file").read_bytes() == b"0123\0\0\0\0"
    path.open("wb").close()
    assert (origin / "file").read_bytes() == b""


def test_appending_goes_to_the_end_as_the_origin_knows_it(home: Path, origin: Path) -> None:
    path = home / "log"
    path.write_bytes(b"a")
    with path.open("ab", buffering=0) as one:
        one.write(b"b")
        with path.open("ab", buffering=0) as two:
            two.write(b"c")
        one.write(b"d")
    assert (origin / "log").read_bytes() == b"abcd"
    (origin / "log").write_bytes(b"another machine's ")
    with path.open("ab") as three:
        three.write(b"and ours")
    assert (origin / "log").read_bytes() == b"another machine's and ours"


def test_exclusive_creation(home: Path) -> None:
    path = home / "once"
    path.open("x").close()
    assert error_of(lambda: path.open("x")) == errno.EEXIST


def test_a_file_made_elsewhere_meanwhile_is_not_emptied(home: Path, origin: Path) -> None:
    """The kernel asks to create what it believes not to be there."""
    assert not (home / "late").exists()
    (origin / "late").write_bytes(b"precious")
    descriptor = os.open(home / "late", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        assert os.read(descriptor, 100) == b"precious"
    finally:
        os.close(descriptor)
    assert (origin / "late").read_bytes() == b"precious"


def test_renames_replace_atomically_or_not_at_all(home: Path, origin: Path) -> None:
    one, two = home / "one", home / "two"
    one.write_text("1")
    two.write_text("2")
    assert renameat2(one, two, NOREPLACE) == errno.EEXIST
    assert renameat2(one, two, EXCHANGE) == errno.EINVAL
    assert (one.read_text(), two.read_text()) == ("1", "2")
    one.replace(two)
    assert [path.name for path in origin.iterdir()] == ["two"]
    assert (origin / "two").read_text() == "1"
    assert renameat2(two, one, NOREPLACE) in (0, errno.EINVAL)  # libfuse 2 passes no flags


def test_a_rename_out_of_its_volume_is_refused(mounted: Mounted, home: Path) -> None:
    (home / "a").write_text("a")
    for outside in (mounted.path / "a", mounted.archive / "a"):
        refused = error_of(lambda to=outside: (home / "a").rename(to))
        assert refused in (errno.EXDEV, errno.EACCES)
    assert (home / "a").read_text() == "a"


def test_a_renamed_file_stays_readable_and_writable_where_it_is_open(
    home: Path, origin: Path
) -> None:
    with (home / "a").open("w+b", buffering=0) as file:
        file.write(b"before")
        (home / "a").rename(home / "b")
        file.write(b" after")
        file.seek(0)
        assert file.read() == b"before after"
    assert (origin / "b").read_bytes() == b"before after"


def test_an_open_file_outlives_its_name(home: Path, origin: Path) -> None:
    path = home / "gone"
    path.write_bytes(b"still here")
    with path.open("r+b", buffering=0) as file:
        path.unlink()
        assert not path.exists()
        assert file.read() == b"still here"
        file.write(b"!")
    until(lambda: list(origin.iterdir()) == [], "nothing is left at the origin")


def test_folders(home: Path, origin: Path) -> None:
    (home / "f" / "g").mkdir(parents=True)
    (home / "f" / "g" / "file").touch()
    assert error_of((home / "f" / "g").rmdir) == errno.ENOTEMPTY
    assert error_of((home / "f" / "g").mkdir) == errno.EEXIST
    assert error_of(lambda: (home / "f" / "g" / "file" / "x").stat()) == errno.ENOTDIR
    assert error_of((home / "f" / "g").unlink) in (errno.EISDIR, errno.EPERM)
    assert error_of((home / "none").rmdir) == errno.ENOENT
    (home / "f").rename(home / "h")
    assert (home / "h" / "g" / "file").exists()
    (home / "h" / "g" / "file").unlink()
    (home / "h" / "g").rmdir()
    assert list((origin / "h").iterdir()) == []


def test_modes_and_times(home: Path, origin: Path) -> None:
    path = home / "file"
    path.touch()
    path.chmod(0o640)
    assert (origin / "file").stat().st_mode & 0o777 == 0o640
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    assert path.stat().st_mtime_ns == 1_600_000_000_123_456_789
    subprocess.run(["touch", "-a", str(path)], check=True, timeout=SECONDS)
    assert path.stat().st_mtime_ns == 1_600_000_000_123_456_789
    subprocess.run(["touch", "-m", str(path)], check=True, timeout=SECONDS)
    assert path.stat().st_mtime_ns > 1_700_000_000 * 10**9


def test_links_and_special_files_are_refused(home: Path) -> None:
    (home / "file").touch()
    assert error_of(lambda: (home / "soft").symlink_to("file")) == errno.EPERM
    assert error_of(lambda: (home / "hard").hardlink_to(home / "file")) == errno.EPERM
    assert error_of(lambda: os.mkfifo(home / "pipe")) == errno.EPERM
    assert [path.name for path in home.iterdir()] == ["file"]


def test_links_of_the_origin_are_shown(mounted: Mounted, service: Service) -> None:
    name = uuid.uuid4().hex
    (service.archive / name).write_text("pointed at")
    (service.archive / f"{name}.link").symlink_to(name)
    until((mounted.archive / f"{name}.link").exists, "the new link appears")
    assert str((mounted.archive / f"{name}.link").readlink()) == name
    assert (mounted.archive / f"{name}.link").read_text() == "pointed at"


def test_owner_and_foreign_attributes(home: Path) -> None:
    path = home / "file"
    path.touch()
    info = path.stat()
    assert stat.S_ISREG(info.st_mode)
    os.chown(path, info.st_uid, info.st_gid)
    assert error_of(lambda: os.chown(path, info.st_uid + 1, -1)) == errno.EPERM
    assert error_of(lambda: os.getxattr(path, "user.other")) == errno.ENODATA
    assert error_of(lambda: os.setxattr(path, "user.dms.state", b"cached")) == errno.EOPNOTSUPP


def test_attributes_tell_the_state(mounted: Mounted, service: Service) -> None:
    name = uuid.uuid4().hex
    (service.archive / name).write_bytes(b"x" * 3_000_000)
    path = mounted.archive / name
    until(path.exists, "the new file appears")
    wanted = ["user.dms.cached_bytes", "user.dms.percent", "user.dms.state"]
    assert sorted(os.listxattr(path)) == wanted
    assert os.getxattr(path, "user.dms.state") == b"remote"
    path.read_bytes()
    until(lambda: os.getxattr(path, "user.dms.state") == b"cached", "all of it is cached")
    assert os.getxattr(path, "user.dms.percent") == b"100"
    assert os.getxattr(path, "user.dms.cached_bytes") == b"3000000"


def test_statfs_answers_from_memory(mounted: Mounted, service: Service) -> None:
    def told() -> bool:
        room, real = os.statvfs(mounted.home), os.statvfs(service.home)
        return room.f_blocks * room.f_frsize == real.f_blocks * real.f_frsize

    until(told, "the home's room is known")
    assert os.statvfs(mounted.home).f_bavail > 0


def test_a_memory_map_is_written_through(home: Path, origin: Path) -> None:
    path = home / "map"
    path.write_bytes(bytes(10_000))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[5_000:5_005] = b"hello"
        view.flush()
    assert (origin / "map").read_bytes()[4_999:5_006] == b"\0hello\0"


def test_names_of_all_kinds(home: Path, origin: Path) -> None:
    for name in ("with space", "größe-☃", "run 7 + 50% #1?.nxs", "n" * 255, ".hidden", "~x"):
        (home / name).write_text(name)
        assert (origin / name).read_text() == name
        assert (home / name).read_text() == name
    assert error_of(lambda: (home / ("n" * 256)).touch()) == errno.ENAMETOOLONG


def test_many_threads_write_and_read_their_own_files(home: Path, origin: Path) -> None:
    def work(number: int) -> bool:
        data = bytes([number]) * 50_000
        (home / str(number)).write_bytes(data)
        return (home / str(number)).read_bytes() == data

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))
    assert len(list(origin.iterdir())) == 32
