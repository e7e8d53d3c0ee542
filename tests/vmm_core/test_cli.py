"""The command line: what people type, what they read, and what the process does."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
from contextlib import asynccontextmanager

import pytest

from vmm_core.cli import main
from vmm_core.client import VmmClient
from vmm_core.errors import Unavailable
from vmm_core.model import LeaseState, Needs

from .agents import WAIT_S
from .service import SESSION, Site, eventually, running

COMMANDS = [
    "environments",
    "offers",
    "acquire",
    "leases",
    "release",
    "machines",
    "delete",
    "pools",
    "token",
    "check",
    *("extend", "undelete", "share", "unshare", "members", "enter", "audit"),
    *("book", "reservations", "cancel", "status", "why", "pause", "resume"),
    *("clouds", "drain", "undrain", "console", "simulate"),
]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
async def service(site):
    async with running(site) as service:
        yield service


@pytest.fixture
def vmm(service, site, capsys):
    """Run ``vmm ARGUMENTS`` as somebody; exit status, stdout and stderr."""

    async def run(name, *arguments):
        asks = ["--url", service.url, "--token-file", str(site.token_file(name))]
        capsys.readouterr()
        status = await asyncio.to_thread(main, [*arguments, *asks])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def one_sentence(text):
    """Whether it is a single line that says something, and no traceback."""
    return text.count("\n") == 1 and text.startswith("vmm") and "Traceback" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  vmm {command}" in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {command}\b", text, re.M) for command in [*COMMANDS, "serve"])


@pytest.mark.parametrize("arguments", [[], ["lease"], ["acquire", "--cpus", "many"], ["release"]])
def test_wrong_usage_is_status_2(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


async def test_a_lease_from_the_command_line(vmm):
    asked = ("acquire", "--environment", "mantid", "--location", "ral", "--cpus", "2", "--key", "k")
    status, out, _ = await vmm("alice", *asked, "--wait", "20", "--json")
    assert status == 0
    lease = json.loads(out)
    assert lease["machine"]["environment"] == "mantid"
    status, out, _ = await vmm("alice", *asked)
    assert lease["id"] in out
    wishes = ("offers", "--prefer", "ral", "--near", "ral=0.8", "--near", "elsewhere")
    status, out, _ = await vmm("alice", *wishes)
    assert (status, "small" in out) == (0, True)
    status, _, err = await vmm("alice", "acquire", "--prefer", "mars")
    assert (status, "there is no location 'mars'" in err) == (1, True)
    status, _, err = await vmm("alice", "acquire", "--near", "ral=7")
    assert (status, "near" in err, err.count("\n")) == (1, True, 1)
    status, out, _ = await vmm("alice", "leases")
    assert re.search(rf"{lease['id']}\s+alice\s+acquired\s+mantid\s+ral\s+small", out)
    status, out, _ = await vmm("alice", "release", lease["id"])
    assert status == 0
    assert "released" in out
    status, out, err = await vmm("alice", "leases")
    assert (status, out, err) == (0, "", "no leases\n")
    status, out, _ = await vmm("alice", "leases", "--all", "--json")
    assert [found["id"] for found in json.loads(out)] == [lease["id"]]


async def test_tables_show_what_there_is(vmm, service, site):
    async with VmmClient(service.url, site.tokens["operator"]) as operator:
        await eventually(operator.machines)
    _, out, _ = await vmm("alice", "environments")
    assert re.search(r"mantid\s+Mantid workbench\s+mantid\s+SANS2D", out)
    _, out, _ = await vmm("alice", "offers", "--gpus", "1")
    assert re.search(r"gpu\s+ral\s+gpu\s+8\s+32 GiB\s+1 V100\s+0", out)
    assert "mantid" not in out
    _, out, _ = await vmm("operator", "pools")
    assert re.search(r"mantid@sim/small\s+1\s+0\s+2\s+1 ", out)
    _, out, _ = await vmm("operator", "machines")
    assert "mantid@sim/small" in out


async def test_an_operator_deletes_a_machine_that_nobody_leases(vmm, service, site):
    async with VmmClient(service.url, site.tokens["operator"]) as operator:
        (machine, *_) = await eventually(operator.machines)
        status, out, _ = await vmm("operator", "delete", machine.id)
        assert (status, machine.id in out) == (0, True)
        machines = await eventually(
            operator.machines, lambda found: machine.id not in {one.id for one in found}
        )
        assert machine.id not in {one.id for one in machines}
    status, _, err = await vmm("operator", "delete", "no-such", "--discard")
    assert (status, one_sentence(err), "no-such" in err) == (1, True, True)


async def test_a_place_that_does_not_answer_is_shown_as_that(site, capsys, unused_tcp_port):
    secret = site.folder / "secret"
    secret.write_text("s3cr3t")
    secret.chmod(0o600)
    (site.folder / "environments.yaml").write_text(
        site.catalogue.read_text()
        .replace("clouds:\n", "  - {name: dls, title: Diamond}\nclouds:\n" + silent_cloud(secret))
        .replace("PORT", str(unused_tcp_port))
        .replace("pools:\n", "pools:\n  - {environment: gpu, cloud: far, size: m1.large}\n")
    )
    async with running(site) as service:
        asks = ["--url", service.url, "--token-file", str(site.token_file("alice"))]
        assert await asyncio.to_thread(main, ["environments", *asks]) == 0
        out, _ = capsys.readouterr()
        assert re.search(r"^gpu\s.*ral, dls \(Diamond does not answer now\)\s*$", out, re.M)
        assert re.search(r"^mantid\s.* ral\s*$", out, re.M)
        assert await asyncio.to_thread(main, ["offers", "--environment", "gpu", *asks]) == 0
        out, _ = capsys.readouterr()
        assert re.search(r"gpu\s+dls\s+not known(\s+-){3}\s+0\s+Diamond does not answer", out)
        assert await asyncio.to_thread(main, ["acquire", "--location", "dls", *asks]) == 1
        assert "and Diamond does not answer now: try again" in capsys.readouterr().err
        assert await asyncio.to_thread(main, ["offers", "--location", "dls", "--json", *asks]) == 0
        (offer,) = json.loads(capsys.readouterr().out)
        assert (offer["size"], offer["available"]) == (None, False)


def silent_cloud(secret):
    """A cloud of the catalogue at ``dls``, where nobody listens."""
    options = "auth_url: 'http://127.0.0.1:PORT/v3', credential_id: c, zone: a, network: n, "
    return (
        "  - {name: far, kind: openstack, location: dls, "
        f"options: {{{options}credential_secret_file: '{secret}'}}}}\n"
    )


async def test_refusals_are_one_sentence(vmm):
    for name, arguments, says in [
        ("alice", ("acquire", "--environment", "mantd"), "'mantid'"),
        ("alice", ("acquire", "--environment", "No Such"), "environment"),
        ("alice", ("acquire", "--cpus", "1000"), "1000"),
        ("alice", ("acquire", "--owner", "bob"), "lease:any"),
        ("alice", ("release", "l-none"), "l-none"),
        ("alice", ("machines",), "operate"),
        ("alice", ("delete", "vmm-1"), "operate"),
    ]:
        status, out, err = await vmm(name, *arguments)
        assert (status, out) == (1, ""), arguments
        assert one_sentence(err), err
        assert says in err


async def test_a_wrong_token_is_one_sentence(service, site, tmp_path, capsys):
    wrong = tmp_path / "wrong.token"
    wrong.write_text("vmm_nobodys\n")
    asks = ["leases", "--url", service.url, "--token-file", str(wrong)]
    assert await asyncio.to_thread(main, asks) == 1
    err = capsys.readouterr().err
    assert one_sentence(err)
    assert "does not know this token" in err


def test_a_service_that_is_down_is_one_sentence(site, capsys, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    assert main(["leases", "--url", url, "--token-file", str(site.token_file("alice"))]) == 1
    err = capsys.readouterr().err
    assert one_sentence(err)
    assert url in err


@pytest.mark.parametrize("content", [None, "", "two words\n\x00", b"\xff\xfe"])
def test_a_token_file_without_a_token_is_one_sentence(tmp_path, capsys, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["leases", "--token-file", str(path)]) == 1
    err = capsys.readouterr().err
    assert one_sentence(err)
    assert str(path) in err


def test_no_token_file_names_the_variable(monkeypatch, capsys):
    monkeypatch.delenv("VMM_TOKEN_FILE", raising=False)
    assert main(["leases"]) == 1
    assert "VMM_TOKEN_FILE" in capsys.readouterr().err


def test_token_prints_the_token_once_or_keeps_it_in_a_private_file(site, tmp_path, capsys):
    tokens = ["--tokens-file", str(site.tokens_file)]
    assert main(["token", "carol", "--scope", "lease", *tokens]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed.startswith("vmm_")
    assert printed not in site.tokens_file.read_text()
    path = tmp_path / "dave.token"
    asked = ["token", "dave", "--scope", "read", "--output", str(path), *tokens]
    assert main(asked) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert main(asked) == 1
    assert one_sentence(capsys.readouterr().err)


def test_token_leaves_nothing_when_it_is_refused(tmp_path, capsys):
    broken = tmp_path / "vmm-tokens.yaml"
    broken.write_text("- {name: x}\n")
    asked = ["token", "dave", "--scope", "read", "--output", str(tmp_path / "dave.token")]
    assert main([*asked, "--tokens-file", str(broken)]) == 1
    assert f"{broken}:1:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [broken]


def test_check_tells_a_typo_with_its_line(site, capsys):
    assert main(["check", str(site.catalogue)]) == 0
    assert "2 environments, 2 pools" in capsys.readouterr().out
    site.catalogue.write_text(site.catalogue.read_text().replace("title: GPU", "titel: GPU"))
    assert main(["check", str(site.catalogue)]) == 1
    assert re.search(rf"{site.catalogue}:\d+: .*'titel'", capsys.readouterr().err)
    site.catalogue.write_text(
        site.catalogue.read_text().replace("titel", "title").replace("size: small", "size: smal")
    )
    assert main(["check", str(site.catalogue)]) == 1
    assert re.search(rf"{site.catalogue}:\d+: .*'smal'", capsys.readouterr().err)


def serve_arguments(site, **changes):
    settings = {
        "catalogue": site.catalogue,
        "database": f"sqlite+aiosqlite:///{site.folder}/vmm.sqlite",
        "tokens-file": site.tokens_file,
        "key-file": site.folder / "vmm-key.pem",
        "port": 0,
        **changes,
    }
    return ["serve", *(f"--{name}={value}" for name, value in settings.items())]


def test_serve_refuses_what_it_cannot_use_in_one_sentence(site, capsys, monkeypatch):
    monkeypatch.chdir(site.folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for changes, says in [
            ({"port": port}, f"port {port} of 127.0.0.1 is in use"),
            ({"catalogue": "none.yaml"}, "none.yaml"),
            ({"tokens-file": "none.yaml"}, "vmm token NAME"),
            ({"key-file": "/nonexistent/key"}, "/nonexistent/key"),
            ({"database": "mysql:///x"}, "database"),
            ({"ip": "0.0.0.0"}, "--machine-url"),
            ({"prot": 1}, "did you mean --port?"),
            ({"config": "none.py"}, "none.py"),
        ]:
            assert main(serve_arguments(site, **changes)) == 1
            err = capsys.readouterr().err
            assert one_sentence(err), err
            assert says in err


def test_serve_writes_its_configuration_file_once(site, capsys, monkeypatch):
    monkeypatch.chdir(site.folder)
    assert main(["serve", "--generate-config"]) == 0
    text = (site.folder / "vmm_config.py").read_text()
    assert "# c.VMM.catalogue = 'environments.yaml'" in text
    assert main(["serve", "--generate-config"]) == 1
    assert "cannot be written" in capsys.readouterr().err


class Process:
    """A ``vmm serve`` of its own."""

    def __init__(self, process, url):
        self.process = process
        self.url = url

    async def end(self, number):
        """Send a signal; exit status and how long it took, in seconds."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self.process.send_signal(number)
        status = await asyncio.wait_for(self.process.wait(), WAIT_S)
        return status, loop.time() - begun


