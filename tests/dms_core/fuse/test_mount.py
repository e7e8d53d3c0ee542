"""Starting a mount: what is wrong is said in one sentence, and nothing is left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dms_core.fuse import mountpoint as mountpoints
from dms_core.fuse.control import Control

from .running import SECONDS, Mounted, Service

pytestmark = pytest.mark.mount


def refusal(mounted: Mounted, **changes: object) -> str:
    """The sentence a mount that cannot start ends with."""
    done = subprocess.run(
        mounted.command(**changes), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert not mountpoints.is_mounted(mounted.path)
    assert not mounted.socket.exists()
    return lines[0]


@pytest.fixture
def fresh(service: Service, tmp_path: Path) -> Mounted:
    return Mounted(service, tmp_path / "m")


def test_a_mountpoint_that_is_not_empty(fresh: Mounted) -> None:
    (fresh.path / "sub").mkdir(parents=True)
    assert f"{fresh.path} is not empty" in refusal(fresh)
    assert (fresh.path / "sub").is_dir()


def test_a_mountpoint_that_is_a_file(fresh: Mounted) -> None:
    fresh.path.write_text("a file")
    assert "not a folder" in refusal(fresh)


def test_a_mountpoint_that_is_mounted(fresh: Mounted, mounted: Mounted) -> None:
    done = subprocess.run(
        fresh.command(mountpoint=str(mounted.path)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "mounted" in done.stderr
    assert mounted.archive.is_dir()


def test_a_cache_folder_in_use(fresh: Mounted, mounted: Mounted) -> None:
    sentence = refusal(fresh, cache={"folder": str(mounted.cache)})
    assert "in use by process" in sentence
    assert "cache.folder" in sentence


def test_a_socket_in_use(fresh: Mounted, mounted: Mounted) -> None:
    assert "Another mount answers" in refusal(fresh, socket=str(mounted.socket))
    with mounted.client() as mount:
        assert mount.info().mountpoint == str(mounted.path)


def test_a_service_that_was_never_reached(fresh: Mounted) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    sentence = refusal(fresh, service=url, connect_s=0.5)
    assert url in sentence
    assert "did not answer within 0.5 s" in sentence


def test_a_service_that_says_nothing(fresh: Mounted) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert url in refusal(fresh, service=url, connect_s=0.5)


def test_a_token_that_is_none(fresh: Mounted) -> None:
    assert "does not accept the token" in refusal(fresh, token="nonsense")


def test_an_unknown_user(fresh: Mounted) -> None:
    assert "no account nosuchuser" in refusal(fresh, user="nosuchuser")


def test_a_typo_in_the_configuration_names_file_and_line(fresh: Mounted) -> None:
    sentence = refusal(fresh, cahce={})
    assert str(fresh.folder / "mount.json") in sentence
    assert "cahce" in sentence


@pytest.mark.root
@pytest.mark.parametrize("device", ["missing", "forbidden"])
def test_no_dev_fuse(fresh: Mounted, device: str, tmp_path: Path) -> None:
    """In a mount namespace of its own, /dev is an empty folder."""
    (tmp_path / "dev").mkdir()
    if device == "forbidden":
        os.mknod(tmp_path / "dev" / "fuse", 0o600 | 0o20000, os.makedev(10, 250))
    os.mknod(tmp_path / "dev" / "null", 0o666 | 0o20000, os.makedev(1, 3))
    script = f"mount --bind {tmp_path}/dev /dev && exec " + " ".join(fresh.command())
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, done
    assert "/dev/fuse" in done.stderr
    assert "Traceback" not in done.stderr


def test_libfuse_missing(fresh: Mounted) -> None:
    """As where neither libfuse can be loaded."""
    hide = (
        "import ctypes, sys\n"
        "real = ctypes.CDLL.__init__\n"
        "def init(self, name=None, *a, **k):\n"
        "    if name and 'fuse' in str(name): raise OSError('no such library')\n"
        "    real(self, name, *a, **k)\n"
        "ctypes.CDLL.__init__ = init\n"
        "from dms_core.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", hide, *fresh.command()[3:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert "apt-get install fuse3" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_importing_the_mount_starts_nothing(tmp_path: Path) -> None:
    """It is imported before the daemon is forked."""
    look = (
        "import threading, os, sys, asyncio\n"
        "before = set(os.listdir('/proc/self/fd'))\n"
        "import dms_core.mount\n"
        "assert threading.active_count() == 1\n"
        "assert 'mfusepy' in sys.modules or 'fuse' in sys.modules\n"
        "assert len(set(os.listdir('/proc/self/fd'))) == len(before)\n"
    )
    subprocess.run([sys.executable, "-c", look], check=True, timeout=SECONDS)


@pytest.mark.root
def test_the_control_socket_answers_only_its_user_and_root(mounted: Mounted) -> None:
    with mounted.client() as mount:
        assert mount.status("/archive").path == "/archive"
        assert mount.status(str(mounted.archive)).path == "/archive"
    assert mounted.socket.stat().st_mode & 0o777 == 0o666
    mounted.folder.chmod(0o755)
    ask = (
        "import os, sys\n"
        "from dms_core.client.mount import Mount\n"
        "from dms_core.errors import NotAllowed\n"
        "mount = Mount('control.sock')\n"
        "os.setgid(12345); os.setuid(12345)\n"
        "try: mount.info()\n"
        "except NotAllowed as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=mounted.folder,  # entered as root: the folders above are root's alone
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "another user" in done.stdout


@pytest.mark.root
def test_the_cache_is_roots_alone(mounted: Mounted) -> None:
    assert mounted.cache.stat().st_mode & 0o777 == 0o700
    assert mounted.cache.stat().st_uid == 0


def test_paths_of_the_shell_and_of_the_tree_are_the_same() -> None:
    control = Control(None, None, None, Path("/data"), 0)  # type: ignore[arg-type]
    for path in ("/data/archive/a b", "/archive/a b", "/archive/a b/"):
        assert control.tree_path(path) == "/archive/a b"
    assert control.tree_path("/data") == "/"
    assert control.tree_path("/datafolder") == "/datafolder"
