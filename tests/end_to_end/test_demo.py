"""`make demo`: starts, explains itself, stops on Ctrl-C and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from examples.demo import stack
from examples.demo.stack import until

from ..conftest import CHECKOUT
from ..support import leftovers

pytestmark = pytest.mark.mount


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as a user starts it, with its files below ``folder``; stopped at the end."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.demo", "--state", str(folder / "state")),
            *("--data", str(folder / "data"), "--events-gb", "0.01", *arguments),
        ],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def read_guide(process: subprocess.Popen[str]) -> str:
    """What it prints until it says how to stop it."""
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C stops everything" in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.timeout(180)
def test_two_copies_run_beside_each_other_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with (
        demo(tmp_path / "a", "--port", "0") as first,
        demo(tmp_path / "b", "--port", "0") as second,
    ):
        for process in (first, second):
            guide = read_guide(process)
            url = re.search(r"JupyterHub: +(http://127\.0\.0\.1:\d+)", guide)
            assert url, guide
            assert "alice, bob, carol" in guide
            with urllib.request.urlopen(f"{url[1]}/hub/login", timeout=30) as answer:
                assert b"password" in answer.read().lower()
        for process in (first, second):
            process.send_signal(signal.SIGINT)
        for process in (first, second):
            process.communicate(timeout=90)
            assert process.returncode == 0
    for name in ("a", "b"):
        state = tmp_path / name / "state"
        for _ in until(10):
            if not leftovers.everything(state):
                break
        assert leftovers.everything(state) == []


def test_a_port_in_use_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(tmp_path, "--port", str(port)) as process:
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"demo: port {port} of 127.0.0.1 is in use" in output
    assert "Traceback" not in output
    assert leftovers.everything(tmp_path / "state") == []


def test_a_state_folder_with_files_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    precious = tmp_path / "state" / "thesis.tex"
    precious.parent.mkdir()
    precious.write_text("the only copy")
    with demo(tmp_path, "--port", "0") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "is not empty" in output
    assert precious.read_text() == "the only copy"


def test_no_fuse_device_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(stack.StackError, match=r"modprobe fuse"):
        stack.check_fuse(str(tmp_path / "fuse"))


def test_no_proxy_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "tool_path", lambda: os.fspath(tmp_path))
    with pytest.raises(stack.StackError, match="run tools/setup"):
        stack.proxy_program()
