"""Starts and stops the whole system: DMS, VMM with its machines, JupyterHub.

Everything listens on 127.0.0.1 and keeps its files in one folder. ``stop``
leaves nothing behind: no process, mount, namespace or folder that ``start``
made. The demo, the end-to-end tests and ``benchmarks/spawn.py`` use it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from vmm_core.client import Vmm

from .archive import lay_out
from .catalogue import demo_catalogue

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
USERS = ("alice", "bob", "carol")
STOP_S = 90
"""A part may take so long to end: the VMM deletes its machines first."""


class StackError(Exception):
    """A part did not start; one sentence that names it and its log."""


@dataclass
class Settings:
    """What may differ from one copy to the next."""

    state: Path
    """Folder for everything; made if missing."""
    data: Path
    """The facility's data: archive, rb, home. Kept at the end."""
    port: int = 0
    """Where users log in; 0 picks a free one."""
    events_gb: float = 1.0
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    users: tuple[str, ...] = USERS
    address: str = "127.0.0.1"
    """Where the services listen, as machines dial it: one that machines elsewhere reach, too."""
    change_catalogue: Callable[[dict[str, Any]], None] = lambda catalogue: None
    """May add clouds and pools to the demo's."""
    change_volumes: Callable[[dict[str, Any]], None] = lambda volumes: None
    """May put other storages under the demo's volumes."""


