"""A machine that is bound again for the same lease, and one that comes back from a freeze."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from vmm_core.agent.protocol import Bind, BindError, Bound, Ended, Progress, Ready, Unbind, Unbound
from vmm_core.model import File, Program

from ..clouds.local_machines import M1
from .room import HERE, Room
from .test_machine import holding


async def test_a_restored_lease_finds_what_its_user_left(room: Room) -> None:
    machine = await room.ready()
    home = f"{await room.root()}home/alice"
    left = Program(argv=("web", str(room.port)), entry=f"{HERE}:web_that_leaves", env={"N": "one"})
    assert isinstance(await room.bind(room.web(program=left)), Bound)
    before = await room.facts(machine)
    await room.service.unbind("lease-1")
    assert not room.named("web")
    reading = Program(argv=("web", str(room.port), f"{home}/work"), entry=f"{HERE}:web")
    assert isinstance(await room.bind(room.web(program=reading)), Bound)
    after = await room.facts(machine)
    assert after["file"] == "one"
    assert after["uid"] == before["uid"]
    await room.service.unbind("lease-1")
    assert isinstance(await room.bind(room.web()), Bound), "and once more"
    assert not [frame for frame in room.service.frames if isinstance(frame, Ended)]


async def test_nobody_else_gets_a_machine_whose_lease_ended(room: Room) -> None:
    await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    await room.service.unbind("lease-1")
    for lease, user in (("lease-2", "alice"), ("lease-1", "bob")):
        refused = await room.bind(room.web(user=user), lease)
        assert isinstance(refused, BindError)
        assert "already somebody's" in refused.reason
    assert isinstance(await room.bind(room.web()), Bound)


async def test_a_lease_is_restored_while_its_session_still_ends(room: Room) -> None:
    machine = await room.ready()
    clinging = Program(argv=("web", str(room.port)), entry=f"{HERE}:clinging_web")
    assert isinstance(await room.bind(room.web(program=clinging)), Bound)
    since = len(room.service.frames)
    await room.service.send(Unbind(lease="lease-1"))
    again = room.service.sign(M1, "lease-1", room.web())
    await room.service.send(Bind(signed=again))
    await room.service.wait_for(Unbound, since=since)
    await room.service.wait_for(Bound, since=since)
    assert (await room.facts(machine))["argv"] == ["web", str(room.port)]
    assert len(room.named("web")) == 1


async def test_the_end_of_another_lease_is_none_of_this_one(room: Room) -> None:
    machine = await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    await room.service.unbind("lease-2")
    _, writer = await asyncio.open_connection(machine.address, machine.ports[room.port])
    writer.write(b"POST /3 HTTP/1.0\r\n\r\n")
    assert (await room.service.wait_for(Ended)).exit_status == 3
    writer.close()


@pytest.mark.root
async def test_a_restored_lease_waits_until_what_was_left_is_saved(room: Room) -> None:
    await room.ready()
    root = await room.root()
    holder, _, sent = holding(root)
    secret = File(path=f"{root}run/a/secret", content="its token")
    assert isinstance(await room.bind(room.web(daemons=(holder,), files=(secret,))), Bound)
    await room.service.unbind("lease-1")
    early = await room.bind(room.web(timeout_s=0.2))
    assert isinstance(early, BindError)
    assert early.reason == (
        "the last session is still saving (a file of alice): try again when it is saved"
    )
    assert room.inside(secret.path).exists()
    since = len(room.service.frames)
    await room.service.send(Bind(signed=room.service.sign(M1, "lease-1", room.web())))
    await room.service.wait_for(Progress, lambda told: "is saved" in told.message, since=since)
    room.inside(sent).touch()
    await room.service.wait_for(Bound, since=since)
    assert not room.inside(secret.path).exists()
    assert room.named("web"), "the end of the former session took nothing of this one along"


@pytest.mark.root
async def test_a_lease_is_restored_after_its_agent_crashed(room: Room) -> None:
    await room.ready()
    assert isinstance(await room.bind(room.web()), Bound)
    (agent,) = room.named("vmm-agent")
    os.kill(agent, signal.SIGKILL)
    await room.service.wait_for(Ended)

    async def bound() -> Bound:
        while True:  # the modules of the new agent may not be imported yet
            answer = await room.bind(room.web())
            if isinstance(answer, Bound):
                return answer
            assert "not ready" in answer.reason

    await asyncio.wait_for(bound(), 30)
    refused = await room.bind(room.web(), "lease-2")
    assert isinstance(refused, BindError)


async def test_after_a_freeze_the_agent_dials_at_once(room: Room) -> None:
    machine = await room.ready()
    (agent,) = room.named("vmm-agent")
    since, welcomes = len(room.service.frames), room.service.welcomes
    os.kill(agent, signal.SIGSTOP)
    await asyncio.sleep(5.6)  # the jump is this wait: nothing to wait for instead
    os.kill(agent, signal.SIGCONT)
    # The connection is as good as before, so nothing but the jump makes it dial.
    await room.service.wait_welcomes(welcomes + 1)
    await room.service.wait_for(Ready, since=since)
    assert isinstance(await room.bind(room.web()), Bound)
    assert (await room.facts(machine))["argv"]
