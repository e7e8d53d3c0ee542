from __future__ import annotations

import pytest

from dms_core.cache.names import Ages, Names
from dms_core.errors import NotFound
from dms_core.model import Entry, Kind


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def names(clock: Clock) -> Names:
    ages = Ages(writable_s=1, read_only_s=10, recheck_s=100, grace_s=1000, most_entries=50)
    return Names(ages, clock=clock)


def entry(path: str, *, kind: Kind = Kind.FILE, **more: float) -> Entry:
    return Entry(path=path, kind=kind, id=path, version="1", size=1, mtime_ns=0, mode=0o644, **more)


def test_each_kind_of_entry_has_its_age(names: Names, clock: Clock) -> None:
    for one in (entry("/w", writable=True), entry("/r"), entry("/i", immutable=True)):
        names.remember(one)
    known = [names.fresh(path) is not None for path in ("/w", "/r", "/i")]
    assert known == [True, True, True]
    clock.now = 2
    assert names.fresh("/w") is None
    assert names.fresh("/r") is not None
    clock.now = 11
    assert names.fresh("/r") is None
    clock.now = 10**9
    assert names.fresh("/i") is not None


def test_an_immutable_entry_is_due_for_a_recheck_once_per_period(
    names: Names, clock: Clock
) -> None:
    names.remember(entry("/i", immutable=True))
    names.remember(entry("/r"))
    assert not names.recheck_due("/i")
    clock.now = 101
    assert names.recheck_due("/i")
    assert not names.recheck_due("/i")
    assert not names.recheck_due("/r")
    clock.now = 202
    assert names.recheck_due("/i")


def test_stale_knowledge_lasts_for_the_grace_period(names: Names, clock: Clock) -> None:
    names.remember(entry("/w", writable=True))
    clock.now = 999
    assert names.stale("/w") is not None
    clock.now = 1000
    assert names.stale("/w") is None


def test_a_listed_folder_knows_what_is_not_there(names: Names, clock: Clock) -> None:
    names.remember_folder(entry("/f", kind=Kind.FOLDER), "/f", ["a"])
    with pytest.raises(NotFound):
        names.fresh("/f/b")
    assert names.fresh("/f/a") is None
    clock.now = 20
    assert names.fresh("/f/b") is None
    with pytest.raises(NotFound):
        names.stale("/f/b")


def test_an_absent_name_is_remembered_briefly(names: Names, clock: Clock) -> None:
    names.absent("/x")
    with pytest.raises(NotFound):
        names.fresh("/x")
    clock.now = 1.5
    assert names.fresh("/x") is None


def test_what_was_made_here_is_there_at_once(names: Names) -> None:
    names.remember_folder(entry("/f", kind=Kind.FOLDER), "/f", ["b"])
    names.remember(entry("/f/b"))
    names.absent("/f/a")
    names.added(entry("/f/a"))
    assert names.fresh("/f/a") is not None
    listing = names.listing("/f")
    assert listing is not None
    assert [one.path for one in listing] == ["/f/a", "/f/b"]


def test_forgetting_a_folder_forgets_all_below_and_no_neighbour(names: Names) -> None:
    for path in ("/f/a", "/f/sub/b", "/fa"):
        names.remember(entry(path))
    names.remember(entry("/f", kind=Kind.FOLDER))
    names.forget("/f")
    assert [names.peek(path) is None for path in ("/f", "/f/a", "/f/sub/b", "/fa")] == [
        True,
        True,
        True,
        False,
    ]


def test_a_forgotten_name_leaves_its_folders_listing(names: Names) -> None:
    names.remember_folder(entry("/f", kind=Kind.FOLDER), "/f", ["a", "b"])
    names.remember(entry("/f/a"))
    names.remember(entry("/f/b"))
    names.forget("/f/a")
    assert [one.path for one in names.listing("/f") or []] == ["/f/b"]


def test_a_large_listing_outlives_its_own_ls_l(names: Names, clock: Clock) -> None:
    many = [entry(f"/f/{number}", writable=True) for number in range(40)]
    names.remember_page(many, listed=100_000)
    clock.now = 15
    assert names.fresh("/f/39") is not None


def test_memory_is_bounded(names: Names) -> None:
    for number in range(60):
        names.remember(entry(f"/{number}"))
    assert names.peek("/0") is None
    assert names.peek("/59") is not None


def test_what_is_on_a_permit_is_asked_for_again_though_it_never_changes(
    names: Names, clock: Clock
) -> None:
    names.remember(entry("/p", immutable=True, permit_s=300))
    assert names.fresh("/p") is not None
    clock.now = 1
    assert names.fresh("/p") is None
    assert not names.recheck_due("/p")


def test_a_permit_ends_what_may_be_used_without_the_source(names: Names, clock: Clock) -> None:
    folder = entry("/f", kind=Kind.FOLDER, permit_s=300)
    names.remember(folder)
    names.remember_page([entry("/f/p", permit_s=300)], 1)
    names.remember_folder(folder, "/f", ["p"])
    clock.now = 299
    assert names.stale("/f/p") is not None
    assert names.listing("/f", stale=True)
    clock.now = 300
    assert names.stale("/f/p") is None
    assert names.stale("/f/absent") is None
    assert names.listing("/f", stale=True) is None


def test_a_large_listing_on_permits_waits_no_longer_than_stated(names: Names, clock: Clock) -> None:
    names.remember_page([entry("/f/p", permit_s=300)], listed=1_000_000)
    clock.now = 10
    assert names.fresh("/f/p") is not None
    clock.now = 11
    assert names.fresh("/f/p") is None
