"""The agent in a real machine: from enrolment to a bound session, and to nothing left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable

import pytest

from vmm_core.agent.protocol import (
    Bind,
    BindError,
    Bound,
    Ended,
    Failed,
    Hello,
    Holding,
    Progress,
    Ready,
    Unbound,
)
from vmm_core.clouds.local.folder import Folder
from vmm_core.model import HOLD_FOLDER, Daemon, File, Program
from vmm_core.processes import descendants

from ..clouds.local_machines import (
    M1,
    M2,
    QUIETLY,
    as_nobody,
    assert_gone,
    call,
    until,
)
from .room import HERE, Room
from .service import Service


async def test_from_create_to_bound_to_deleted(room: Room) -> None:
    machine = await room.ready()
    hello = await room.service.wait_for(Hello)
    assert hello.machine == M1
    assert hello.isolation == machine.isolation
    root = hello.root
    program = Program(argv=("web", str(room.port)), entry=f"{HERE}:web", env={"COLOUR": "green"})
    files = (
        File(path=f"{root}run/a/secret", content="for root", mode=0o600),
        File(path=f"{root}home/alice/.note", content="for alice", mode=0o640, owner="user"),
    )
    bound = await room.bind(room.web(program=program, files=files))
    assert isinstance(bound, Bound), bound
    assert bound.port == room.port
    assert {"account", "files", "program", "total"} == set(bound.seconds)
    percents = [frame.percent for frame in room.service.frames if isinstance(frame, Progress)]
    assert percents == sorted(percents)
    facts = await room.facts(machine)
    assert facts["argv"] == ["web", str(room.port)]
    assert facts["sid"]
    assert facts["cwd"] == f"{root}home/alice"
    environment = facts["env"]
    assert isinstance(environment, dict)
    assert environment.pop("PATH")
    assert environment.pop("SHELL").startswith("/bin/")
    assert environment == {
        "HOME": f"{root}home/alice",
        "USER": "alice",
        "LOGNAME": "alice",
        "LANG": "C.UTF-8",
        "COLOUR": "green",
    }
    assert "NoNewPrivs:\t1" in str(facts["status"])
    assert "CapEff:\t0000000000000000" in str(facts["status"])
    if os.geteuid() == 0:
        assert int(str(facts["uid"])) >= 1000
        assert facts["groups"] == [facts["gid"]]
    secret, note = (room.inside(file.path) for file in files)
    if os.geteuid() == 0:
        assert secret.read_text() == "for root"
        assert secret.stat().st_mode & 0o777 == 0o600
        assert (note.stat().st_uid, note.stat().st_mode & 0o777) == (facts["uid"], 0o640)
        assert note.parent.stat().st_mode & 0o777 == 0o700
    await room.service.unbind("lease-1")
    assert not room.named("web")
    if os.geteuid() == 0:
        assert not secret.exists()
    await room.cloud.delete(M1)
    assert_gone(room.folder, M1)


async def test_daemons_start_in_order_and_end_in_reverse(room: Room) -> None:
    await room.ready()
    root = await room.root()
    diary = f"{root}run/diary"
    mountpoint = f"{root}data" if room.way != "process" else None

    def daemon(name: str, *more: str) -> Daemon:
        path = f"{root}run/{name}/socket"
        return Daemon(
            name=name,
            program=Program(argv=(name, name, diary, path, *more), entry=f"{HERE}:daemon"),
            socket=path,
            mountpoint=more[0] if more else None,
        )

    daemons = (daemon("one"), daemon("two", *([mountpoint] if mountpoint else [])))
    bound = await room.bind(room.web(daemons=daemons))
    assert isinstance(bound, Bound), bound
    assert {"one", "two"} <= set(bound.seconds)
    await room.service.unbind("lease-1")
    if os.geteuid() == 0:
        assert room.inside(diary).read_text() == "one is up\ntwo is up\ntwo ends\none ends\n"
        assert " /data " not in room.inside("/proc/self/mountinfo").read_text()


def holding(root: str) -> tuple[Daemon, str, str]:
    """A daemon that holds something, the file that says so, and the one that ends that."""
    hold, path, sent = f"{root}{HOLD_FOLDER}/one", f"{root}run/one/socket", f"{root}run/sent"
    daemon = Daemon(
        name="one",
        program=Program(argv=("one", hold, path, sent), entry=f"{HERE}:holding_daemon"),
        socket=path,
        stop_s=0.2,
    )
    return daemon, hold, sent


@pytest.mark.root
async def test_a_daemon_that_holds_something_stays_until_it_does_not(room: Room) -> None:
    await room.ready()
    before = descendants(room.first_process())
    root = await room.root()
    holder, hold, sent = holding(root)
    secret = File(path=f"{root}run/a/secret", content="its token")
    assert isinstance(await room.bind(room.web(daemons=(holder,), files=(secret,))), Bound)
    assert room.inside(f"{root}{HOLD_FOLDER}").stat().st_mode & 0o777 == 0o700
    since = len(room.service.frames)
    await room.service.unbind("lease-1")
    frames = room.service.frames[since:]
    told = next(frame for frame in room.service.frames if isinstance(frame, Holding))
    assert (told.lease, told.reason) == ("lease-1", "a file of alice")
    assert isinstance(frames[-1], Unbound)
    assert not room.named("web")
    await room.service.unbind("lease-1")  # to be asked again is no second SIGTERM
    assert room.inside(hold).exists()
    assert room.inside(secret.path).read_text() == "its token"
    since = len(room.service.frames)
    room.inside(sent).touch()
    assert (await room.service.wait_for(Holding, since=since)).reason == ""
    await room.service.wait_for(Unbound, since=since)
    assert descendants(room.first_process()) == before
    assert not room.inside(secret.path).exists()


@pytest.mark.root
async def test_a_machine_whose_agent_crashed_still_says_what_it_holds(room: Room) -> None:
    await room.ready()
    holder, _, _ = holding(await room.root())
    assert isinstance(await room.bind(room.web(daemons=(holder,))), Bound)
    since = len(room.service.frames)
    (agent,) = room.named("vmm-agent")
    os.kill(agent, signal.SIGKILL)
    assert (await room.service.wait_for(Holding, since=since)).reason == "a file of alice"
    assert (await room.service.wait_for(Ended, since=since)).exit_status == -9


@pytest.mark.root
@pytest.mark.mount
@pytest.mark.parametrize("end", ["unbind", "delete", "kill"])
async def test_a_fuse_mount_serves_the_user_and_no_end_leaves_it(room: Room, end: str) -> None:
    machine = await room.ready()
    mount = Daemon(
        name="mount",
        program=Program(argv=("mount", "/data"), entry=f"{HERE}:fuse"),
        mountpoint="/data",
    )
    program = Program(argv=("web", str(room.port), "/data/hello"), entry=f"{HERE}:web")
    bound = await room.bind(room.web(daemons=(mount,), program=program))
    assert isinstance(bound, Bound), bound
    assert (await room.facts(machine))["file"] == "hello"
    if end == "unbind":
        await room.service.unbind("lease-1")
        assert " /data " not in room.inside("/proc/self/mountinfo").read_text()
    elif end == "kill":
        supervisor = Folder(room.folder / M1).supervisor()
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)
    await room.cloud.delete(M1)
    assert_gone(room.folder, M1)


async def test_unbind_reaps_what_clings(room: Room) -> None:
    await room.ready()
    before = descendants(room.first_process())
    program = Program(argv=("web", str(room.port)), entry=f"{HERE}:clinging_web")
    assert isinstance(await room.bind(room.web(program=program)), Bound)
    assert len(descendants(room.first_process())) >= len(before) + 4
    await room.service.unbind("lease-1")
    assert descendants(room.first_process()) == before


async def test_a_program_that_ends_early_is_told_with_its_last_words(room: Room) -> None:
    await room.ready()
    program = Program(argv=("notebook",), entry=f"{HERE}:exits")
    answer = await room.bind(room.web(program=program))
    assert isinstance(answer, BindError)
    assert answer.reason.startswith("notebook ended with status 7 before it was ready: ")
    assert "cheese" in answer.reason
    assert "verysecret" not in answer.reason


async def test_a_program_that_never_answers_is_given_up_and_reaped(room: Room) -> None:
    await room.ready()
    before = descendants(room.first_process())
    program = Program(argv=("notebook",), entry=f"{HERE}:forever")
    answer = await room.bind(room.web(program=program, timeout_s=0.3))
    assert isinstance(answer, BindError)
    assert "notebook was not ready within 0.3 s" in answer.reason
    assert descendants(room.first_process()) == before


async def test_a_command_that_is_not_there_is_told(room: Room) -> None:
    await room.ready()
    answer = await room.bind(room.web(program=Program(argv=("/no/such/program",))))
    assert isinstance(answer, BindError)
    assert "cannot start /no/such/program" in answer.reason


async def test_system_accounts_are_nobodys(room: Room) -> None:
    await room.ready()
    if os.geteuid() != 0:
        pytest.skip("a normal user makes no accounts")
    answer = await room.bind(room.web(user="daemon"))
    assert isinstance(answer, BindError)
    assert "daemon is a system account" in answer.reason


async def test_the_programs_end_is_told(room: Room) -> None:
    machine = await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    _, writer = await asyncio.open_connection(machine.address, machine.ports[room.port])
    writer.write(b"POST /3 HTTP/1.0\r\n\r\n")
    ended = await room.service.wait_for(Ended)
    writer.close()
    assert (ended.lease, ended.exit_status) == ("lease-1", 3)


async def test_only_the_vmms_binds_are_obeyed(room: Room) -> None:
    await room.ready()
    stranger = Service()
    session = room.web()
    signs: list[tuple[Callable[[], str], str]] = [
        (lambda: stranger.sign(M1, "by-a-stranger", session), "Signature verification failed"),
        (lambda: room.service.sign(M1, "too-late", session, lasts_s=-5), "expired"),
        (lambda: room.service.sign(M2, "for-another", session), "another machine"),
    ]
    for sign, reason in signs:
        since = len(room.service.frames)
        await room.service.send(Bind(signed=sign()))
        assert reason in (await room.service.wait_for(BindError, since=since)).reason
    assert isinstance(await room.bind(session, "lease-1"), Bound)
    second = await room.bind(session, "lease-2")
    assert isinstance(second, BindError)
    assert "already somebody's" in second.reason
    await room.service.unbind("lease-1")
    assert isinstance(await room.bind(session, "lease-3"), BindError)


async def test_a_missing_module_is_a_clear_failure(room: Room) -> None:
    await room.machine(("json", "no_such_module"))
    failed = await room.service.wait_for(Failed)
    assert "module no_such_module cannot be imported" in failed.reason
    answer = await room.bind(room.web())
    assert isinstance(answer, BindError)
    assert "not ready" in answer.reason


async def test_the_session_goes_on_while_the_vmm_is_away(room: Room) -> None:
    machine = await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    await room.service.stop()
    assert (await room.facts(machine))["argv"]
    await room.service.start()
    await room.service.wait_welcomes(2)
    assert room.service.tokens[0] == room.service.enrolment_token
    assert room.service.tokens[-1] == room.service.reconnect_token
    assert (await room.facts(machine))["argv"]
    await room.service.unbind("lease-1")


async def test_a_vacant_machine_says_ready_again_to_a_vmm_that_was_away(room: Room) -> None:
    await room.ready()
    await room.service.stop()
    since = len(room.service.frames)
    await room.service.start()
    await room.service.wait_for(Ready, since=since)


async def test_kill_9_of_the_agent_ends_the_session_and_is_told(room: Room) -> None:
    await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    (agent,) = room.named("vmm-agent")
    os.kill(agent, signal.SIGKILL)
    await until(lambda: not room.named("web"), "the session ends with its agent")
    if os.geteuid() == 0:
        ended = await room.service.wait_for(Ended)
        assert ended.exit_status == -signal.SIGKILL
        await room.service.wait_welcomes(2)


async def test_kill_9_of_a_vacant_machines_agent_costs_nothing(room: Room) -> None:
    await room.ready()
    since = len(room.service.frames)
    (agent,) = room.named("vmm-agent")
    os.kill(agent, signal.SIGKILL)
    await room.service.wait_for(Ready, since=since)
    assert isinstance(await room.bind(room.web()), Bound)


async def test_a_jupyter_server_is_forked_and_answers(room: Room) -> None:
    machine = await room.ready(("jupyter_server.serverapp",))
    program = Program(
        argv=(
            "jupyter-server",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={room.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.jpserver_extensions={}",
            "--IdentityProvider.token=secret",
        ),
        entry="jupyter_server.serverapp:main",
    )
    session = room.web(program=program, health_path="/api")
    bound = await room.bind(session)
    assert isinstance(bound, Bound), bound
    head = b"GET /api/status?token=secret HTTP/1.0\r\n\r\n"
    assert json.loads(await call(machine, room.port, head))["kernels"] == 0
    await room.service.unbind("lease-1")


@pytest.mark.root
@pytest.mark.timeout(320)
def test_most_of_this_as_a_normal_user() -> None:
    chosen = "deleted or daemons or clings or kill_9 or goes_on"
    done = as_nobody([*QUIETLY, "-k", chosen, __file__])
    assert done.returncode == 0, done.stdout
