"""The machine's commands over SSH: the real client, a real agent, a real desktop."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from vmm_core.agent.protocol import BindError, Ended, Failed, People, Person, Unbound
from vmm_core.clouds.base import CloudMachine

from ....support.messages import expected, says
from ....support.topcat import Said, SshClient, make_key
from ...clouds.local_machines import QUIETLY, as_nobody, free_port
from ..room import HERE, Room
from .test_commands import INJECTIONS

USER = "topcat"
NEEDED = ("tigervncserver", "Xtigervnc", "xauth", "icewm", "ssh")

pytestmark = pytest.mark.skipif(
    any(shutil.which(program) is None for program in NEEDED),
    reason=f"needs {', '.join(NEEDED)}",
)


class Plugin:
    """A machine whose commands are offered to one key."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room = room
        self.folder = folder
        self.key = make_key(folder, "key")
        alone = room.way != "process"
        self.port = 22 if alone else free_port()
        self.vnc = 5900 if alone else free_port()
        self.web = free_port()
        room.ports = (self.port, self.vnc, self.web)
        self.machine: CloudMachine | None = None

    @property
    def access(self) -> dict[str, object]:
        """The ``ssh`` of the user data: the desktop is Xtigervnc with icewm."""
        vnc = ["-rfbport", str(self.vnc), "-localhost", "yes", "-SecurityTypes", "None"]
        size = ["-geometry", "640x480", "-depth", "24"]
        argv = ["tigervncserver", ":7", "-fg", *vnc, *size, "-xstartup", "/usr/bin/icewm"]
        websockify = ["websockify", "--token-plugin", "TokenFile"]
        websockify += ["--token-source", "run/vmm/websockify/tokens", f"127.0.0.1:{self.web}"]
        return {
            "user": USER,
            "authorized_key": self.key.with_suffix(".pub").read_text(),
            "port": self.port,
            "desktop": {
                "program": {"argv": argv},
                "port": self.vnc,
                "daemons": [{"name": "websockify", "program": {"argv": websockify}}],
            },
        }

    async def start(self) -> None:
        self.machine = await self.room.ready(ssh=self.access)

    def client(self, key: Path | None = None, user: str = USER, *more: str) -> SshClient:
        """In the machine's own network as root, else through the port that its cloud gave."""
        assert self.machine is not None
        through: tuple[str, ...] = ()
        if os.geteuid() == 0:
            through = ("nsenter", f"--net=/proc/{self.room.first_process()}/ns/net")
        else:
            more = ("-p", str(self.machine.ports[self.port]), *more)
        return SshClient("127.0.0.1", user, key or self.key, through, more)

    async def do(self, *command: str) -> Said:
        return await asyncio.to_thread(self.client().exec, *command)

    async def refused(self, client: SshClient, *command: str) -> Said:
        said = await asyncio.to_thread(client.exec, *command)
        assert said.status != 0, said
        assert said.output == "", "what goes to the output would be taken for an answer"
        return said

    async def picture(self) -> Image.Image:
        said = await self.do("get_screenshot")
        assert said.status == 0, said
        return Image.open(io.BytesIO(base64.b64decode(said.output, validate=False)))

    async def greeting(self, token: str) -> bytes | None:
        """What VNC says through websockify, as noVNC dials it; None if the token is not known."""
        assert self.machine is not None
        port = self.machine.ports[self.web]
        url = f"http://127.0.0.1:{port}/websockify?token={token}"
        async with aiohttp.ClientSession() as http:
            try:
                async with http.ws_connect(url, protocols=["binary"]) as stream:
                    return await stream.receive_bytes(timeout=10)
            except (aiohttp.ClientError, TypeError):
                return None

    async def people(self, since: int = 0) -> tuple[Person, ...]:
        return (await self.room.service.wait_for(People, since=since)).people


@pytest_asyncio.fixture
async def plugin(room: Room, tmp_path: Path) -> AsyncIterator[Plugin]:
    made = Plugin(room, tmp_path)
    await made.start()
    yield made


async def test_what_topcat_does_from_acquire_to_delete(plugin: Plugin) -> None:
    room = plugin.room
    before = room.first_process()
    early = await plugin.refused(plugin.client(), "get_screenshot")
    assert early.errors.endswith("there is no desktop yet: add_primary_user comes first\n")
    said = await plugin.do("add_primary_user jane.doe@stfc.ac.uk")
    assert said.status == 0, said
    (jane,) = await plugin.people()
    assert (jane.name, jane.role) == ("jane.doe@stfc.ac.uk", "primary")
    again = await plugin.do("add_primary_user jane.doe@stfc.ac.uk")
    assert again.status == 0

    token, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert (await plugin.do(f"add_websockify_token {token}")).status == 0
    async with asyncio.timeout(30):
        while (greeting := await plugin.greeting(token)) is None:
            pass  # websockify does not listen yet
    assert greeting == b"RFB 003.008\n"
    assert await plugin.greeting(other) is None

    async with asyncio.timeout(30):
        while len((picture := await plugin.picture()).convert("RGB").getcolors(1 << 20) or ()) < 5:
            pass  # the window manager has not painted yet
    assert picture.size == (640, 480)

    since = len(room.service.frames)
    assert (await plugin.do("add_secondary_user bob")).status == 0
    assert (await plugin.do(f"add_websockify_token {other}")).status == 0
    _, bob = await plugin.people(since)
    assert bob == Person(name="bob", account="bob", role="secondary")
    assert await plugin.greeting(other) == b"RFB 003.008\n"
    since = len(room.service.frames)
    assert (await plugin.do("remove_secondary_user bob")).status == 0
    assert (await plugin.do(f"remove_websockify_token {other}")).status == 0
    assert await plugin.people(since) == (jane,)
    assert await plugin.greeting(other) is None

    if os.geteuid() == 0:
        tokens = room.inside("/run/vmm/websockify/tokens")
        assert tokens.read_text() == f"{token}: 127.0.0.1:{plugin.vnc}\n"
        assert tokens.stat().st_mode & 0o777 == 0o600
        (desktop,) = room.named("Xtigervnc")
        assert os.stat(f"/proc/{desktop}").st_uid >= 1000  # noqa: PTH116 - a number
        key = room.inside("/run/vmm/ssh_host_key")
        assert key.stat().st_mode & 0o777 == 0o600
    assert token not in room.log()

    refused = await room.bind(room.web(), "lease-of-another")
    assert isinstance(refused, BindError)
    assert "already somebody's" in refused.reason
    for name in ("add_primary_user bob",):
        second = await plugin.refused(plugin.client(), name)
        row = expected("topcat", "machine is somebody's")
        assert says(row.user, second.errors.splitlines()[-1])

    since = len(room.service.frames)
    await room.service.unbind("the-lease-that-only-the-vmm-knows")
    assert not room.named("Xtigervnc")
    assert not room.named("websockify")
    assert before == room.first_process()
    assert isinstance(room.service.frames[-1], Unbound)


