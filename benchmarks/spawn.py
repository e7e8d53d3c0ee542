"""Click to JupyterLab: ten spawns through a real hub in a real browser, and a peer beside them.

Each round opens the spawn page, waits until a machine is ready, presses Start
and waits until JupyterLab's launcher can be used; while it does, the pool
already boots the next machine on the same host. The browser is kept for the
ten rounds, as a user's is: the first round fills its cache. Two more series
use a new browser for each round: ours (``cold_browser_…``) and the peer's.

Stages come from the lease's own events, on the same clock:

* claim: click -> a ready machine is the user's
* bind: account and data mount are there, the notebook server is starting
* server answers: the notebook server answers on its port
* page ready: the hub has routed and the browser has drawn JupyterLab

The peer is the same hub release with JupyterHub's own ``simple`` spawner,
which starts ``jupyterhub-singleuser`` cold on the same host: no machine, no
data. Its rounds alternate with ours of the same kind.

    make bench-spawn
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from examples.demo.stack import Settings, Stack, remove_folder, until
from tests.conftest import browser_program
from tests.support import pages

from . import report
from .peer_hub import PeerHub

ENVIRONMENT = "sans-for-sans2d"


def main() -> None:
    """Run the rounds and write ``results/spawn.json``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cold-rounds", type=int, default=5)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="bench-spawn-"))
    stack = Stack(Settings(state=folder / "state", data=folder / "data", events_gb=0.01))
    peer = PeerHub(folder / "peer")
    try:
        stack.start(tell=print)
        peer.start()
        figures = measure(stack, peer, arguments.rounds, arguments.cold_rounds)
    finally:
        peer.stop()
        stack.stop()
        remove_folder(folder)
    note = f"{arguments.rounds} spawns in one browser, {arguments.cold_rounds} in new ones"
    report.write("spawn", figures, note=f"{note}; load {load:.1f} at the start")


def measure(stack: Stack, peer: PeerHub, rounds: int, cold_rounds: int) -> dict[str, float]:
    """All rounds, as figures."""
    times: dict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        with new_browser(browser, stack) as page:
            for _ in range(rounds):
                for stage, seconds in one_spawn(stack, page).items():
                    times[stage].append(seconds)
                print(f"click to lab: {times['click_to_lab'][-1]:.2f} s", flush=True)
        for _ in range(cold_rounds):
            with new_browser(browser, stack) as page:
                seconds = one_spawn(stack, page)["click_to_lab"]
            times["cold_browser_click_to_lab"].append(seconds)
            times["peer_cold_browser_click_to_lab"].append(peer.one_spawn(browser))
            peer_seconds = times["peer_cold_browser_click_to_lab"][-1]
            print(f"new browser: {seconds:.2f} s, peer: {peer_seconds:.2f} s", flush=True)
        browser.close()
    figures = {f"{stage}_p50_s": report.percentile(all_, 0.5) for stage, all_ in times.items()}
    figures |= {f"{stage}_p95_s": report.percentile(all_, 0.95) for stage, all_ in times.items()}
    figures["peer_over_ours_cold_browser"] = (
        figures["peer_cold_browser_click_to_lab_p50_s"] / figures["cold_browser_click_to_lab_p50_s"]
    )
    return figures


@contextmanager
def new_browser(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page with nothing in its cache, logged in."""
    context: BrowserContext = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    pages.log_in(page, stack.hub_url, "alice", stack.settings.password)
    yield page
    context.close()


def wait_until_ready(stack: Stack) -> None:
    """Return when the pool is full again: the benchmark is of a ready machine."""
    with stack.vmm() as vmm:
        for _ in until(120):
            offers = [offer for offer in vmm.offers() if offer.environment.name == ENVIRONMENT]
            if any(offer.free for offer in offers) and not any(offer.booting for offer in offers):
                return
    raise SystemExit("no machine became ready within 120 s")


def one_spawn(stack: Stack, page: Page) -> dict[str, float]:
    """Seconds of each stage of one spawn, and of the whole."""
    wait_until_ready(stack)
    pages.open_spawn_page(page, stack.hub_url, "alice")
    pages.choose(page, ENVIRONMENT, "isis")
    clicked = time.time()
    pages.press_start(page)
    pages.wait_for_lab(page)
    done = time.time()
    with stack.vmm() as vmm:
        (lease,) = vmm.leases(owner="alice")
        at: dict[str, float] = {}
        for event in vmm.events(lease.id):
            at[event.stage] = event.at.timestamp()
            if event.message.startswith("Starting jupyterhub-singleuser"):
                at["server starting"] = event.at.timestamp()
            if event.stage == "ready":
                break
    pages.stop_server(page, stack.hub_url)
    return {
        "click_to_lab": done - clicked,
        "claim": at["claimed"] - clicked,
        "bind": at["server starting"] - at["claimed"],
        "server_answers": at["ready"] - at["server starting"],
        "page_ready": done - at["ready"],
    }


if __name__ == "__main__":
    main()
