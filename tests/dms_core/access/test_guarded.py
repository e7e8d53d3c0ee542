"""The tree as several users see it, against a model of who may what."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dms_core import errors
from dms_core.access.guarded import Guarded
from dms_core.access.membership import MembershipFile
from dms_core.access.rules import Memberships
from dms_core.model import Entry, Kind
from dms_core.namespace import Namespace
from dms_core.storage.conformance import (
    ReadableConformance,
    ReadOnlyConformance,
    WritableConformance,
    lay_out,
    scan_all,
)

from ..service.conftest import lay_out_volumes, namespace_of


@pytest.fixture
async def namespace(tmp_path: Path) -> AsyncIterator[Namespace]:
    lay_out_volumes(tmp_path)
    namespace = namespace_of(tmp_path)
    yield namespace
    await namespace.close()


@pytest.fixture
def membership(namespace: Namespace, tmp_path: Path) -> MembershipFile:
    return MembershipFile(tmp_path / "membership.yaml", check_every_s=0)


class _Guarded:
    user = "alice"

    @pytest.fixture
    async def storage(
        self, namespace: Namespace, membership: MembershipFile, tmp_path: Path
    ) -> Guarded:
        lay_out(tmp_path / self.root.lstrip("/"))  # type: ignore[attr-defined]
        return Guarded(namespace, membership, self.user)


class TestArchive(_Guarded, ReadableConformance, ReadOnlyConformance):
    root = "/archive"


class TestHome(_Guarded, ReadableConformance, WritableConformance):
    root = "/home/alice"


class TestExperimentOfAScientist(_Guarded, ReadableConformance, WritableConformance):
    user = "sarah"
    root = "/rb/SANS2D/RBNumber/RB1310124"

    def shown(self, mode: int, kind: Kind = Kind.FILE) -> int:
        return 0o770 if kind is Kind.FOLDER else 0o660


async def names(tree: Guarded, path: str) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in await scan_all(tree, path, limit=1)]


async def test_everyone_sees_the_volumes(namespace: Namespace, membership: MembershipFile) -> None:
    for user in ("alice", "stranger"):
        tree = Guarded(namespace, membership, user)
        assert await names(tree, "/") == ["archive", "home", "rb"]
        assert (await tree.lookup("/")).writable is False


async def test_a_home_is_made_when_it_is_first_used(
    namespace: Namespace, membership: MembershipFile, tmp_path: Path
) -> None:
    home = tmp_path / "home" / "alice"
    tree = Guarded(namespace, membership, "alice")
    for use in (
        lambda: tree.lookup("/home/alice"),
        lambda: tree.scan("/home/alice"),
        lambda: tree.scan("/home"),
        lambda: tree.space("/home/alice"),
        lambda: tree.create("/home/alice/file"),
        lambda: tree.make_folder("/home/alice/folder"),
    ):
        assert not home.exists()
        await use()
        assert home.stat().st_mode & 0o777 == 0o700
        shutil.rmtree(home)
    assert not any((tmp_path / "home").iterdir())


async def test_a_home_is_made_once_by_many(
    namespace: Namespace, membership: MembershipFile
) -> None:
    trees = [Guarded(namespace, membership, "alice") for _ in range(20)]
    found = await asyncio.gather(*(tree.lookup("/home/alice") for tree in trees))
    assert len({entry.id for entry in found}) == 1


async def test_looking_for_anothers_home_makes_nothing(
    namespace: Namespace, membership: MembershipFile, tmp_path: Path
) -> None:
    tree = Guarded(namespace, membership, "alice")
    for path in ("/home/bob", "/home/bob/x", "/home/nobody"):
        with pytest.raises(errors.NotFound):
            await tree.lookup(path)
        with pytest.raises(errors.NotFound):
            await tree.create(path)
    assert not any((tmp_path / "home").iterdir())


async def test_an_absent_entry_and_a_hidden_one_look_the_same(
    namespace: Namespace, membership: MembershipFile
) -> None:
    tree = Guarded(namespace, membership, "alice")
    told = set()
    for number in ("RB1310124", "RB9999999"):
        with pytest.raises(errors.NotFound) as caught:
            await tree.lookup(f"/rb/SANS2D/RBNumber/{number}")
        told.add(str(caught.value).replace(number, "RB"))
    with pytest.raises(errors.NotFound) as caught:
        await tree.lookup("/rb/SANS2D/RBNumber/RB1310123/absent")
    told.add(str(caught.value).replace("RB1310123/absent", "RB"))
    assert len(told) == 1


async def test_listings_show_what_the_user_may_enter(
    namespace: Namespace, membership: MembershipFile
) -> None:
    shown = {}
    for user in ("alice", "bob", "carol", "sarah", "root", "stranger"):
        tree = Guarded(namespace, membership, user)
        shown[user] = await names(tree, "/rb")
        for instrument in list(shown[user]):
            below = await names(tree, f"/rb/{instrument}")
            numbers = await names(tree, f"/rb/{instrument}/RBNumber")
            shown[user] += [f"{instrument}: {' '.join(below)}: {' '.join(numbers)}"]
    assert shown == {
        "alice": ["SANS2D", "SANS2D: RBNumber: RB1310123"],
        "bob": ["SANS2D", "SANS2D: RBNumber: RB1310123 RB1310124"],
        "carol": ["LOQ", "LOQ: RBNumber: RB1410001"],
        "sarah": ["SANS2D", "SANS2D: RBNumber calibration: RB1310123 RB1310124"],
        "root": [
            "LOQ",
            "SANS2D",
            "LOQ: RBNumber: RB1410001",
            "SANS2D: RBNumber calibration: RB1310123 RB1310124",
        ],
        "stranger": [],
    }


async def test_writable_tells_what_works(namespace: Namespace, membership: MembershipFile) -> None:
    for user in ("alice", "sarah", "root"):
        tree = Guarded(namespace, membership, user)
        todo = ["/"]
        while todo:
            for entry in await scan_all(tree, todo.pop()):
                if entry.kind is Kind.FOLDER:
                    todo.append(entry.path)
                    probe = tree.create(f"{entry.path}/.probe")
                else:
                    probe = tree.write(entry.path, 0, b"")
                try:
                    made = await probe
                except errors.DmsError:
                    assert not entry.writable, entry.path
                else:
                    assert entry.writable, entry.path
                    if entry.kind is Kind.FOLDER:
                        await tree.remove(made.path)


async def test_fixed_folders_stay(namespace: Namespace, membership: MembershipFile) -> None:
    tree = Guarded(namespace, membership, "alice")
    await tree.lookup("/home/alice")
    for path in ("/home", "/home/alice", "/rb/SANS2D", "/rb/SANS2D/RBNumber/RB1310123"):
        with pytest.raises(errors.NotAllowed):
            await tree.remove(path)
        with pytest.raises(errors.NotAllowed):
            await tree.rename(path, "/home/alice/mine")
    await tree.make_folder("/home/alice/mine")
    for to in ("/home/alice", "/home/alice2", "/home/bob", "/rb/SANS2D/RBNumber/RB1310124"):
        with pytest.raises((errors.NotAllowed, errors.NotFound)):
            await tree.rename("/home/alice/mine", to)


async def test_a_rename_between_volumes_is_to_be_a_copy(
    namespace: Namespace, membership: MembershipFile
) -> None:
    tree = Guarded(namespace, membership, "alice")
    await tree.create("/home/alice/file")
    with pytest.raises(errors.CrossVolume):
        await tree.rename("/home/alice/file", "/rb/SANS2D/RBNumber/RB1310123/file")
    with pytest.raises(errors.ReadOnly):
        await tree.rename("/home/alice/file", "/archive/file")


async def test_a_link_into_anothers_home_leads_nowhere(
    namespace: Namespace, membership: MembershipFile, tmp_path: Path
) -> None:
    for user in ("alice", "bob"):
        await Guarded(namespace, membership, user).lookup(f"/home/{user}")
    (tmp_path / "home/bob/secret").write_text("secret")
    (tmp_path / "home/alice/link").symlink_to("../bob")
    (tmp_path / "home/alice/file").symlink_to("../bob/secret")
    tree = Guarded(namespace, membership, "alice")
    with pytest.raises(errors.NotAFolder):
        await tree.lookup("/home/alice/link/secret")
    with pytest.raises(errors.NotAFolder):
        await tree.scan("/home/alice/link")
    with pytest.raises(errors.Unsupported):
        await tree.read(await tree.lookup("/home/alice/file"), 0, 6)


async def test_an_entry_of_another_user_does_not_open_what_is_anothers(
    namespace: Namespace, membership: MembershipFile
) -> None:
    bob = Guarded(namespace, membership, "bob")
    entry = await bob.create("/home/bob/file")
    with pytest.raises(errors.NotFound):
        await Guarded(namespace, membership, "alice").read(entry, 0, 1)


async def test_leaving_an_experiment_ends_access_also_with_an_entry_in_hand(
    namespace: Namespace, membership: MembershipFile, tmp_path: Path
) -> None:
    tree = Guarded(namespace, membership, "alice")
    entry = await tree.lookup("/rb/SANS2D/RBNumber/RB1310123/data.txt")
    assert await tree.read(entry, 0, 6) == b"SANS2D"
    fresh = tmp_path / "fresh.yaml"
    fresh.write_text((tmp_path / "membership.yaml").read_text().replace("alice, ", ""))
    fresh.replace(tmp_path / "membership.yaml")
    with pytest.raises(errors.NotFound):
        await tree.read(entry, 0, 6)
    assert await names(tree, "/rb") == []


USERS = ("alice", "bob", "sarah")
PLACES = tuple(
    f"{folder}/{name}"
    for folder in (
        "/home/alice",
        "/home/bob",
        "/rb/SANS2D/RBNumber/RB1310123",
        "/rb/SANS2D/RBNumber/RB1310124",
        "/archive/NDXSANS2D",
    )
    for name in ("one", "two")
)


class _Switch:
    """Memberships that the machine below turns on and off."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = {"RB1310123": {"alice"}, "RB1310124": {"bob"}}

    def of(self, user: str) -> Memberships:
        return Memberships(
            user,
            instruments=frozenset({"SANS2D"} if user == "sarah" else ()),
            experiments=frozenset(
                ("SANS2D", number) for number, members in self.members.items() if user in members
            ),
        )


