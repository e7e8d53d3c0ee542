"""Claims: how long they take when up to 1000 people ask at once, and how many are double.

The service (``vmm serve``, one process or three on one database behind a balancer that takes
turns), its database and the client share the cores of one host; the databases write through to
its disk. Ready machines are in stock, the pool managers run beside the claims.

* ``<db>_<n>_p50_ms``, ``_p99_ms``: from the instant at which n people ask until one has the
  answer, which is the lease with its machine; ``<db>_3x_<n>_…`` with three replicas.
* ``<db>_<n>_total_s``: until the last of n has it; ``<db>_claims_per_s``: 1000 at once.
* ``double_claims``: machines that the ledger shows with two leases, and leases that share one,
  after a million claims by many claimers in several processes (``--million``).

    make bench-claim
    make bench-claim CLAIM="--million 50000"
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.demo.stack import remove_folder

from . import report
from .claiming.burst import bursts
from .claiming.million import count_doubles
from .claiming.site import Site
from .postgres import Postgres

AT_ONCE = (1, 10, 100, 1000)
ROUNDS = {1: 200, 10: 40, 100: 15, 1000: 3}


def main() -> None:
    """Measure and write ``results/claim.json`` and its plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgres"])
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 3])
    parser.add_argument("--at-once", nargs="+", type=int, default=list(AT_ONCE))
    parser.add_argument(
        "--million", type=int, default=1_000_000, help="claims to look for doubles in; 0 is none"
    )
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    figures: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(prefix="bench-claim-"))
    try:
        for database in arguments.databases:
            for replicas in arguments.replicas:
                for at_once in arguments.at_once:
                    figures |= measured(folder, database, replicas, at_once)
        if arguments.million:
            with made("postgres", folder) as url:
                figures |= count_doubles(url, arguments.million)
    finally:
        remove_folder(folder)
    cores = len(os.sched_getaffinity(0))
    note = f"client, services and database share {cores} cores; load {load:.1f} at the start"
    path = report.write("claim", figures, note=note)
    if any(key.endswith("_p50_ms") for key in figures):
        plot(figures, path.with_suffix(".png"))


def measured(folder: Path, database: str, replicas: int, at_once: int) -> dict[str, float]:
    """The figures of one number of people at once."""
    rounds = ROUNDS.get(at_once, 3)
    with made(database, folder) as url:
        place = folder / uuid.uuid4().hex
        site = Site(place, url, stock=at_once * rounds, replicas=replicas)
        with site.running():
            each_ms, all_s = asyncio.run(bursts(site.ports, site.token, at_once, rounds))
    name = database if replicas == 1 else f"{database}_{replicas}x"
    found = {
        f"{name}_{at_once}_p50_ms": report.percentile(each_ms, 0.5),
        f"{name}_{at_once}_p99_ms": report.percentile(each_ms, 0.99),
        f"{name}_{at_once}_total_s": report.percentile(all_s, 0.5),
    }
    if at_once == max(AT_ONCE):
        found[f"{name}_claims_per_s"] = at_once / found[f"{name}_{at_once}_total_s"]
    print(", ".join(f"{key} {value:.3g}" for key, value in found.items()), flush=True)
    return found


@contextmanager
def made(database: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    if database == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / f'{uuid.uuid4().hex}.sqlite'}"
        return
    server = Postgres()
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def plot(figures: dict[str, float], path: Path) -> None:
    """Latencies over the number of people who ask at once."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name in ("sqlite", "sqlite_3x", "postgres", "postgres_3x"):
        for share, style in (("p50", "-"), ("p99", "--")):
            points = [
                (number, figures[key])
                for number in AT_ONCE
                if (key := f"{name}_{number}_{share}_ms") in figures
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, marker="o", label=f"{name} {share}")
    axes.set(xscale="log", yscale="log", xlabel="people who ask at once", ylabel="ms to a machine")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
