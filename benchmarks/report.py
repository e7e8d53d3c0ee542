"""Writes a benchmark's figures to ``results/NAME.json`` and prints them as a table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")


def percentile(values: Sequence[float], share: float) -> float:
    """The ``share`` quantile (0..1) by linear interpolation between closest ranks."""
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def machine() -> str:
    """Cores, memory, kernel and Python of this machine, in a line."""
    ram_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    kernel, python = platform.release().split("-")[0], platform.python_version()
    return f"{cores} cores, {ram_gb:.0f} GiB, Linux {kernel}, Python {python}"


def write(name: str, figures: dict[str, float], *, note: str = "") -> Path:
    """Write and print the figures.

    Args:
        name: of the benchmark, as in ``make bench-NAME``.
        figures: name (with its unit at the end) -> number.
        note: conditions that matter, such as load.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    report = {
        "machine": machine(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        **({"note": note} if note else {}),
        "figures": {key: round(value, 4) for key, value in figures.items()},
    }
    path.write_text(json.dumps(report, indent=2) + "\n")
    table = Table("figure", "value", title=f"{name} ({report['machine']})")
    table.columns[1].justify = "right"
    for key, value in report["figures"].items():
        table.add_row(key, f"{value:g}")
    Console().print(table)
    return path
