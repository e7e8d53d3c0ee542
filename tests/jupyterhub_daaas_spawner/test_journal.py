import asyncio
from contextlib import aclosing

from jupyterhub_daaas_spawner.journal import Journal


async def take(journal, count):
    async with asyncio.timeout(10), aclosing(journal.follow()) as events:
        return [(await anext(events))["message"] for _ in range(count)]


async def test_every_reader_gets_all_from_the_first():
    journal = Journal()
    early = asyncio.create_task(take(journal, 3))
    await asyncio.sleep(0)
    journal.tell(1, "one")
    journal.tell(2, "two")
    late = asyncio.create_task(take(journal, 3))
    await asyncio.sleep(0)
    journal.tell(3, "three")
    assert await early == await late == ["one", "two", "three"]


async def test_the_bar_never_goes_back_nor_is_full():
    journal = Journal()
    for percent in (50, 20, 100):
        journal.tell(percent, f"at {percent}")
    async with aclosing(journal.follow()) as events:
        assert [(await anext(events))["progress"] for _ in range(3)] == [50, 50, 99]


async def test_the_same_words_twice_are_told_once():
    journal = Journal()
    journal.tell(1, "waiting")
    journal.tell(2, "waiting")
    journal.tell(3, "ready")
    assert await take(journal, 2) == ["waiting", "ready"]


async def test_a_new_start_begins_anew():
    journal = Journal()
    journal.tell(60, "old")
    journal.clear()
    journal.tell(5, "new")
    async with aclosing(journal.follow()) as events:
        event = await anext(events)
    assert (event["message"], event["progress"]) == ("new", 5)
