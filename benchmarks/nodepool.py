"""The same hand-over on two pool managers, side by side: OpenStack's Nodepool and this VMM.

Measured is the time from a request to its fulfilment from ready stock, one
request at a time and ten at the same instant, at random moments:

* Nodepool 11.0.0: its launcher with its fake driver and its ZooKeeper, asked as
  Zuul asks it, by its own ZooKeeper classes: request stored -> a watch says
  FULFILLED. (Its requestor has then to lock the node: ``…_in_use_…``.)
* The VMM: ``vmm serve`` with its simulated cloud, on SQLite and on PostgreSQL:
  ``POST /vmm/api/v1/leases`` -> 201 with the machine, which is then the user's.

All services run on loopback of this host with their logs on its disk: ZooKeeper,
SQLite and PostgreSQL answer when it is written through. Each side has the same
stock, refills it meanwhile, and is asked with the same pauses. Blocks of
requests alternate between the sides, and each waits until all stocks are full.

Nodepool's launcher looks for requests, works through what it finds one after the
other (eight writes to ZooKeeper each), marks them as fulfilled at the end, and
sleeps for a second (``WATERMARK_SLEEP``) whatever has come in meanwhile. No setting
changes that second; what its configuration has was set to its fastest (``rate``).
So more than nine tenths of its median are sleep: ``sleep_share`` is what goes away
when a launcher that is changed for it sleeps 10 ms. Its series
``nodepool_unsleeping_…`` are taken after the rest, as it is never idle, and
``ratio_unsleeping`` says what the two designs differ by without that second.

    make bench-nodepool
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from examples.demo.stack import remove_folder

from . import report
from .nodepool_peer.install import install
from .nodepool_peer.peer import Nodepool
from .nodepool_peer.vmm import Vmm
from .nodepool_peer.zookeeper import ZooKeeper
from .postgres import Postgres

AT_ONCE = (1, 10)
UNSLEEPING_S = 0.01
TICKS_MS = (5, 10, 20, 50, 100, 200, 500, 1000)

Times = Mapping[str, Sequence[float]]
"""Series, such as ``sqlite_10`` -> the ms of each request."""


class Side(Protocol):
    """A pool manager with a stock."""

    def start(self) -> None:
        """Start, and fill the stock."""

    def stop(self) -> None:
        """End everything."""

    def ask(self, *, requests: int, at_once: int, seed: int) -> list[dict[str, float]]:
        """The times of each request in ms."""

    def settle(self) -> None:
        """Give everything back and fill the stock."""


def main() -> None:
    """Run the rounds and write ``results/nodepool.json`` and its plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=50, help="in a block; also the stock")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # nothing is left running
    install()
    folder = Path(tempfile.mkdtemp(prefix="bench-nodepool-"))
    times: dict[str, list[float]] = defaultdict(list)
    try:
        measure(times, folder, arguments.rounds, arguments.requests)
        measure_unsleeping(times, folder, max(1, arguments.rounds // 2), arguments.requests)
    finally:
        remove_folder(folder)
    asked = arguments.rounds * arguments.requests
    note = f"{asked} requests of a kind and side, stock {arguments.requests}"
    report.write("nodepool", figures(times), note=f"{note}; load {load:.1f} at the start")
    plot(times, report.RESULTS / "nodepool.png")


def measure(times: dict[str, list[float]], folder: Path, rounds: int, requests: int) -> None:
    """Alternating blocks of all sides, which all run all the time."""
    with ExitStack() as stack:
        zookeeper, postgres = ZooKeeper(folder / "zookeeper"), Postgres()
        for server in (zookeeper, postgres):
            stack.callback(server.stop)
            server.start()
        sides: dict[str, Side] = {
            "nodepool": Nodepool(folder / "nodepool", zookeeper, ready=requests),
            "sqlite": Vmm(
                folder / "sqlite", "sqlite+aiosqlite:///{folder}/vmm.sqlite", ready=requests
            ),
            "postgres": Vmm(folder / "postgres", postgres.url, ready=requests),
        }
        for side in sides.values():
            stack.callback(side.stop)
            side.start()
        order = list(sides)
        for number in range(rounds):
            for at_once in AT_ONCE:
                for name in order:
                    block(times, name, sides[name], requests, at_once, number)
            order.append(order.pop(0))


def measure_unsleeping(
    times: dict[str, list[float]], folder: Path, rounds: int, requests: int
) -> None:
    """Nodepool alone, its launcher changed to look for requests every 10 ms."""
    with ExitStack() as stack:
        zookeeper = ZooKeeper(folder / "zookeeper-unsleeping")
        stack.callback(zookeeper.stop)
        zookeeper.start()
        side = Nodepool(folder / "unsleeping", zookeeper, ready=requests, sleep_s=UNSLEEPING_S)
        stack.callback(side.stop)
        side.start()
        for number in range(rounds):
            for at_once in AT_ONCE:
                block(times, "nodepool_unsleeping", side, requests, at_once, number)


def block(
    times: dict[str, list[float]], name: str, side: Side, requests: int, at_once: int, seed: int
) -> None:
    """A block of requests to one side, from full stock to full stock."""
    for answer in side.ask(requests=requests, at_once=at_once, seed=seed):
        times[f"{name}_{at_once}"].append(answer.pop("fulfilled"))
        for moment, ms in answer.items():
            times[f"{name}_{at_once}_{moment}"].append(ms)
    side.settle()
    p50 = report.percentile(times[f"{name}_{at_once}"], 0.5)
    print(f"{name}, {at_once} at once: p50 {p50:.1f} ms so far", flush=True)


def figures(times: Times) -> dict[str, float]:
    """Percentiles in ms, and the ratios."""
    found: dict[str, float] = {}
    for series, values in times.items():
        found[f"{series}_p50_ms"] = report.percentile(values, 0.5)
        found[f"{series}_p99_ms"] = report.percentile(values, 0.99)

    def ratio(theirs: str, ours: str) -> float:
        return found[f"{theirs}_p50_ms"] / found[f"{ours}_p50_ms"]

    ratios = {"ratio": ratio("nodepool_1", "postgres_1")}
    ratios["ratio_sqlite"] = ratio("nodepool_1", "sqlite_1")
    ratios["ratio_10"] = ratio("nodepool_10", "postgres_10")
    ratios["ratio_10_sqlite"] = ratio("nodepool_10", "sqlite_10")
    ratios["ratio_unsleeping"] = ratio("nodepool_unsleeping_1", "postgres_1")
    ratios["ratio_unsleeping_10"] = ratio("nodepool_unsleeping_10", "postgres_10")
    ratios["sleep_share"] = 1 - ratio("nodepool_unsleeping_1", "nodepool_1")
    return ratios | found


def plot(times: Times, path: Path) -> None:
    """The share of requests that are fulfilled within a time, of every side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = {
        "nodepool": "Nodepool 11",
        "nodepool_unsleeping": "Nodepool 11, changed to sleep 10 ms",
        "sqlite": "VMM, SQLite",
        "postgres": "VMM, PostgreSQL",
    }
    chart, panels = pyplot.subplots(1, len(AT_ONCE), figsize=(10, 4.4), sharex=True, sharey=True)
    for panel, at_once in zip(panels, AT_ONCE, strict=True):
        for name, label in names.items():
            values = sorted(times[f"{name}_{at_once}"])
            shares = [rank / len(values) for rank in range(len(values) + 1)]
            panel.step([values[0], *values], shares, where="post", label=label)
        panel.set_xscale("log")
        panel.set_xticks(TICKS_MS, [str(tick) for tick in TICKS_MS])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
        panel.set_xlabel("ms from request to fulfilled")
        panel.set_title("one request at a time" if at_once == 1 else f"{at_once} at once")
    panels[0].set_ylabel("share of requests")
    chart.suptitle(f"Hand-over from ready stock ({report.machine()})", fontsize="medium")
    lines, labels = panels[0].get_legend_handles_labels()
    chart.legend(lines, labels, loc="lower center", ncols=len(names), fontsize="small")
    chart.tight_layout(rect=(0, 0.06, 1, 1))
    chart.savefig(path, dpi=110)
    pyplot.close(chart)


if __name__ == "__main__":
    main()
