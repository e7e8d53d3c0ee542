"""Reads ``environments.csv``: the analysis environments that ISIS and the CLF offer.

One row an environment: facility, name, flavor, GPUs, CPUs, RAM in GiB, machines
kept ready, machines at most, instruments and groups (``;``-separated).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("environments.csv")


@dataclass(frozen=True)
class Row:
    """One environment of a facility."""

    facility: str
    title: str
    flavor: str
    gpus: int
    cpus: int
    ram_gb: int
    ready: int
    maximum: int
    instruments: tuple[str, ...]

    @property
    def name(self) -> str:
        """The title as an identifier: ``SANS for SANS2D`` -> ``sans-for-sans2d``."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def read_table(path: Path = TABLE) -> list[Row]:
    """All rows, in the file's order."""
    with path.open(newline="") as file:
        return [
            Row(
                facility=line["facility"],
                title=line["name"],
                flavor=line["flavor"],
                gpus=int(line["gpus"]),
                cpus=int(line["cpus"]),
                ram_gb=int(line["ram_gb"]),
                ready=int(line["pool_size"]),
                maximum=int(line["max_size"]),
                instruments=tuple(line["instruments"].split(";")),
            )
            for line in csv.DictReader(file)
        ]
