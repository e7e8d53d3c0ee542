"""Sharing, extending and taking back over HTTP, as users, a frontend and an operator see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from vmm_core.cli import main
from vmm_core.client import Vmm, VmmClient
from vmm_core.errors import BadRequest, Conflict, NotAllowed, NotFound
from vmm_core.model import Lease, LeaseState, Needs, Role
from vmm_core.service import Service

from ..service import SESSION, Site, eventually, running

MANTID = Needs(environment="mantid")
LIFETIMES = """\
lifetimes:
  - {hours: 8, extend_hours: 4, extensions: 1, undelete_hours: 24}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.catalogue.write_text(site.catalogue.read_text() + LIFETIMES)
    return site


@pytest.fixture
async def service(site: Site) -> AsyncIterator[Service]:
    async with running(site) as service:
        yield service


@pytest.fixture
async def as_(service: Service, site: Site) -> AsyncIterator[Callable[[str], VmmClient]]:
    clients: dict[str, VmmClient] = {}

    def client(name: str) -> VmmClient:
        return clients.setdefault(name, VmmClient(service.url, site.tokens[name]))

    yield client
    for each in clients.values():
        await each.close()


async def bound(vmm: VmmClient, owner: str | None = None) -> Lease:
    lease = await vmm.acquire(MANTID, owner=owner)
    lease = await vmm.wait(lease.id, 20)
    await vmm.bind(lease.id, SESSION)
    return await vmm.lease(lease.id)