class Stack:
    """A running system."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = settings.state
        self._owns_state = False
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        port, hub, proxy_api, vmm, dms = free_ports(5)
        self.port = settings.port or port
        self._ports = {"hub": hub, "proxy_api": proxy_api, "vmm": vmm, "dms": dms}
        self.hub_url = f"http://127.0.0.1:{self.port}"
        self.vmm_url = f"http://{settings.address}:{vmm}"
        self.dms_url = f"http://{settings.address}:{dms}"
        self.vmm_token_file = self.state / "vmm" / "operator.token"

    # --- life ------------------------------------------------------------------

    def start(self, tell: Callable[[str], None] = lambda text: None) -> None:
        """Start all parts and wait until a user can log in and get a machine.

        Args:
            tell: called with a line for each step.

        Raises:
            StackError: a part did not start; everything is stopped again.
        """
        if self.state.exists() and any(self.state.iterdir()):
            raise StackError(
                f"{self.state} is not empty; name a new folder, it is removed at the end"
            )
        self._owns_state = True
        try:
            check_port(self.port)
            check_fuse()
            tell("Laying out the experiment data")
            lay_out(self.settings.data, events_gb=self.settings.events_gb)
            self._write_configuration()
            tell("Starting the Data Movement Service and the Virtual Machine Manager")
            self.start_dms()
            self.start_vmm()
            self.wait_for("dms", f"{self.dms_url}/dms/api/v1/health")
            self.wait_for("vmm", f"{self.vmm_url}/vmm/api/v1/health")
            tell("Starting JupyterHub, while the first machines boot")
            self.start_hub()
            self.wait_for("hub", f"{self.hub_url}/hub/health", timeout_s=60)
            self._wait_for_machine()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, hub first, and remove the state folder."""
        for name in ("hub", "vmm", "dms"):
            self.stop_part(name)
        if self._owns_state:
            remove_folder(self.state)

    def poll(self) -> str | None:
        """The name of a part that ended by itself, if any."""
        return next((n for n, p in self._processes.items() if p.poll() is not None), None)

    # --- parts -----------------------------------------------------------------

    def start_dms(self) -> None:
        """Start ``dms serve``."""
        folder = self.state / "dms"
        self._spawn(
            "dms",
            *("dms", "serve", f"--DMS.config={folder / 'volumes.yaml'}"),
            *(f"--DMS.ip={self.settings.address}", f"--DMS.port={self._ports['dms']}"),
            f"--DMS.key_file={folder / 'key.pem'}",
            f"--DMS.frontends_file={folder / 'frontends.yaml'}",
        )

    def start_vmm(self) -> None:
        """Start ``vmm serve``; at its stop it deletes its machines."""
        folder = self.state / "vmm"
        self._spawn(
            "vmm",
            *("vmm", "serve", f"--VMM.catalogue={folder / 'catalogue.yaml'}"),
            *(f"--VMM.ip={self.settings.address}", f"--VMM.port={self._ports['vmm']}"),
            f"--VMM.key_file={folder / 'key.pem'}",
            f"--VMM.tokens_file={folder / 'tokens.yaml'}",
            f"--VMM.database=sqlite+aiosqlite:///{folder / 'ledger.sqlite'}",
            "--VMM.delete_machines_on_stop=True",
        )

    def start_hub(self) -> None:
        """Start JupyterHub, which starts its proxy."""
        self._spawn(
            "hub",
            *("jupyterhub", "--config", str(HERE / "jupyterhub_config.py")),
            env={"DAAAS_DEMO": str(self.state / "hub" / "settings.json")},
        )

    def stop_part(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop one part (``hub``, ``vmm``, ``dms``); SIGKILL if it does not end by itself."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if name == "hub":
            self._stop_proxy()

    def log(self, name: str) -> str:
        """What a part has printed."""
        path = self.state / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def vmm(self) -> Vmm:
        """An operator's client of the VMM."""
        return Vmm(self.vmm_url, self.vmm_token_file.read_text().strip())

    # --- inside ------------------------------------------------------------------

    def _spawn(
        self, name: str, program: str, *argv: str, env: dict[str, str] | None = None
    ) -> None:
        logs = self.state / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        with (logs / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(Path(sys.executable).with_name(program)), *argv],
                cwd=self.state,
                env=os.environ | {"PATH": tool_path()} | (env or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to hand on, in order
            )

    def _stop_proxy(self) -> None:
        """End the proxy that a hub leaves running when it may come back."""
        pid_file = self.state / "hub" / "proxy.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split()[0])
        pid_file.unlink()
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        with ExitStack() as stack:
            stack.callback(os.close, handle)
            if b"configurable-http-proxy" in Path(f"/proc/{pid}/cmdline").read_bytes():
                signal.pidfd_send_signal(handle, signal.SIGTERM)

    def wait_for(self, name: str, url: str, timeout_s: float = 30) -> None:
        """Wait until ``url`` answers 200.

        Raises:
            StackError: the part ended or did not answer in time.
        """
        for _ in until(timeout_s):
            if self._processes[name].poll() is not None:
                raise StackError(f"{name} did not start: {last_line(self.log(name))}")
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                continue
        raise StackError(f"{name} did not answer at {url} within {timeout_s:g} s")

    def _wait_for_machine(self, timeout_s: float = 180) -> None:
        with self.vmm() as vmm:
            for _ in until(timeout_s):
                if any(offer.free for offer in vmm.offers()):
                    return
        raise StackError(f"no machine became ready within {timeout_s:g} s; see the log of vmm")

    def _write_configuration(self) -> None:
        for name in ("dms", "vmm", "hub", "machines"):
            (self.state / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        hub_vmm, operator = (secrets.token_urlsafe(32) for _ in range(2))
        hub_dms = secrets.token_urlsafe(32)
        vmm, dms, hub = (self.state / name for name in ("vmm", "dms", "hub"))
        write_private(self.vmm_token_file, operator)
        write_private(hub / "vmm.token", hub_vmm)
        write_private(hub / "dms.token", hub_dms)
        write_yaml(
            vmm / "tokens.yaml",
            [
                token_row("hub", hub_vmm, "read", "lease:any"),
                token_row("operator", operator, "read", "lease:any", "operate"),
            ],
        )
        write_yaml(dms / "frontends.yaml", [token_row("hub", hub_dms, "issue")])
        catalogue = demo_catalogue(
            self.state / "machines",
            reach=[f"{self.settings.address}:{self._ports[part]}" for part in ("hub", "dms")],
            hide=[self.state, self.settings.data],
        )
        self.settings.change_catalogue(catalogue)
        write_yaml(vmm / "catalogue.yaml", catalogue)
        membership = self.settings.data / "membership.yaml"
        if not membership.exists():
            shutil.copy(HERE / "membership.yaml", membership)
        volumes = self._volumes(membership)
        self.settings.change_volumes(volumes)
        write_yaml(dms / "volumes.yaml", volumes)
        write_private(
            hub / "settings.json",
            json.dumps(
                {
                    "port": self.port,
                    "hub_url": f"http://{self.settings.address}:{self._ports['hub']}",
                    "proxy_api_port": self._ports["proxy_api"],
                    "proxy_command": [proxy_program()],
                    "hub_folder": str(hub),
                    "users": list(self.settings.users),
                    "password": self.settings.password,
                    "vmm_url": self.vmm_url,
                    "vmm_token_file": str(hub / "vmm.token"),
                    "dms_url": self.dms_url,
                    "dms_token_file": str(hub / "dms.token"),
                }
            ),
        )

    def _volumes(self, membership: Path) -> dict[str, Any]:
        data = self.settings.data
        titles = {
            "archive": "Experiment archive",
            "rb": "Experiments by RB number",
            "home": "Home folders",
        }
        for name in titles:
            (data / name).mkdir(parents=True, exist_ok=True)
        return {
            "storages": [
                {
                    "name": name,
                    "kind": "posix",
                    "options": {"folder": str(data / name), "read_only": name == "archive"},
                }
                for name in titles
            ],
            "volumes": [
                {"name": name, "policy": name, "storage": name, "title": title}
                for name, title in titles.items()
            ],
            "membership": str(membership),
        }


# --- small helpers ---------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def check_port(port: int) -> None:
    """Raise ``StackError`` if ``port`` of 127.0.0.1 is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port} of 127.0.0.1 is in use ({error.strerror}); "
                'choose another: make demo DEMO="--port 8080"'
            ) from error


def check_fuse(device: str = "/dev/fuse") -> None:
    """Raise ``StackError`` if this process cannot mount."""
    if not os.access(device, os.R_OK | os.W_OK):
        raise StackError(
            f"{device} is missing or not yours to open, so no data can be mounted; load it with "
            f"`modprobe fuse`, or start the container with --device {device} --cap-add SYS_ADMIN"
        )


def until(timeout_s: float, every_s: float = 0.1) -> Iterator[None]:
    """Yield every ``every_s`` until ``timeout_s`` have passed."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        yield
        time.sleep(every_s)


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")


def remove_folder(folder: Path) -> None:
    """Remove ``folder``, unless something is mounted below: that would be removed too."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    if below := [m for m in mounts if Path(m).is_relative_to(folder.resolve())]:
        raise StackError(f"{folder} was kept, {below[0]} is still mounted; unmount it first")
    shutil.rmtree(folder, ignore_errors=True)


def token_row(name: str, token: str, *scopes: str) -> dict[str, object]:
    """A row of a tokens file: the token's hash, never the token."""
    return {
        "name": name,
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "scopes": list(scopes),
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def write_yaml(path: Path, tree: object) -> None:
    """Write a private YAML file."""
    text = io.StringIO()
    YAML(typ="safe").dump(tree, text)
    write_private(path, text.getvalue())


def tool_path() -> str:
    """PATH with the checkout's own tools (Python's, Node's, the proxy) first."""
    made = CHECKOUT / ".make"
    own = [Path(sys.executable).parent, made / "proxy" / "node_modules" / ".bin", made / "node/bin"]
    return os.pathsep.join([*map(str, own), os.environ.get("PATH", os.defpath)])


def proxy_program() -> str:
    """Where configurable-http-proxy is.

    Raises:
        StackError: it is not installed.
    """
    program = shutil.which("configurable-http-proxy", path=tool_path())
    if program is None:
        raise StackError(
            "configurable-http-proxy is not installed; run tools/setup, which gets it from npm"
        )
    return program