@asynccontextmanager
async def serving(site, port, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vmm_core.cli",
        *serve_arguments(site, port=port),
        *arguments,
        cwd=site.folder,
        stderr=(site.folder / "serve.log").open("ab"),
    )
    url = f"http://127.0.0.1:{port}"

    async def answers():
        assert process.returncode is None, (site.folder / "serve.log").read_text()
        try:
            async with VmmClient(url, site.tokens["alice"]) as vmm:
                return await vmm.environments()
        except Unavailable:
            return None

    try:
        await eventually(answers)
        yield Process(process, url)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def cloud_machines(site):
    return {record["name"] for record in json.loads(site.state_file.read_text())}


async def test_sigterm_stops_at_once_and_touches_no_machine(site, unused_tcp_port):
    async with site.machines():
        async with (
            serving(site, unused_tcp_port) as service,
            VmmClient(service.url, site.tokens["alice"]) as alice,
        ):
            lease = await alice.wait((await alice.acquire(Needs())).id, WAIT_S)
            following = asyncio.ensure_future(anext(alice.events(lease.id, since=100)))
            status, took_s = await service.end(signal.SIGTERM)
            assert status == 0
            assert took_s < 5 + 5  # the promise is 5 s; this host is shared
            following.cancel()
        assert lease.machine.id in cloud_machines(site)
        async with (
            serving(site, unused_tcp_port) as service,
            VmmClient(service.url, site.tokens["alice"]) as alice,
        ):
            again = await alice.lease(lease.id)
            assert again.state is LeaseState.ACQUIRED
            assert again.machine.id == lease.machine.id
    assert "Traceback" not in (site.folder / "serve.log").read_text()


