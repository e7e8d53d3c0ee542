from __future__ import annotations

import asyncio

import pytest

from dms_core.cache.reach import Reach
from dms_core.errors import NotFound, TimedOut, Unreachable

from .conftest import until


class Source:
    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.calls = 0

    async def ask(self) -> str:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return "answer"


async def test_one_failure_fails_the_rest_at_once_and_a_probe_reopens() -> None:
    source, changes = Source(), []
    reach = Reach(source.ask, lambda: changes.append(reach.reachable))
    assert await reach.call(source.ask, 5) == "answer"
    source.failure = Unreachable("the cable is cut")
    with pytest.raises(Unreachable):
        await reach.call(source.ask, 5)
    await until(lambda: not reach.reachable, "the failure is known")
    calls = source.calls
    with pytest.raises(Unreachable, match="cable"):
        await reach.call(source.ask, 5)
    assert source.calls == calls
    source.failure = None
    await until(lambda: reach.reachable, "a probe reopens")
    assert await reach.call(source.ask, 5) == "answer"
    assert changes == [False, True]
    await reach.stop()


async def test_silence_is_a_failure_after_the_deadline() -> None:
    reach = Reach(lambda: asyncio.sleep(1000))
    with pytest.raises(TimedOut, match=r"0\.05 s"):
        await reach.call(lambda: asyncio.sleep(1000), 0.05)
    with pytest.raises(Unreachable):
        await reach.call(lambda: asyncio.sleep(0), 5)
    await reach.stop()


async def test_a_refusal_is_an_answer() -> None:
    source = Source()
    source.failure = NotFound("there is none")
    reach = Reach(source.ask)
    for _ in range(2):
        with pytest.raises(NotFound):
            await reach.call(source.ask, 5)
    assert reach.reachable


async def test_a_probe_that_is_refused_reopens() -> None:
    source = Source()
    source.failure = Unreachable("away")
    reach = Reach(source.ask)
    with pytest.raises(Unreachable):
        await reach.call(source.ask, 5)
    source.failure = NotFound("no root for you, but I am here")
    await until(lambda: reach.reachable, "a probe reopens")
    await reach.stop()


async def test_a_connection_that_breaks_is_no_outage() -> None:
    source, changes = Source(), []
    reach = Reach(source.ask, lambda: changes.append(reach.reachable))
    broken = [Unreachable("the connection broke")]

    async def breaks_once() -> str:
        if broken:
            raise broken.pop()
        return await source.ask()

    assert await reach.call(breaks_once, 5, again=True) == "answer"
    broken.append(Unreachable("the connection broke"))
    with pytest.raises(Unreachable, match="broke"):
        await reach.call(breaks_once, 5)  # it may have been done: not repeated
    assert await reach.call(source.ask, 5) == "answer"
    assert changes == []
    await reach.stop()


async def test_who_asks_while_a_failure_is_looked_into_waits_for_the_answer() -> None:
    probed, answer = asyncio.Event(), asyncio.Event()

    async def probe() -> None:
        probed.set()
        await answer.wait()

    source = Source()
    source.failure = Unreachable("the connection broke")
    reach = Reach(probe)
    with pytest.raises(Unreachable):
        await reach.call(source.ask, 5)
    source.failure = None
    await probed.wait()
    asking = asyncio.ensure_future(reach.call(source.ask, 5))
    await asyncio.sleep(0)
    assert source.calls == 1
    answer.set()
    assert await asking == "answer"
    assert reach.reachable
    await reach.stop()


async def test_an_old_failure_does_not_close_the_door_again() -> None:
    source = Source()
    reach = Reach(source.ask)
    hung = asyncio.Event()

    async def begun_before() -> None:
        await hung.wait()
        raise TimedOut("no answer")

    old = asyncio.ensure_future(reach.call(begun_before, 60))
    await asyncio.sleep(0)
    source.failure = Unreachable("away")
    with pytest.raises(Unreachable):
        await reach.call(source.ask, 5)
    await until(lambda: not reach.reachable, "the failure is known")
    source.failure = None
    await until(lambda: reach.reachable, "a probe reopens")
    hung.set()
    with pytest.raises(TimedOut):
        await old
    assert reach.reachable
    assert await reach.call(source.ask, 5) == "answer"
    await reach.stop()
