"""The main job as a scientist does it in a browser: log in, choose, start, read data, stop.

Keeps a screenshot of each page in ``tests/artefacts/end-to-end``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.demo.archive import CYCLE
from examples.demo.stack import Stack, until

from ..support import pages
from .notebook import run_in_notebook

pytestmark = [pytest.mark.browser, pytest.mark.mount, pytest.mark.timeout(240)]

ENVIRONMENT = "sans-for-sans2d"
ARCHIVE = f"/archive/NDXSANS2D/{CYCLE}"
READ = f"""
import h5py
small = h5py.File('/data{ARCHIVE}/SANS2D00033837.h5')
large = h5py.File('/data{ARCHIVE}/SANS2D00033838.nxs')
print('Q:', small['sasentry01/sasdata/Q'].shape[0])
print('events:', large['raw_data_1/detector_1_events/event_id'][:1000].size)
"""


@pytest.fixture
def page(browser: Browser, trace_folder: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    yield page
    page.screenshot(path=trace_folder / "last.png")  # what a failed test saw
    context.close()


def test_from_login_to_data_and_back(stack: Stack, page: Page, trace_folder: Path) -> None:
    pages.log_in(page, stack.hub_url, "alice", stack.settings.password)

    # 1. The spawn page shows what can be had, and what is free now.
    pages.open_spawn_page(page, stack.hub_url, "alice")
    expect(page.locator(".daaas-cards")).to_contain_text("SANS for SANS2D")
    gpu = page.locator("input[name=environment][value=tomography-recommended]")
    expect(gpu).to_be_disabled()  # no GPU on this host: shown as such, never faked
    with stack.vmm() as vmm:
        free = sum(offer.free for offer in vmm.offers() if offer.environment.name == ENVIRONMENT)
        before = {machine.id for machine in vmm.machines()}
    assert free >= 1
    pages.choose(page, ENVIRONMENT, "isis")
    page.screenshot(path=trace_folder / "1-spawn-page.png")

    # 2. Start: a machine that was booted before becomes alice's.
    pages.press_start(page)
    pages.wait_for_lab(page)
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="alice")
    assert lease.machine is not None
    assert lease.machine.id in before
    assert lease.machine.location == "isis"

    # 3. The file panel and the mount show the same data in the same state.
    panel = pages.open_data_panel(page)
    expect(panel).to_contain_text("archive")
    for folder in ARCHIVE.strip("/").split("/"):
        panel.get_by_text(folder, exact=True).first.dblclick()
    small = panel.locator(f"li[data-dms-path='{ARCHIVE}/SANS2D00033837.h5']")
    large = panel.locator(f"li[data-dms-path='{ARCHIVE}/SANS2D00033838.nxs']")
    expect(small.locator(".dms-Badge")).to_have_attribute("data-state", "remote")
    expect(large.locator(".dms-Badge")).to_have_attribute("data-state", "remote")
    page.screenshot(path=trace_folder / "3-remote.png")
    output = run_in_notebook(page, READ)
    assert "events: 1000" in output
    expect(small.locator(".dms-Badge")).to_have_attribute("data-state", "cached")
    expect(large.locator(".dms-Badge")).to_have_attribute("data-state", "partial")
    page.screenshot(path=trace_folder / "4-partial.png")
    large.click(button="right")
    page.get_by_text("Fetch now", exact=True).click()
    expect(large.locator(".dms-Badge")).to_have_attribute("data-state", "cached", timeout=60_000)
    page.screenshot(path=trace_folder / "5-cached.png")

    # 4. Stop: the machine is gone, a new one boots to refill the pool.
    pages.stop_server(page, stack.hub_url)
    page.screenshot(path=trace_folder / "6-stopped.png")
    with stack.vmm() as vmm:
        for _ in until(60):
            machines = {machine.id: machine for machine in vmm.machines()}
            refilled = [
                one
                for one in machines.values()
                if one.pool == lease.machine.pool and one.state == "vacant"
            ]
            if lease.machine.id not in machines and len(refilled) == 2:
                break
        assert lease.machine.id not in machines
        assert len(refilled) == 2
        assert vmm.leases(owner="alice") == []


def test_nothing_is_ready_and_the_progress_page_tells(
    stack: Stack, page: Page, trace_folder: Path
) -> None:
    pages.log_in(page, stack.hub_url, "carol", stack.settings.password)
    pages.open_spawn_page(page, stack.hub_url, "carol")
    pages.choose(page, "artemis")  # a pool that keeps no machine ready: it boots when asked
    pages.press_start(page)
    page.wait_for_url("**/spawn-pending/**", timeout=20_000)
    expect(page.locator("#progress-log li").nth(1)).to_be_visible(timeout=20_000)
    page.screenshot(path=trace_folder / "2-progress.png")
    pages.wait_for_lab(page)
    pages.stop_server(page, stack.hub_url)
