"""Click to JupyterLab: ten spawns through a real hub in a real browser, and a peer beside them.

Each round: a new browser context (nothing in its cache, as at a user's first
visit) logs in, opens the spawn page, waits until a machine is ready, presses
Start and waits until JupyterLab's launcher can be used. Stages come from the
lease's own events, on the VMM's clock:

* claim: click -> a ready machine is the user's
* bind: account, data mount, notebook server started
* server answers: the notebook server answers on its port
* page ready: the hub has routed and the browser has drawn JupyterLab

The peer is the same hub release with JupyterHub's own ``simple`` spawner,
which starts ``jupyterhub-singleuser`` cold on the same host: no machine, no
data. Its rounds alternate with ours.

    make bench-spawn
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from examples.demo.stack import Settings, Stack, until
from tests.conftest import browser_program
from tests.support import pages

from . import report
from .peer_hub import PeerHub

ENVIRONMENT = "sans-for-sans2d"


def main() -> None:
    """Run the rounds and write ``results/spawn.json``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peer-rounds", type=int, default=5)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-spawn-"))
    stack = Stack(Settings(state=folder / "state", data=folder / "data", events_gb=0.01))
    peer = PeerHub(folder / "peer")
    try:
        stack.start(tell=print)
        peer.start()
        figures = measure(stack, peer, arguments.rounds, arguments.peer_rounds)
    finally:
        peer.stop()
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)
    report.write("spawn", figures, note=f"{arguments.rounds} spawns, a fresh browser for each")


def measure(stack: Stack, peer: PeerHub, rounds: int, peer_rounds: int) -> dict[str, float]:
    """All rounds, as figures."""
    times: dict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for number in range(rounds):
            wait_until_ready(stack)
            for stage, seconds in one_spawn(stack, browser).items():
                times[stage].append(seconds)
            print(f"round {number + 1}: {times['click_to_lab'][-1]:.2f} s", flush=True)
            if number < peer_rounds:
                times["peer_click_to_lab"].append(peer.one_spawn(browser))
                print(f"  peer: {times['peer_click_to_lab'][-1]:.2f} s", flush=True)
        browser.close()
    figures = {f"{stage}_p50_s": report.percentile(all_, 0.5) for stage, all_ in times.items()}
    figures |= {f"{stage}_p95_s": report.percentile(all_, 0.95) for stage, all_ in times.items()}
    figures["peer_over_ours_p50"] = (
        figures["peer_click_to_lab_p50_s"] / figures["click_to_lab_p50_s"]
    )
    return figures


def wait_until_ready(stack: Stack) -> None:
    """Return when the pool is full again: the benchmark is of a ready machine."""
    with stack.vmm() as vmm:
        for _ in until(120):
            offers = [offer for offer in vmm.offers() if offer.environment.name == ENVIRONMENT]
            if any(offer.free for offer in offers) and not any(offer.booting for offer in offers):
                return
    raise SystemExit("no machine became ready within 120 s")


def one_spawn(stack: Stack, browser: Browser) -> dict[str, float]:
    """Seconds of each stage of one spawn, and of the whole."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        pages.log_in(page, stack.hub_url, "alice", stack.settings.password)
        pages.open_spawn_page(page, stack.hub_url, "alice")
        pages.choose(page, ENVIRONMENT, "isis")
        clicked = time.time()
        pages.press_start(page)
        pages.wait_for_lab(page)
        done = time.time()
        with stack.vmm() as vmm:
            (lease,) = vmm.leases(owner="alice")
            at = {}
            for event in vmm.events(lease.id):
                at.setdefault(event.stage, event.at.timestamp())
                last = event
                if event.stage == "ready":
                    break
        pages.stop_server(page, stack.hub_url)
    finally:
        context.close()
    return {
        "click_to_lab": done - clicked,
        "claim": at["claimed"] - clicked,
        "bind_and_answer": last.at.timestamp() - at["claimed"],
        "page_ready": done - last.at.timestamp(),
    }


if __name__ == "__main__":
    main()
