"""Writes the facilities' table as a catalogue for simulated clouds, one a facility.

    python -m examples.facility > examples/facility/catalogue.yaml
    vmm check examples/facility/catalogue.yaml
    vmm serve --catalogue=examples/facility/catalogue.yaml

Nothing of it costs a machine: offers, pools and leases of all environments
can be tried as they are. Replace ``kind: simulated`` by a real cloud.
"""

from __future__ import annotations

import sys
from typing import TextIO

from ruamel.yaml import YAML

from .table import Row, read_table

TITLES = {"ISIS": "ISIS Neutron and Muon Source", "CLF": "Central Laser Facility"}
BOOT_S = 90


def catalogue(rows: list[Row]) -> dict[str, object]:
    """The catalogue of ``rows`` as the YAML's tree."""
    return {
        "locations": [{"name": name.lower(), "title": title} for name, title in TITLES.items()],
        "clouds": [
            {
                "name": f"{facility.lower()}-cloud",
                "kind": "simulated",
                "location": facility.lower(),
                "options": {"boot_s": BOOT_S, "sizes": _sizes(rows, facility)},
            }
            for facility in TITLES
        ],
        "environments": [
            {
                "name": row.name,
                "title": row.title,
                "instruments": list(row.instruments),
            }
            for row in rows
        ],
        "pools": [
            {
                "environment": row.name,
                "cloud": f"{row.facility.lower()}-cloud",
                "size": row.flavor,
                "ready": row.ready,
                "maximum": row.maximum,
            }
            for row in rows
        ],
    }


def _sizes(rows: list[Row], facility: str) -> list[dict[str, object]]:
    """Each flavor once. The table rounds RAM differently in places: the smallest is kept."""
    sizes: dict[str, dict[str, object]] = {}
    for row in sorted((r for r in rows if r.facility == facility), key=lambda r: r.ram_gb):
        size: dict[str, object] = {
            "name": row.flavor,
            "cpus": row.cpus,
            "ram_gb": row.ram_gb,
            "gpus": row.gpus,
        }
        if row.gpus:
            size["gpu_model"] = "rtx4000"
        sizes.setdefault(row.flavor, size)
    return [sizes[name] for name in sorted(sizes)]


def write(out: TextIO) -> None:
    """Write the YAML."""
    out.write("# Made from environments.csv by `python -m examples.facility`; see there.\n")
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(catalogue(read_table()), out)


if __name__ == "__main__":
    write(sys.stdout)
