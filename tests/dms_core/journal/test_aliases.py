"""A file keeps the id it was shown with, and no two files are ever shown with the same."""

from __future__ import annotations

from random import Random

from dms_core.journal.aliases import Aliases
from dms_core.model import Entry, Kind


def entry(path: str, entry_id: str) -> Entry:
    return Entry(
        path=path, kind=Kind.FILE, id=entry_id, version="1", size=0, mtime_ns=0, mode=0o644
    )


def test_any_sequence_on_a_storage_that_reuses_ids() -> None:
    """A few ids go round, as inodes do: each save takes a free one and frees the old."""
    random = Random(7)
    aliases = Aliases()
    free = [f"home:{number}" for number in range(12)]
    real: dict[str, str] = {}
    seen: dict[str, str] = {}
    for _ in range(2000):
        path = random.choice("abcdefgh")
        if path not in real:
            real[path] = free.pop(random.randrange(len(free)))
            seen[path] = aliases.shown(entry(path, real[path])).id
        elif random.random() < 0.2:
            free.append(real.pop(path))
            del seen[path]
        else:
            aliases.replaced(path, seen[path], real[path])
            free.append(real[path])
            real[path] = free.pop(0)
            aliases.replaced(path, seen[path], real[path])
        shown = {one: aliases.shown(entry(one, real[one])) for one in real}
        assert {one: each.id for one, each in shown.items()} == seen
        assert len({each.id for each in shown.values()}) == len(shown)
        assert all(aliases.real(each).id == real[one] for one, each in shown.items())


def test_a_renamed_file_keeps_its_id() -> None:
    aliases = Aliases()
    aliases.replaced("/home/u/f/a", "home:1", "home:2")
    aliases.moved("/home/u/f", "/home/u/g")
    assert aliases.shown(entry("/home/u/g/a", "home:2")).id == "home:1"
