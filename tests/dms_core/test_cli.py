"""The command ``dms``: the service as a process, and the commands that ask it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from dms_core.cli import main
from dms_core.client.service import Dms, DmsClient
from dms_core.errors import NotAuthenticated, NotFound, Unreachable

from .service.conftest import lay_out_volumes

VOLUMES = """\
storages:
  - {name: archive, kind: posix, options: {folder: archive, read_only: true}}
  - {name: home, kind: posix, options: {folder: home}}
  - {name: rb, kind: posix, options: {folder: rb}}
volumes:
  - {name: archive, policy: archive, storage: archive}
  - {name: home, policy: home, storage: home}
  - {name: rb, policy: rb, storage: rb}
membership: membership.yaml
"""
WAIT_S = 60


@dataclass
class Ended:
    status: int
    stdout: str
    stderr: str


class Command(Protocol):
    def __call__(self, *arguments: str | Path, **environment: str) -> Ended: ...


@pytest.fixture
def dms(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in this process."""
    for name in [name for name in os.environ if name.startswith("DMS_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, **environment: str) -> Ended:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                status = main(list(map(str, arguments)))
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Ended(status, *capfd.readouterr())

    return run


@dataclass
class Running:
    url: str
    process: subprocess.Popen[str]


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Running]:
    """``dms serve`` on a free port."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dms_core.cli", "serve", "--port", "0"),
            *(f"--DMS.config={folder / 'volumes.yaml'}", f"--DMS.key_file={folder / 'key.pem'}"),
            *(f"--DMS.frontends_file={folder / 'frontends.yaml'}", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("ab"),
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None, (folder / "log").read_text()
        yield Running(found[0], process)
    finally:
        process.kill()
        process.wait(WAIT_S)
        process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path, dms: Command) -> Path:
    lay_out_volumes(tmp_path)
    (tmp_path / "volumes.yaml").write_text(VOLUMES)
    added = dms("token", "hub", "--file", tmp_path / "frontends.yaml")
    assert added.status == 0
    (tmp_path / "hub.token").write_text(added.stdout)
    (tmp_path / "archive/NDXSANS2D/run [1].nxs").write_bytes(b"x" * 2048)
    return tmp_path


def test_from_a_frontends_token_to_a_listing(folder: Path, dms: Command) -> None:
    with serving(folder) as service:
        issued = dms(
            *("token", "--user", "alice", "--url", service.url),
            *("--token-file", folder / "hub.token"),
        )
        assert issued.status == 0, issued.stderr
        token = folder / "alice.token"
        token.write_text(issued.stdout)
        asked = ("--url", service.url, "--token-file", token)
        shown = dms("ls", *asked, "/archive/NDXSANS2D")
        assert shown.status == 0, shown.stderr
        assert re.search(r"^run \[1\]\.nxs +2 KiB +\d{4}-\d\d-\d\d \d\d:\d\d", shown.stdout, re.M)
        assert "Instrument/" in shown.stdout
        told = dms(
            *("ls", "/rb/SANS2D/RBNumber", "--json"),
            DMS_URL=service.url,
            DMS_TOKEN_FILE=str(token),
        )
        assert [row["entry"]["path"] for row in json.loads(told.stdout)] == [
            "/rb/SANS2D/RBNumber/RB1310123"
        ]
        hidden = dms("ls", *asked, "/home/bob")
        assert (hidden.status, hidden.stdout) == (1, "")
        assert hidden.stderr == "dms: /home/bob does not exist; check the path.\n"
    log = (folder / "log").read_text()
    assert "hub got a token for alice" in log
    assert issued.stdout.strip() not in log
    assert (folder / "hub.token").read_text().strip() not in log


def test_a_restarted_service_knows_its_tokens_and_a_new_key_does_not(folder: Path) -> None:
    with serving(folder) as service, Dms(service.url, _read(folder / "hub.token")) as hub:
        token = hub.issue_token("alice").token
    with serving(folder) as service, Dms(service.url, token) as alice:
        assert alice.lookup("/home/alice").writable
    (folder / "key.pem").unlink()
    with (
        serving(folder) as service,
        Dms(service.url, token) as alice,
        pytest.raises(NotAuthenticated),
    ):
        alice.lookup("/home/alice")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told_also_with_a_connection_open(
    folder: Path, number: signal.Signals
) -> None:
    with serving(folder) as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as idle:
            idle.sendall(b"GET /dms/api/v1/health HTTP/1.1\r\nHost: x\r\n")
            service.process.send_signal(number)
            assert service.process.wait(WAIT_S) == 0
    assert "Traceback" not in (folder / "log").read_text()


async def test_the_async_client(folder: Path) -> None:
    (folder / "archive/big").write_bytes(bytes(range(256)) * 80_000)
    for number in range(2100):
        (folder / f"archive/NDXSANS2D/{number:05}").touch()
    with serving(folder) as service:
        async with DmsClient(service.url, _read(folder / "hub.token")) as hub:
            token = await hub.issue_token("alice", 600)
        async with DmsClient(service.url, token.token) as alice:
            assert [volume.name for volume in await alice.volumes()] == ["archive", "home", "rb"]
            found = [entry.path async for entry in alice.scan("/archive/NDXSANS2D")]
            assert len(found) == 2102
            assert found == sorted(found)
            assert await alice.read("/archive/big") == bytes(range(256)) * 80_000
            assert await alice.read("/archive/big", 254, 4) == b"\xfe\xff\x00\x01"
            assert await alice.read("/archive/big", 1 << 40) == b""
            assert (await alice.space("/home")).total
            renewed = await alice.renew()
            assert alice.token == renewed.token != token.token
            assert renewed.renew_until_s == token.renew_until_s
            with pytest.raises(NotFound):
                await alice.read("/home/bob/x")


async def test_the_blocking_client_works_in_a_running_loop(folder: Path) -> None:
    with serving(folder) as service:
        with Dms(service.url, _read(folder / "hub.token")) as hub:
            token = hub.issue_token("alice")
        with Dms(service.url, token.token) as alice:
            assert [volume.name for volume in alice.volumes()] == ["archive", "home", "rb"]
            assert [entry.path for entry in alice.scan("/rb")] == ["/rb/SANS2D"]
            assert alice.read("/archive/NDXSANS2D/run [1].nxs", 1, 3) == b"xxx"
            assert alice.renew().user == "alice"
            with pytest.raises(NotFound):
                list(alice.scan("/rb/LOQ"))


def test_a_service_that_is_away_is_told(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Dms(url, "token") as client, pytest.raises(Unreachable, match=url):
            client.volumes()


def broken(name: str, text: str) -> Callable[[Path], list[str | Path]]:
    def prepare(folder: Path) -> list[str | Path]:
        (folder / name).write_text(text)
        return []

    return prepare


def port_in_use(folder: Path) -> list[str | Path]:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    PORTS.append(taken)
    return ["--port", str(taken.getsockname()[1])]


PORTS: list[socket.socket] = []


@pytest.fixture
def ports() -> Iterator[None]:
    yield
    while PORTS:
        PORTS.pop().close()


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (port_in_use, r"127\.0\.0\.1:\d+ cannot be listened at \(Address already in use\)"),
        (lambda _: ["--ip", "192.0.2.1"], r"192\.0\.2\.1:0 cannot be listened at"),
        (
            broken("volumes.yaml", VOLUMES.replace("kind", "knd", 1)),
            r"volumes\.yaml:2: storages\.0\.knd: is not known here",
        ),
        (broken("volumes.yaml", VOLUMES.replace("home}}", "h}}")), r"volumes\.yaml:3: .*/h does"),
        (broken("membership.yaml", "x: 1"), r"membership\.yaml:1: x: is not known here"),
        (broken("frontends.yaml", "- {}"), r"frontends\.yaml:1: 0\.name: is missing"),
        (broken("key.pem", "no key"), r"Others may read the key file .*; run: chmod 600"),
        (lambda _: ["--DMS.settings_file=/absent.py"], r"settings file /absent\.py does not"),
        (lambda _: ["--port", "99999"], r"port"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_sentence(
    folder: Path, dms: Command, prepare: Callable[[Path], list[str | Path]], told: str
) -> None:
    given = prepare(folder)
    if "--port" not in given:
        given += ["--port", "0"]
    ended = dms(
        "serve",
        *(f"--DMS.config={folder / 'volumes.yaml'}", f"--DMS.key_file={folder / 'key.pem'}"),
        *(f"--DMS.frontends_file={folder / 'frontends.yaml'}", "--log-level=40"),
        *given,
    )
    assert ended.status == 1
    assert re.search(told, ended.stderr), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stdout == ""


def test_check_tells_a_good_configuration_from_a_bad_one(folder: Path, dms: Command) -> None:
    good = dms("check", folder / "volumes.yaml")
    assert (good.status, good.stderr) == (0, "")
    assert "it serves /archive, /home, /rb" in good.stdout
    (folder / "volumes.yaml").write_text(VOLUMES.replace("policy: rb", "policy: rbs"))
    bad = dms("check", folder / "volumes.yaml")
    assert (bad.status, bad.stdout) == (1, "")
    assert re.match(r"dms: .*/volumes\.yaml:8: volumes\.2\.policy: ", bad.stderr)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "COMMAND"),
        (("fly",), 2, "invalid choice"),
        (("prefetch",), 2, "PATH"),
        (("token",), 1, "Give a frontend's NAME"),
        (("token", "--user", "alice"), 1, "--url or set DMS_URL"),
        (("ls", "--url", "http://127.0.0.1:1"), 1, "--token-file or set DMS_TOKEN_FILE"),
        (("ls", "--socket", "/absent/socket"), 1, "/absent/socket"),
        (("status", "--socket", "/absent/socket"), 1, "/absent/socket"),
        (("mount", "--config", "/absent.yaml"), 1, "/absent.yaml"),
    ],
)
def test_wrong_usage_is_told(
    dms: Command, arguments: tuple[str, ...], status: int, told: str
) -> None:
    ended = dms(*arguments)
    assert ended.status == status
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_shows_examples(dms: Command) -> None:
    for arguments in (("--help",), ("serve", "--help"), ("ls", "--help")):
        ended = dms(*arguments)
        assert ended.status == 0
        assert "dms " in ended.stdout
    assert "examples:" in dms("--help").stdout
    assert "c.DMS.port = 8790" in dms("serve", "--generate-config").stdout


def _read(file: Path) -> str:
    return file.read_text().strip()