async def test_kill_9_in_mid_lease_costs_nobody_a_machine(site, unused_tcp_port):
    async with site.machines():
        async with (
            serving(site, unused_tcp_port) as service,
            VmmClient(service.url, site.tokens["hub"]) as hub,
        ):
            alices = await hub.wait((await hub.acquire(Needs(), owner="alice", key="a")).id, WAIT_S)
            await hub.bind(alices.id, SESSION)
            bobs = await hub.wait((await hub.acquire(Needs(), owner="bob", key="b")).id, WAIT_S)
            assert (await service.end(signal.SIGKILL))[0] == -signal.SIGKILL
        async with (
            serving(site, unused_tcp_port) as service,
            VmmClient(service.url, site.tokens["hub"]) as hub,
        ):
            leases = {lease.owner: lease for lease in await hub.leases()}
            assert leases["alice"].machine.id == alices.machine.id
            assert leases["bob"].machine.id == bobs.machine.id
            assert (await hub.acquire(Needs(), owner="alice", key="a")).id == alices.id
            assert await hub.bind(alices.id, SESSION)
            assert await hub.bind(bobs.id, SESSION)
            carols = await hub.acquire(Needs(), owner="carol")
            assert carols.state is LeaseState.WAITING
            await hub.release(alices.id)
    assert "Traceback" not in (site.folder / "serve.log").read_text()


async def test_machines_are_deleted_on_stop_only_if_told(site, unused_tcp_port):
    async with site.machines():
        async with (
            serving(site, unused_tcp_port, "--delete-machines-on-stop") as service,
            VmmClient(service.url, site.tokens["alice"]) as alice,
        ):
            lease = await alice.wait((await alice.acquire(Needs())).id, WAIT_S)
            assert lease.machine.id in cloud_machines(site)
            status, _ = await service.end(signal.SIGINT)
            assert status == 0
        assert cloud_machines(site) == set()


async def test_the_command_runs_as_its_own_program(site):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vmm_core.cli",
        "check",
        str(site.catalogue),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "80"},
    )
    out, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 0
    assert b"is good" in out
