"""``vmm status`` and ``vmm why``, as a person reads them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from vmm_core.cli import main
from vmm_core.client import VmmClient
from vmm_core.commands.status import _headline, _troubles, duration
from vmm_core.model import (
    CloudStatus,
    Lease,
    Machine,
    MachineState,
    Needs,
    PoolStatus,
    ReplicaStatus,
    Size,
    Status,
    Switch,
)

from .service import SESSION, Site, eventually, running

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def told(**known: object) -> Status:
    values = {
        "version": "1.0",
        "at": NOW,
        "replicas": (),
        "clouds": (),
        "pools": (),
        "leased": 1,
        "waiting": 0,
        "step_age_s": 1,
    }
    return Status.model_validate({**values, **known})


def machine(**known: object) -> Machine:
    values = {
        "id": "vmm-1",
        "pool": "mantid@ral/small",
        "cloud": "ral",
        "location": "ral",
        "environment": "mantid",
        "size": Size(name="small", cpus=2, ram_gb=8),
        "state": MachineState.HELD,
        "fingerprint": "f",
        "reason": "it did not boot",
        "created_at": NOW,
        "changed_at": NOW - timedelta(hours=3),
    }
    return Machine.model_validate({**values, **known})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (125, "2 min"),
        (3600, "1 h"),
        (3 * 3600 + 1260, "3 h 21 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str):
    assert duration(seconds) == said


def test_the_first_line_says_who_has_and_who_waits():
    assert _headline(told(), "http://vmm") == (
        "VMM 1.0 at http://vmm, one process: 1 machine is leased, nobody waits"
    )
    two = tuple(ReplicaStatus(id=name, url="", started_at=NOW, seen_at=NOW) for name in ("a", "b"))
    line = _headline(told(replicas=two, leased=3, waiting=2, longest_wait_s=200), "http://vmm")
    assert line.endswith(
        "2 processes: 3 machines are leased, 2 wait for one, the longest for 3 min"
    )


def test_nothing_to_look_at_is_nothing():
    pool = PoolStatus(name="p", pool=None, location="ral", machines={MachineState.VACANT: 1})
    cloud = CloudStatus(name="ral", kind="x", location="ral", machines={})
    assert list(_troubles(told(pools=(pool,), clouds=(cloud,)))) == []


def test_everything_that_needs_a_look_has_its_sentence():
    hand = Switch(
        kind="cloud", name="ral", state="draining", by="olga", reason="new network", since=NOW
    )
    clouds = (
        CloudStatus(
            name="ral",
            kind="x",
            location="ral",
            machines={},
            orphans={"disk": 2},
            trouble="no answer",
            switch=hand,
        ),
    )
    pools = (
        PoolStatus(
            name="p",
            pool=None,
            location="ral",
            machines={MachineState.FAILED: 1},
            failures=3,
            switch=hand.model_copy(update={"kind": "pool", "state": "paused", "reason": ""}),
        ),
    )
    held = (
        machine(),
        machine(holding="2 files of alice's"),
        machine(kept_until=NOW + timedelta(hours=1)),
    )
    assert list(_troubles(told(clouds=clouds, pools=pools, held=held, step_age_s=600))) == [
        "the pool manager has not ended a step for 10 min: see the service's log",
        "cloud ral: no answer",
        "cloud ral is draining by olga for 0 s: new network",
        "cloud ral has what no ledger has (2 disk): it is deleted when seen again",
        "pool p is paused by olga for 0 s",
        "pool p: 3 failures in a row",
        "pool p: 1 failed and will be deleted",
        "machine vmm-1 is held for 3 h: it did not boot",
        "machine vmm-1 is held for 3 h: 2 files of alice's",
        "machine vmm-1 can be taken back until 2026-03-02 10:00 UTC",
    ]


async def test_a_running_service_says_how_it_stands_and_why(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    site = Site(tmp_path)
    async with site.machines(), running(site) as service:

        async def vmm(name: str, *arguments: str) -> str:
            monkeypatch.setenv("VMM_URL", service.url)
            monkeypatch.setenv("VMM_TOKEN_FILE", str(site.token_file(name)))
            assert await asyncio.to_thread(main, arguments) == 0, capsys.readouterr().err
            return capsys.readouterr().out

        await vmm("hub", "acquire", "--environment", "mantid", "--owner", "alice", "--wait")
        (lease,) = json.loads(await vmm("hub", "leases", "--json"))
        page = await vmm("operator", "status")
        assert "1 machine is leased, nobody waits" in page
        assert "mantid@sim/small" in page
        story = await vmm("hub", "why", lease["id"])
        assert "asked for mantid" in story
        assert "its environment is gpu" in story
        assert "claimed" in story
        facts = await vmm("operator", "why", lease["machine"]["id"])
        assert "acquired since" in facts
        assert f"leased: see `vmm why {lease['id']}`" in facts


async def test_what_is_its_users_on_a_held_machine_is_for_operators(tmp_path):
    site = Site(tmp_path)
    async with site.machines(), running(site) as service:
        hub, watcher, operator = (
            VmmClient(service.url, site.tokens[name]) for name in ("hub", "watcher", "operator")
        )
        store = service._pools._store

        async def acquired() -> Lease | None:
            found = await hub.lease(lease.id)
            return found if found.machine else None

        lease = await hub.acquire(Needs(environment="mantid"), owner="alice")
        held = (await eventually(acquired)).machine
        await hub.bind(lease.id, SESSION)
        await store.machines.hold(held.id, "thesis.txt of alice's")
        await hub.release(lease.id)
        (seen,), (whole,) = (await watcher.status()).held, (await operator.status()).held
        assert (whole.id, whole.holding) == (held.id, "thesis.txt of alice's")
        assert whole.address
        assert (seen.id, seen.holding) == (held.id, "something of its user's")
        assert (seen.address, seen.lease, seen.ports) == (None, None, {})
        for each in (hub, watcher, operator):
            await each.close()
