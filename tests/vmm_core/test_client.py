"""The client, asyncio and blocking, against a running service."""

import asyncio
import inspect
from contextlib import asynccontextmanager, suppress

import pytest

from vmm_core.client import Vmm, VmmClient
from vmm_core.errors import (
    BadRequest,
    BindFailed,
    Conflict,
    Impossible,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Unavailable,
)
from vmm_core.model import LeaseState, Needs

from .agents import WAIT_S
from .service import SESSION, Site, eventually, running


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
async def service(site):
    async with running(site) as service:
        yield service


@pytest.fixture
async def hub(service, site):
    async with VmmClient(service.url, site.tokens["hub"]) as vmm:
        yield vmm


@asynccontextmanager
async def answering(reply):
    """Something that is no VMM: answers every connection with ``reply``."""

    async def answer(reader, writer):
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_whole_life_of_a_lease(hub):
    lease = await hub.acquire(Needs(environment="mantid", cpus=1), owner="alice", key="k")
    lease = await hub.wait(lease.id, WAIT_S)
    assert lease.state is LeaseState.ACQUIRED
    assert (await hub.acquire(Needs(environment="mantid"), owner="alice", key="k")).id == lease.id
    handover = await hub.bind(lease.id, SESSION)
    assert handover.url == f"http://127.0.0.1:{SESSION.port}"
    assert [found.id for found in await hub.leases("alice")] == [lease.id]
    assert await hub.leases("bob") == []
    assert (await hub.lease(lease.id)).owner == "alice"
    assert (await hub.release(lease.id)).state is LeaseState.RELEASED
    assert await hub.leases() == []
    assert [found.id for found in await hub.leases(ended=True)] == [lease.id]
    stages = [event.stage async for event in hub.events(lease.id)]
    assert stages[0] == "requested"
    assert stages[-1] == "released"
    tail = [event.number async for event in hub.events(lease.id, since=2)]
    assert tail == list(range(2, len(stages)))


async def test_without_a_key_each_request_is_a_new_one(hub):
    first, second = [await hub.acquire(Needs(), owner="alice") for _ in range(2)]
    assert first.id != second.id


async def test_the_catalogue_and_the_operators_view(hub, service, site):
    assert [found.name for found in await hub.environments()] == ["mantid", "gpu"]
    assert [found.name for found in await hub.locations()] == ["ral"]
    offers = await hub.offers(Needs(gpus=1, gpu_model="V100", locations=("ral",)))
    assert [offer.size.gpu_model for offer in offers] == ["V100"]
    assert len(await hub.offers()) == 2
    async with VmmClient(service.url, site.tokens["operator"]) as operator:
        pools = await eventually(operator.pools, lambda pools: pools[0].machines)
        assert pools[0].name == "mantid@sim/small"
        assert {machine.environment for machine in await operator.machines()} == {"mantid"}


async def test_refusals_are_the_services_own_errors(hub, service, site):
    with pytest.raises(Impossible):
        await hub.acquire(Needs(cpus=1000), owner="alice")
    with pytest.raises(BadRequest, match="mantid"):
        await hub.acquire(Needs(environment="mantd"), owner="alice")
    with pytest.raises(NotFound, match="l-none"):
        await hub.lease("l-none")
    with pytest.raises(NotFound):
        await hub.lease("../offers")
    with pytest.raises(NotAllowed, match="operate"):
        await hub.machines()
    with pytest.raises(NotFound):
        [event async for event in hub.events("l-none")]
    waiting = await hub.acquire(Needs(gpus=1), owner="alice")
    if waiting.state is LeaseState.WAITING:
        with pytest.raises(Conflict):
            await hub.bind(waiting.id, SESSION)
    async with VmmClient(service.url, "wrong") as stranger:
        with pytest.raises(NotAuthenticated, match="vmm token"):
            await stranger.environments()


async def test_a_machine_that_cannot_be_bound_says_why(hub, site, service):
    lease = await hub.wait((await hub.acquire(Needs(), owner="alice")).id, WAIT_S)
    for agent in site.agents.values():
        agent.cancel()
    site.boots = False
    with pytest.raises((Unavailable, BindFailed)):
        await hub.bind(lease.id, SESSION.model_copy(update={"timeout_s": 0.5}))


