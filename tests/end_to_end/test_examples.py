"""The examples do what they say, against the running system."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from dms_core.client.service import Dms
from examples.demo.stack import Stack, until, write_private

from ..conftest import CHECKOUT

pytestmark = [pytest.mark.mount, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def mounted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Alice's data mounted on this host; the environment that finds it."""
    folder = tmp_path_factory.mktemp("mount")
    frontend = (stack.state / "hub" / "dms.token").read_text()
    with Dms(stack.dms_url, frontend) as dms:
        token = dms.issue_token("alice").token
    mountpoint, socket = folder / "data", folder / "control.sock"
    mountpoint.mkdir()
    config = folder / "mount.yaml"
    write_private(
        config,
        f"service: {stack.dms_url}\nmountpoint: {mountpoint}\n"
        f"user: {getpass.getuser()}\ntoken: {token}\n"
        f"socket: {socket}\ncache: {{folder: {folder / 'cache'}, limit_gb: 2}}\n",
    )
    dms_program = Path(sys.executable).with_name("dms")
    process = subprocess.Popen([dms_program, "mount", "--config", config, "--foreground"])
    try:
        for _ in until(30):
            if os.path.ismount(mountpoint) and socket.exists():
                break
        assert os.path.ismount(mountpoint)
        yield {
            **os.environ,
            "DMS_SOCKET": str(socket),
            "VMM_URL": stack.vmm_url,
            "VMM_TOKEN_FILE": str(stack.vmm_token_file),
        }
    finally:
        process.terminate()
        process.wait(30)
    assert not os.path.ismount(mountpoint)


def run(mounted: dict[str, str], *argv: str) -> str:
    done = subprocess.run(
        argv, cwd=CHECKOUT, env=mounted, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_read_archive(mounted: dict[str, str]) -> None:
    output = run(mounted, sys.executable, "examples/read_archive.py", "--events", "1000")
    assert "before: remote (0 %" in output
    assert "after:  partial" in output


@pytest.mark.parametrize("through", ["service", "mount"])
def test_dms_urls(through: str, stack: Stack, mounted: dict[str, str], tmp_path: Path) -> None:
    environment = mounted
    if through == "service":
        frontend = (stack.state / "hub" / "dms.token").read_text()
        with Dms(stack.dms_url, frontend) as dms:
            write_private(tmp_path / "token", dms.issue_token("alice").token)
        token = {"DMS_TOKEN_FILE": str(tmp_path / "token")}
        environment = {**mounted, "DMS_URL": stack.dms_url, **token}
    argv = ["examples/read_with_fsspec_h5py.py", "--events", "1000"]
    output = run(environment, sys.executable, *argv)
    assert "of 1,000 events" in output
    read, size = map(float, re.findall(r"read ([\d.]+) of ([\d.]+) MB", output)[0])
    assert read < size / 4
    assert "I, Idev, Q: 66 points" in run(environment, sys.executable, "examples/xarray_dms.py")


def test_acquire_machine(mounted: dict[str, str]) -> None:
    output = run(mounted, sys.executable, "examples/acquire_machine.py", "--location", "clf")
    assert "at clf" in output
    assert output.endswith("released\n")


@pytest.mark.parametrize("name", ["read_a_run", "acquire_a_machine", "browse_data"])
def test_notebook(name: str, mounted: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in mounted.items():
        monkeypatch.setenv(key, value)
    notebook = nbformat.read(CHECKOUT / f"examples/notebooks/{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": CHECKOUT}})
    client.execute()
    errors = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    assert errors == []


def test_the_command_lines(mounted: dict[str, str]) -> None:
    programs = Path(sys.executable).parent
    run_file = "/archive/NDXLOQ/Instrument/data/cycle_13_2/LOQ00081070.nxs"
    environments = run(mounted, f"{programs}/vmm", "environments")
    assert "SANS for SANS2D" in environments
    assert "NDXSANS2D" in run(mounted, f"{programs}/dms", "ls", "/archive")
    assert "remote" in run(mounted, f"{programs}/dms", "status", run_file)
    run(mounted, f"{programs}/dms", "prefetch", run_file)
    for _ in until(30):
        if "cached" in run(mounted, f"{programs}/dms", "status", run_file):
            break
    assert "cached" in run(mounted, f"{programs}/dms", "status", run_file)