class SeveralUsers(RuleBasedStateMachine):
    """Every call of every user does what a dictionary and five lines of rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        lay_out_volumes(self.folder)
        for name in ("one", "two"):
            (self.folder / "archive/NDXSANS2D" / name).write_text(name)
        self.loop = asyncio.new_event_loop()
        self.namespace = namespace_of(self.folder)
        self.switch = _Switch()
        self.bytes = {f"/archive/NDXSANS2D/{name}": name.encode() for name in ("one", "two")}

    @initialize()
    def enter(self) -> None:
        for user in ("alice", "bob"):
            self.do(self.tree(user).lookup(f"/home/{user}"))

    def tree(self, user: str) -> Guarded:
        return Guarded(self.namespace, self.switch, user)

    def do(self, call: object) -> object:
        try:
            return self.loop.run_until_complete(call)  # type: ignore[arg-type]
        except errors.DmsError as error:
            return type(error)

    def enters(self, user: str, path: str) -> bool:
        _, volume, first, *rest = path.split("/")
        if volume == "archive":
            return True
        if volume == "home":
            return first == user
        return user == "sarah" or user in self.switch.members[rest[1]]

    @rule(user=st.sampled_from(USERS), path=st.sampled_from(PLACES), data=st.binary(max_size=9))
    def write(self, user: str, path: str, data: bytes) -> None:
        made = self.do(self.tree(user).create(path))
        if not self.enters(user, path):
            assert made is errors.NotFound
        elif path.startswith("/archive"):
            assert made is errors.ReadOnly
        else:
            assert isinstance(made, Entry)
            assert isinstance(self.do(self.tree(user).write(path, 0, data)), Entry)
            self.bytes[path] = data

    @rule(user=st.sampled_from(USERS), path=st.sampled_from(PLACES))
    def read(self, user: str, path: str) -> None:
        entry = self.do(self.tree(user).lookup(path))
        if path in self.bytes and self.enters(user, path):
            assert isinstance(entry, Entry)
            assert self.do(self.tree(user).read(entry, 0, 99)) == self.bytes[path]
            assert entry.writable is not path.startswith("/archive")
        else:
            assert entry is errors.NotFound

    @rule(user=st.sampled_from(USERS), path=st.sampled_from(PLACES))
    def remove(self, user: str, path: str) -> None:
        result = self.do(self.tree(user).remove(path))
        if not self.enters(user, path):
            assert result is errors.NotFound
        elif path.startswith("/archive"):
            assert result is errors.ReadOnly
        else:
            assert result is (None if path in self.bytes else errors.NotFound)
            self.bytes.pop(path, None)

    @rule(user=st.sampled_from(USERS), path=st.sampled_from(PLACES), to=st.sampled_from(PLACES))
    def rename(self, user: str, path: str, to: str) -> None:
        result = self.do(self.tree(user).rename(path, to))
        if not isinstance(result, Entry):
            return
        assert self.enters(user, path)
        assert self.enters(user, to)
        assert path.split("/")[1] == to.split("/")[1]
        self.bytes[to] = self.bytes.pop(path)

    @rule(user=st.sampled_from(USERS), number=st.sampled_from(["RB1310123", "RB1310124"]))
    def join_or_leave(self, user: str, number: str) -> None:
        self.switch.members[number] ^= {user}

    @invariant()
    def nobody_sees_what_is_not_theirs(self) -> None:
        for user in USERS:
            seen = set()
            todo = ["/"]
            while todo:
                page = self.do(self.tree(user).scan(todo.pop()))
                for entry in page.entries:  # type: ignore[attr-defined]
                    if entry.kind is Kind.FOLDER:
                        todo.append(entry.path)
                    else:
                        seen.add(entry.path)
            assert seen & set(PLACES) == {p for p in self.bytes if self.enters(user, p)}

    def teardown(self) -> None:
        self.loop.run_until_complete(self.namespace.close())
        self.loop.close()
        shutil.rmtree(self.folder)


TestSeveralUsers = SeveralUsers.TestCase
TestSeveralUsers.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
