"""What replicas need of a real agent: it answers a bind again, and dials the next one."""

from __future__ import annotations

from vmm_core.agent.protocol import Bound, Hello
from vmm_core.processes import descendants

from ...support.servers import free_port
from ..agent.room import Room, room

__all__ = ["room"]


async def test_a_bind_that_is_asked_again_is_answered_again_and_starts_nothing(room: Room):
    await room.ready()
    first = await room.bind(room.web())
    assert isinstance(first, Bound), first
    before = set(descendants(room.first_process()))
    assert await room.bind(room.web()) == first
    assert set(descendants(room.first_process())) == before


async def test_what_runs_is_told_to_whoever_is_dialled_next(room: Room):
    await room.ready()
    first = await room.bind(room.web())
    room.service.frames.clear()
    await room.service.stop()
    await room.service.start()
    assert await room.service.wait_for(Bound) == first


async def test_of_several_addresses_the_next_is_dialled_when_one_is_gone(room: Room):
    gone = f"http://127.0.0.1:{free_port()}"
    here = f"http://127.0.0.1:{room.service.port}"
    await room.ready(service=f"{gone} {here}")
    room.service.frames.clear()
    await room.service.stop()
    await room.service.start()
    await room.service.wait_for(Hello)
