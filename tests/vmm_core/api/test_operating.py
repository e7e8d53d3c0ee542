"""What operators do to pools, clouds and machines over the API and by the command line."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from vmm_core.cli import main
from vmm_core.client import VmmClient
from vmm_core.commands.machines import plain
from vmm_core.errors import Conflict, NotAllowed, NotFound

from ..service import eventually

POOL = "mantid@sim/small"


@pytest.fixture
async def operator(service, site):
    async with VmmClient(service.url, site.tokens["operator"]) as vmm:
        yield vmm


async def test_a_pool_is_named_in_a_path_by_its_percent_encoded_name(as_):
    call = as_("operator")
    paused = await call("POST", f"/pools/{quote(POOL, safe='')}/pause", json={"reason": "x"})
    assert (paused.status, paused.body["name"]) == (200, POOL)
    assert paused.body["switch"]["by"] == "operator"
    lower = quote(POOL, safe="").replace("%2F", "%2f").replace("%40", "@")
    resumed = await call("POST", f"/pools/{lower}/resume")
    assert (resumed.status, resumed.body["switch"]) == (200, None)
    unknown = await call("POST", "/pools/mantid%40sim%2Fsmal/pause")
    assert unknown.status == 404
    assert "did you mean 'mantid@sim/small'" in unknown.body["detail"]


async def test_only_operators_change_anything_and_watchers_see_it(as_):
    for path in (f"/pools/{quote(POOL, safe='')}/pause", "/clouds/sim/drain"):
        for name in ("alice", "hub", "watcher"):
            assert (await as_(name)("POST", path)).status == 403
    assert (await as_("watcher")("GET", "/clouds")).status == 200
    assert (await as_("alice")("GET", "/clouds")).status == 403
    assert (await as_("watcher")("GET", "/machines/vmm-1/console")).status == 403


async def test_a_cloud_is_drained_and_taken_back_by_the_client(operator):
    async def vacant() -> int:
        (pool, _) = await operator.pools()
        return pool.machines.get("vacant", 0)

    await eventually(vacant)
    drained = await operator.drain("sim", "it moves")
    assert drained.switch is not None
    assert (drained.switch.state, drained.switch.reason) == ("draining", "it moves")

    async def gone() -> bool:
        return not await operator.machines()

    await eventually(gone)
    (offer, _) = await operator.offers()
    assert not offer.available
    assert "drained by operator" in offer.reason
    assert (await operator.undrain("sim")).switch is None
    await eventually(vacant)
    with pytest.raises(NotFound, match="did you mean 'sim'"):
        await operator.drain("sims")


async def test_a_machines_console_is_read(operator, service, site):
    async def machines():
        return [m for m in await operator.machines() if m.cloud_id]

    (machine, *_) = await eventually(machines)
    found = await operator.console(machine.id)
    assert (found.machine, found.kept) == (machine.id, False)
    assert found.text.startswith(machine.id)
    with pytest.raises(NotFound):
        await operator.console("vmm-none")
    await operator.pause(POOL)
    await operator.delete(machine.id)

    async def deleted() -> bool:
        return machine.id not in {m.id for m in await operator.machines()}

    await eventually(deleted)
    with pytest.raises(Conflict, match="set keep_failed"):
        await operator.console(machine.id)
    async with VmmClient(service.url, site.tokens["alice"]) as alice:
        with pytest.raises(NotAllowed):
            await alice.console(machine.id)


async def test_commands_do_and_show_it(service, site, capsys):
    async def run(*arguments: str) -> tuple[int, str, str]:
        asks = ["--url", service.url, "--token-file", str(site.token_file("operator"))]
        capsys.readouterr()
        status = await asyncio.to_thread(main, [*arguments, *asks])
        return status, *capsys.readouterr()

    status, out, _ = await run("pause", POOL, "--reason", "new image")
    assert (status, "paused by operator" in out) == (0, True)
    assert (await run("resume", POOL))[0] == 0
    status, out, _ = await run("drain", "sim", "--reason", "it moves")
    assert (status, "draining by operator: it moves" in out) == (0, True)
    status, out, _ = await run("clouds")
    assert (status, "draining by operator" in out) == (0, True)
    assert (await run("undrain", "sim"))[0] == 0
    status, _, err = await run("console", "vmm-none")
    assert (status, err.startswith("vmm: there is no machine 'vmm-none'")) == (1, True)


def test_a_console_does_nothing_to_the_terminal_that_shows_it():
    assert plain("a\x1b[2Jb\r\nc\td\x07\u202e") == "a\\x1b[2Jb\nc\td\\x07\\x202e"