async def test_only_the_key_and_only_the_commands(plugin: Plugin) -> None:
    stranger = make_key(plugin.folder, "stranger")
    with_key, with_none = plugin.client(), plugin.client(stranger)
    only_password = plugin.client(Path("/dev/null"), USER, "-o", "PubkeyAuthentication no")
    for client in (with_none, plugin.client(None, "root"), only_password):
        said = await plugin.refused(client, "get_screenshot")
        assert says(expected("topcat", "wrong key").operator, said.errors.splitlines()[-1])
        assert said.seconds < 10
    offered = await plugin.refused(plugin.client(stranger, USER, "-v"), "get_screenshot")
    assert "Authentications that can continue: publickey\n" in offered.errors.replace("\r", "")

    shell = await plugin.refused(with_key)
    assert says(expected("topcat", "no shell").user, shell.errors.splitlines()[-1])
    unknown = await plugin.refused(with_key, "cat /etc/passwd")
    assert says(expected("topcat", "unknown command").user, unknown.errors.splitlines()[-1])
    nul = [line for line in INJECTIONS if "\x00" not in line]
    for line in nul[:8] + nul[15:]:
        await plugin.refused(with_key, line)
    if os.geteuid() == 0:
        system = await plugin.refused(with_key, "add_primary_user daemon")
        assert system.errors.endswith("daemon is a system account: it cannot be a user's\n")
    await plugin.refused(plugin.client(None, USER, "-s"), "sftp")
    back = ("-N", "-o", "ExitOnForwardFailure yes", "-R", f"{free_port()}:localhost:22")
    forward = await plugin.refused(plugin.client(None, USER, *back))
    assert "remote port forwarding failed" in forward.errors
    tunnel = ("-N", "-o", "ExitOnForwardFailure yes", "-w", "0:0")
    await plugin.refused(plugin.client(None, USER, *tunnel))
    onward = await plugin.refused(plugin.client(None, USER, "-T", "-W", "127.0.0.1:22"))
    assert "open failed" in onward.errors
    terminal = await plugin.refused(plugin.client(None, USER, "-t"), "id")
    assert "no such command" in terminal.errors


async def test_a_taken_port_is_told(room: Room, tmp_path: Path) -> None:
    plugin = Plugin(room, tmp_path)
    room.ports = ()
    taken = room.service.port  # through which the machine reaches the VMM
    await room.machine(ssh={**plugin.access, "port": taken})
    failed = await room.service.wait_for(Failed)
    assert says(expected("topcat", "port taken").operator, failed.reason)


async def test_a_desktop_that_does_not_start_is_told(room: Room, tmp_path: Path) -> None:
    plugin = Plugin(room, tmp_path)
    access = plugin.access
    access["desktop"] = {
        "program": {"argv": ["desk"], "entry": f"{HERE}:exits"},
        "port": plugin.vnc,
    }
    plugin.machine = await room.ready(ssh=access)
    said = await plugin.refused(plugin.client(), "add_primary_user alice")
    row = expected("topcat", "desktop does not start")
    assert says(row.user, said.errors.splitlines()[-1])
    assert "verysecret" not in said.errors


async def test_a_desktop_that_ends_is_told(plugin: Plugin) -> None:
    assert (await plugin.do("add_primary_user alice")).status == 0
    (desktop,) = plugin.room.named("Xtigervnc")
    os.kill(desktop, signal.SIGTERM)
    await plugin.room.service.wait_for(Ended)
    gone = await plugin.refused(plugin.client(), "get_screenshot")
    assert says(expected("topcat", "desktop ended").user, gone.errors.splitlines()[-1])
    assert (await plugin.do("add_primary_user alice")).status == 0, "its user may begin anew"
    assert (await plugin.picture()).size == (640, 480)


@pytest.mark.root
@pytest.mark.timeout(320)
def test_it_works_as_a_normal_user_too() -> None:
    done = as_nobody([*QUIETLY, "-k", "acquire_to_delete or taken_port", __file__])
    assert done.returncode == 0, done.stdout