async def soon(act: Callable[[], Awaitable[Lease]]) -> Lease:
    """What is refused for a moment only, while a session is being ended."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await act()
            except Conflict:
                await asyncio.sleep(0.05)


async def test_a_member_sees_and_enters_and_does_nothing_else(as_):
    alice, bob = as_("alice"), as_("bob")
    lease = await bound(alice)
    with pytest.raises(NotFound):
        await bob.lease(lease.id)
    made = await alice.share(lease.id, "bob")
    assert (made.user, made.role, made.granted_by) == ("bob", Role.MEMBER, "alice")
    assert [each.user for each in await bob.members(lease.id)] == ["bob"]
    assert [each.id for each in await bob.leases()] == [lease.id]
    assert (await bob.lease(lease.id)).owner == "alice"
    handover = await bob.enter(lease.id)
    assert handover.port == SESSION.port
    for refused, word in (
        (bob.release(lease.id), "release"),
        (bob.extend(lease.id), "extend"),
        (bob.bind(lease.id, SESSION), "start sessions on"),
        (bob.share(lease.id, "carol"), "share"),
        (bob.restore(lease.id), "restore"),
        (bob.audit(lease.id), "see the audit log of"),
        (bob.audit(), "needs the scope operate"),
    ):
        with pytest.raises(NotAllowed, match=word):
            await refused
    assert await alice.unshare(lease.id, "bob") == []
    assert await bob.leases() == []
    for gone in (bob.lease(lease.id), bob.enter(lease.id), bob.members(lease.id)):
        with pytest.raises(NotFound):
            await gone
    told = [(each.actor, each.action, each.subject) for each in await alice.audit(lease.id)]
    assert told == [
        ("alice", "grant", "bob"),
        ("bob", "enter", "member"),
        ("alice", "revoke", "bob"),
    ]


async def test_members_may_go_by_themselves_and_names_are_checked(as_):
    alice, bob = as_("alice"), as_("bob")
    lease = await bound(alice)
    await alice.share(lease.id, "bob")
    assert await bob.unshare(lease.id, "bob") == []
    with pytest.raises(Conflict, match="alice's own"):
        await alice.share(lease.id, "alice")
    with pytest.raises(BadRequest, match="user"):
        await alice._transport.call(
            "POST", f"leases/{lease.id}/members", None, body='{"user": "a b"}'
        )
    with pytest.raises(NotAllowed, match="may act for itself only"):
        await alice.enter(lease.id, acting="bob")


async def test_a_frontend_speaks_for_its_users(as_):
    hub = as_("hub")
    lease = await bound(hub, "carol")
    await hub.share(lease.id, "dave")
    with pytest.raises(NotAllowed, match="erin may not enter"):
        await hub.enter(lease.id, acting="erin")
    with pytest.raises(NotAllowed, match="dave may not share"):
        await hub.share(lease.id, "erin", acting="dave")
    assert (await hub.enter(lease.id, acting="dave")).lease == lease.id
    await hub.unshare(lease.id, "dave", acting="dave")
    told = [(each.actor, each.frontend, each.action) for each in await hub.audit(lease.id)]
    assert told == [
        ("carol", "hub", "grant"),
        ("dave", "hub", "enter"),
        ("dave", "hub", "revoke"),
    ]


async def test_support_enters_only_while_it_is_asked_to(as_):
    alice, operator = as_("alice"), as_("operator")
    lease = await bound(alice)
    with pytest.raises(NotAllowed, match="operator may not enter"):
        await operator.enter(lease.id)
    await operator.share(lease.id, "operator", Role.SUPPORT)
    assert (await operator.enter(lease.id)).lease == lease.id
    await alice.unshare(lease.id, "operator")
    with pytest.raises(NotAllowed, match="operator may not enter"):
        await operator.enter(lease.id)
    await operator.release(lease.id)
    told = [(each.actor, each.action, each.subject) for each in await operator.audit()]
    assert told == [
        ("operator", "grant", "operator"),
        ("operator", "enter", "support"),
        ("alice", "revoke", "operator"),
        ("operator", "release", ""),
    ]
    (last,) = await operator.audit(since=4)
    assert last.number == 4
    assert await operator.audit("l-none") == []


async def test_a_lease_is_extended_and_taken_back(as_):
    alice, operator = as_("alice"), as_("operator")
    lease = await bound(alice)
    assert lease.ends_at is not None
    longer = await alice.extend(lease.id)
    assert longer.ends_at is not None
    assert (longer.ends_at - lease.ends_at).total_seconds() == 4 * 3600
    with pytest.raises(Conflict, match="it ends at"):
        await alice.extend(lease.id)
    with pytest.raises(NotAllowed, match="only an operator"):
        await alice.extend(lease.id, hours=3)
    longest = await operator.extend(lease.id, hours=1.5)
    assert longest.ends_at is not None
    assert (longest.ends_at - longer.ends_at).total_seconds() == 1.5 * 3600
    released = await alice.release(lease.id)
    assert released.state is LeaseState.RELEASED
    assert [each.id for each in await alice.leases(held=True)] == [lease.id]
    back = await soon(lambda: alice.restore(lease.id))
    assert back.state is LeaseState.ACQUIRED
    assert back.machine is not None
    assert lease.machine is not None
    assert back.machine.id == lease.machine.id
    assert (await alice.bind(lease.id, SESSION)).port == SESSION.port
    told = [(each.actor, each.action) for each in await alice.audit(lease.id)]
    assert told == [("alice", "extend"), ("operator", "extend"), ("alice", "restore")]


async def test_the_blocking_client_and_the_command_line_do_the_same(
    as_, service: Service, site: Site, capsys: pytest.CaptureFixture[str]
):
    lease = await bound(as_("alice"))

    async def vmm(name: str, *arguments: str) -> str:
        asks = ["--url", service.url, "--token-file", str(site.token_file(name))]
        capsys.readouterr()
        status = await asyncio.to_thread(main, [*arguments, *asks])
        out, err = capsys.readouterr()
        assert status == 0, err
        return " ".join((out + err).split())

    def blocking() -> None:
        with Vmm(service.url, site.tokens["alice"]) as vmm:
            assert vmm.share(lease.id, "bob").user == "bob"
            assert vmm.enter(lease.id).lease == lease.id
            assert [each.user for each in vmm.members(lease.id)] == ["bob"]
            assert vmm.unshare(lease.id, "bob") == []
            assert vmm.extend(lease.id).extensions == 1

    await asyncio.to_thread(blocking)
    assert "bob support alice" in await vmm("alice", "share", lease.id, "bob", "--role=support")
    assert "bob support alice" in await vmm("bob", "members", lease.id)
    assert (await vmm("bob", "enter", lease.id)).startswith("http://127.0.0.1:")
    assert "shared with nobody" in await vmm("alice", "unshare", lease.id, "bob")
    assert "bob" in await vmm("alice", "audit", "--lease", lease.id)
    assert "enter support" in await vmm("operator", "audit", "--since", "4")
    assert "released" in await vmm("alice", "release", lease.id)
    assert "back until" in await vmm("alice", "leases", "--held")

    async def undelete() -> int:
        asks = ["--url", service.url, "--token-file", str(site.token_file("alice"))]
        return await asyncio.to_thread(main, ["undelete", lease.id, *asks])

    await eventually(undelete, lambda status: status == 0)
    assert "acquired" in await vmm("alice", "leases")


async def test_names_that_cannot_be_are_refused_and_not_looked_for(as_):
    alice, operator = as_("alice"), as_("operator")
    lease = await bound(alice)
    with pytest.raises(BadRequest, match="user"):
        await alice.unshare(lease.id, "b\0b")
    with pytest.raises(NotFound):
        await alice.members("l-\0")
    with pytest.raises(NotFound):
        await operator.audit("l-\0")
