"""A service stops in the middle of a session: the notebook goes on, and pages say what is wrong."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.demo.stack import Stack, until
from vmm_core.model import Lease, MachineState

from ..support import pages
from .notebook import Kernel

pytestmark = [pytest.mark.browser, pytest.mark.mount, pytest.mark.timeout(240)]

SMALL = "/data/archive/NDXMERLIN/Instrument/data/cycle_13_2/MERLIN00015020.nxs"
OTHER = "/data/archive/NDXLOQ/Instrument/data/cycle_13_2/LOQ00081070.nxs"


def start_server(page: Page, stack: Stack, user: str) -> None:
    """Log in and start the user's server; returns in JupyterLab."""
    pages.log_in(page, stack.hub_url, user, stack.settings.password)
    pages.open_spawn_page(page, stack.hub_url, user)
    pages.choose(page, "sans-for-sans2d", "clf")
    pages.press_start(page)
    pages.wait_for_lab(page)


@pytest.fixture(scope="module")
def bob(stack: Stack, browser: Browser) -> Iterator[Page]:
    """Bob, with a running server; stopped at the end."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    start_server(page, stack, "bob")
    yield page
    pages.stop_server(page, stack.hub_url)
    context.close()


@pytest.fixture(scope="module")
def kernel(bob: Page, stack: Stack) -> Iterator[Kernel]:
    """A kernel on bob's machine."""
    with Kernel(bob, f"{stack.hub_url}/user/bob") as kernel:
        yield kernel


def bobs_lease(stack: Stack) -> Lease:
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="bob")
    return lease


def test_the_dms_stops_and_comes_back(stack: Stack, kernel: Kernel) -> None:
    assert kernel.run(f"print(len(open('{SMALL}', 'rb').read()))") == "286396"
    stack.stop_part("dms")
    try:
        assert kernel.run(f"print(len(open('{SMALL}', 'rb').read()))") == "286396"  # cached
        failed = kernel.run(
            f"""
try:
    open('{OTHER}', 'rb').read()
except OSError as error:
    print(error.strerror)
"""
        )
        assert failed == "No route to host"
        assert kernel.run("print(6 * 7)") == "42"
    finally:
        stack.start_dms()
        stack.wait_for("dms", f"{stack.dms_url}/dms/api/v1/health")
    # The mount looks for the service every 2 s; until then what is not cached fails at once.
    for _ in until(60):
        read = kernel.run(f"print(len(open('{OTHER}', 'rb').read()))")
        if "No route to host" not in read:
            break
    assert read == "4880044"


def test_the_vmm_is_killed_and_comes_back(stack: Stack, kernel: Kernel, browser: Browser) -> None:
    before = bobs_lease(stack)
    stack.stop_part("vmm", signal.SIGKILL)
    try:
        assert kernel.run("print('still here')") == "still here"
        context = browser.new_context()
        page = context.new_page()
        pages.log_in(page, stack.hub_url, "carol", stack.settings.password)
        page.goto(f"{stack.hub_url}/hub/spawn/carol")
        expect(page.locator(".alert")).to_contain_text("does not answer")
        context.close()
    finally:
        stack.start_vmm()
        stack.wait_for("vmm", f"{stack.vmm_url}/vmm/api/v1/health")
    after = bobs_lease(stack)
    assert after.id == before.id
    assert after.machine is not None
    assert before.machine is not None
    assert after.machine.id == before.machine.id
    assert kernel.run("print('the same kernel:', 6 * 7)") == "the same kernel: 42"
    with stack.vmm() as vmm:  # ready machines were kept as well, and are leased once only
        leased = [lease.machine.id for lease in vmm.leases() if lease.machine]
        assert len(leased) == len(set(leased))


def test_a_stop_while_the_dms_is_away_loses_nothing(
    stack: Stack, browser: Browser, trace_folder: Path
) -> None:
    context = browser.new_context()
    page = context.new_page()
    start_server(page, stack, "carol")
    try:
        with Kernel(page, f"{stack.hub_url}/user/carol") as kernel:
            assert kernel.run("import os; print(os.listdir('/data/home/carol') != None)") == "True"
            stack.stop_part("dms")
            wrote = "open('/data/home/carol/kept.txt', 'w').write('the only copy')"
            assert kernel.run(f"print({wrote})") == "13"
        pages.stop_server(page, stack.hub_url)
        with stack.vmm() as vmm:
            for _ in until(60):
                held = [one for one in vmm.machines() if one.state is MachineState.HELD]
                if held and held[0].holding:
                    break
        pages.open_spawn_page(page, stack.hub_url, "carol")
        note = page.locator(".daaas .alert-info")
        expect(note).to_contain_text("is kept until your files are in your home")
        page.screenshot(path=trace_folder / "stop-while-the-dms-is-away.png")
        assert [one.lease for one in held] == [None]
        assert "carol not sent yet" in held[0].reason
        kept = held[0].id
    finally:
        stack.start_dms()
        stack.wait_for("dms", f"{stack.dms_url}/dms/api/v1/health")
    with stack.vmm() as vmm:
        for _ in until(60):
            if kept not in {one.id for one in vmm.machines()}:
                break
        assert kept not in {one.id for one in vmm.machines()}
    assert (stack.settings.data / "home/carol/kept.txt").read_text() == "the only copy"
    context.close()