async def test_waiting_ends_at_its_deadline_and_keeps_the_place(site):
    site.boots = False
    async with running(site) as service, VmmClient(service.url, site.tokens["alice"]) as alice:
        lease = await alice.acquire(Needs())
        with pytest.raises(Unavailable, match="keeps its place"):
            await alice.wait(lease.id, 0.3)
        assert (await alice.lease(lease.id)).state is LeaseState.WAITING
        site.boots = True
        assert (await alice.wait(lease.id, WAIT_S)).state is LeaseState.ACQUIRED


async def test_waiting_for_a_lease_that_is_released_meanwhile_ends(site):
    site.boots = False
    async with running(site) as service, VmmClient(service.url, site.tokens["alice"]) as alice:
        lease = await alice.acquire(Needs())
        waiting = asyncio.create_task(alice.wait(lease.id, WAIT_S))
        await alice.release(lease.id)
        assert (await waiting).state is LeaseState.RELEASED


async def test_a_service_that_is_down_is_named(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with VmmClient(url, "t") as vmm:
        with pytest.raises(Unavailable, match=f"{url}.*Connection refused"):
            await vmm.environments()


async def test_a_host_that_does_not_exist_is_named():
    async with VmmClient("http://no-such-host.invalid", "t") as vmm:
        with pytest.raises(Unavailable, match=r"no-such-host\.invalid"):
            await vmm.environments()


@pytest.mark.parametrize("url", ["", "vmm.facility.org", "ftp://x", "http://"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(BadRequest, match="no URL"):
        VmmClient(url)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nnginx",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
async def test_something_else_at_the_address_is_not_taken_for_a_vmm(reply):
    async with answering(reply) as url, VmmClient(url, "t") as vmm:
        with pytest.raises(Unavailable, match=url):
            await vmm.environments()


async def test_a_service_that_hangs_is_given_up_on():
    async def hang(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with VmmClient(url, "t", timeout_s=0.2) as vmm:
            with pytest.raises(Unavailable, match="no answer in time"):
                await vmm.environments()


async def test_events_go_on_after_a_restart_of_the_service(site, unused_tcp_port):
    seen = []
    async with running(site, port=unused_tcp_port) as service:
        alice = VmmClient(service.url, site.tokens["alice"])
        lease = await alice.wait((await alice.acquire(Needs())).id, WAIT_S)
        claimed = asyncio.Event()

        async def follow():
            async for event in alice.events(lease.id):
                seen.append(event)
                if event.stage == "claimed":
                    claimed.set()

        following = asyncio.create_task(follow())
        await asyncio.wait_for(claimed.wait(), WAIT_S)
    async with running(site, port=unused_tcp_port):
        again = await alice.lease(lease.id)
        assert again.state is LeaseState.ACQUIRED
        assert again.machine.id == lease.machine.id
        await alice.release(lease.id)
        await asyncio.wait_for(following, WAIT_S)
    await alice.close()
    assert [event.number for event in seen] == list(range(len(seen)))
    assert seen[-1].stage == "released"


async def test_the_blocking_client_does_the_same(service, site):
    def script():
        with Vmm(service.url, site.tokens["hub"]) as vmm:
            assert vmm.url == service.url
            assert [found.name for found in vmm.environments()] == ["mantid", "gpu"]
            lease = vmm.wait(vmm.acquire(Needs(cpus=1), owner="alice").id, WAIT_S)
            assert vmm.bind(lease.id, SESSION).port == SESSION.port
            first = next(vmm.events(lease.id))
            vmm.release(lease.id)
            events = list(vmm.events(lease.id))
            assert events[0] == first
            assert events[-1].stage == "released"
            with pytest.raises(NotAllowed):
                vmm.machines()
        vmm.close()
        return lease

    lease = await asyncio.to_thread(script)
    assert lease.owner == "alice"


async def test_the_blocking_client_works_where_a_loop_runs_already(unused_tcp_port):
    with (
        Vmm(f"http://127.0.0.1:{unused_tcp_port}") as vmm,
        pytest.raises(Unavailable),
    ):
        vmm.environments()


def test_the_blocking_client_has_every_method_with_the_same_arguments():
    def methods(kind):
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(Vmm) == methods(VmmClient)


async def test_a_kept_connection_that_died_costs_nothing(hub, service):
    lease = await hub.acquire(Needs(), owner="alice", key="k")
    for connections in hub._transport._session.connector._conns.values():
        for protocol, _ in connections:
            protocol.transport.abort()
    assert (await hub.acquire(Needs(), owner="alice", key="k")).id == lease.id


def test_nothing_prints_the_token():
    client = VmmClient("http://127.0.0.1:1", "s3cret")
    assert "s3cret" not in repr(client)
