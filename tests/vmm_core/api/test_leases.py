"""Leases over HTTP: asked for, queued, followed, bound, released."""

import asyncio
import json
from datetime import datetime

import pytest

from vmm_core.model import Lease, LeaseEvent

from ..agents import WAIT_S
from ..service import SESSION, eventually


async def acquired(call, **body):
    """A lease that holds a machine, of one pool that keeps one ready."""
    made = await call("POST", "/leases", json=body)
    assert made.status in (201, 202), made.body

    async def look():
        return (await call("GET", f"/leases/{made.body['id']}")).body

    return Lease.model_validate(await eventually(look, lambda lease: lease["machine"]))


def events_of(text):
    """The events of a finished stream."""
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    assert blocks.pop() == ["event: end", "data: {}"]
    return [LeaseEvent.model_validate_json(block[-1].removeprefix("data: ")) for block in blocks]


async def test_a_machine_is_had_bound_and_released(as_):
    hub = as_("hub")
    lease = await acquired(hub, needs={"environment": "mantid"}, owner="alice")
    assert (lease.owner, lease.frontend, lease.state) == ("alice", "hub", "acquired")
    bound = await hub("POST", f"/leases/{lease.id}/bind", data=SESSION.model_dump_json().encode())
    assert bound.status == 200
    assert bound.body["lease"] == lease.id
    assert bound.body["port"] == SESSION.port
    released = await hub("DELETE", f"/leases/{lease.id}")
    assert released.body["state"] == "released"
    assert (await hub("DELETE", f"/leases/{lease.id}")).body["state"] == "released"
    streamed = await hub("GET", f"/leases/{lease.id}/events")
    steps = events_of(streamed.body)
    assert [step.number for step in steps] == list(range(len(steps)))
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages[-3:] == ["binding", "ready", "released"]


async def test_new_repeated_and_waiting_requests_are_told_apart(as_, site):
    alice = as_("alice")
    lease = await acquired(alice)
    await alice("DELETE", f"/leases/{lease.id}")
    pool = as_("watcher")

    async def vacant():
        return (await pool("GET", "/pools")).body[0]["machines"].get("vacant", 0)

    await eventually(vacant)
    site.boots = False
    key = {"Idempotency-Key": "k1"}
    first = await alice("POST", "/leases", json={}, headers=key)
    again = await alice("POST", "/leases", json={}, headers=key)
    other = await alice("POST", "/leases", json={})
    assert [first.status, again.status, other.status] == [201, 200, 202]
    assert first.body["id"] == again.body["id"] != other.body["id"]
    assert first.headers["Location"].endswith(f"/leases/{first.body['id']}")
    assert other.body["state"] == "waiting"
    assert other.body["machine"] is None
    bob = await as_("bob")("POST", "/leases", json={}, headers=key)
    assert bob.body["id"] != first.body["id"]


async def test_what_can_never_be_had_is_refused_with_the_reason(as_):
    impossible = await as_("alice")("POST", "/leases", json={"needs": {"cpus": 1000}})
    assert impossible.status == 422
    assert impossible.body["type"].endswith(":impossible")
    unknown = await as_("alice")("POST", "/leases", json={"needs": {"environment": "mantd"}})
    assert unknown.status == 400
    assert "'mantid'" in unknown.body["detail"]
    assert (await as_("alice")("GET", "/leases")).body == []


async def test_ended_leases_are_listed_when_asked_for(as_):
    alice = as_("alice")
    made = await alice("POST", "/leases", json={})
    await alice("DELETE", f"/leases/{made.body['id']}")
    assert (await alice("GET", "/leases")).body == []
    assert len((await alice("GET", "/leases?ended=true")).body) == 1
    assert (await alice("GET", "/leases?ended=true&owner=bob")).body == []


async def test_events_are_replayed_from_where_the_caller_was(as_):
    alice = as_("alice")
    lease = await acquired(alice)
    path = f"/leases/{lease.id}"
    await alice("DELETE", path)
    everything = events_of((await alice("GET", f"{path}/events")).body)
    since = events_of((await alice("GET", f"{path}/events?since=1")).body)
    after = events_of((await alice("GET", f"{path}/events", headers={"Last-Event-ID": "0"})).body)
    assert since == after == everything[1:]
    assert len(everything) >= 3
    nothing_new = await alice("GET", f"{path}/events?since=999")
    assert events_of(nothing_new.body) == []
    assert (await alice("GET", f"{path}/events?since=-1")).status == 400
    bad = await alice("GET", f"{path}/events", headers={"Last-Event-ID": "x"})
    assert bad.status == 400


async def test_events_arrive_as_they_happen(as_, service, site, http):
    lease = await acquired(as_("alice"))
    url = f"{service.url}/vmm/api/v1/leases/{lease.id}/events"
    headers = {"Authorization": f"Bearer {site.tokens['alice']}"}
    async with http.get(url, headers=headers) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        async with asyncio.timeout(WAIT_S):
            while b'"claimed"' not in await response.content.readline():
                pass
            await as_("alice")("DELETE", f"/leases/{lease.id}")
            rest = (await response.content.read()).decode()
    assert '"stage":"released"' in rest
    assert rest.endswith("event: end\ndata: {}\n\n")


async def test_a_caller_who_hangs_up_leaves_nothing_behind(as_, service, site, http):
    lease = await acquired(as_("alice"))
    before = asyncio.all_tasks()
    url = f"{service.url}/vmm/api/v1/leases/{lease.id}/events"
    headers = {"Authorization": f"Bearer {site.tokens['alice']}"}
    async with http.get(url, headers=headers) as response:
        await response.content.readline()
        assert [task for task in asyncio.all_tasks() - before if "_follow" in repr(task)]

    async def left():
        return [task for task in asyncio.all_tasks() - before if "_follow" in repr(task)]

    await eventually(left, lambda tasks: not tasks)


async def test_a_session_is_neither_stored_nor_logged(as_, site, caplog):
    caplog.set_level("DEBUG")
    secret = SESSION.program.env["JUPYTERHUB_API_TOKEN"]
    lease = await acquired(as_("hub"), owner="alice")
    text = SESSION.model_dump_json()
    assert secret in text
    assert (await as_("hub")("POST", f"/leases/{lease.id}/bind", data=text)).status == 200
    broken = await as_("hub")("POST", f"/leases/{lease.id}/bind", data=text.replace("user", "u"))
    assert broken.status == 400
    assert secret not in json.dumps(broken.body)
    assert secret not in caplog.text
    for path in site.folder.iterdir():
        assert secret.encode() not in path.read_bytes(), path
    for token in site.tokens.values():
        assert token not in caplog.text


async def test_a_waiting_lease_cannot_be_bound(as_, site):
    alice = as_("alice")
    made = await alice("POST", "/leases", json={"needs": {"gpus": 1}})
    if made.body["state"] != "waiting":
        pytest.fail("no pool keeps GPUs ready")
    answer = await alice("POST", f"/leases/{made.body['id']}/bind", data=SESSION.model_dump_json())
    assert answer.status == 409
    assert answer.body["type"].endswith(":conflict")


async def test_times_are_utc(as_):
    made = await as_("alice")("POST", "/leases", json={})
    assert datetime.fromisoformat(made.body["created_at"]).utcoffset().total_seconds() == 0
