"""The demo's catalogue: a handful of the facilities' environments, scaled to this host.

The real machines have up to 60 CPUs and 350 GiB; here each size keeps its
name and shrinks by one common factor, and its description says so. A GPU size
stays in the catalogue with the GPUs it really needs: on a host that has none
it is shown as not available.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..facility.table import Row, read_table

LOCATIONS = {
    "isis": "ISIS Neutron and Muon Source",
    "clf": "Central Laser Facility",
}
FACILITY_LOCATION = {"ISIS": "isis", "CLF": "clf"}

# name -> where it is offered, with the machines kept ready there. SANS for
# SANS2D is offered at both, so that a location can be chosen and a full one
# has somewhere to spill over to.
OFFERED: dict[str, dict[str, int]] = {
    "sans-for-sans2d": {"isis": 2, "clf": 1},
    "muon": {"isis": 1},
    "excitations-powder": {"isis": 0},
    "tomography-recommended": {"isis": 0},
    "artemis": {"clf": 0},
    "octopus-lightsheet": {"clf": 0},
}

# The same in a larger size, started when it is asked for, so that a CPU count can be chosen.
ALSO = (("sans-for-sans2d", "isis", "l2.medium"),)

SOFTWARE = ("Python 3", "h5py", "NumPy", "Matplotlib", "H5Web viewer")

# What every machine imports before anyone asks: most of a cold start.
PRELOAD = (
    "jupyter_server.serverapp",
    "jupyterlab.labapp",
    "jupyterlab_server",
    "jupyterhub.singleuser",
    "jupyterhub.singleuser.extension",
    "jupyter_daaas_data.app",
    "jupyter_daaas_data.desktop.app",
    "jupyter_daaas_data.desktop.page",
    "jupyter_server_proxy",
    "jupyter_lsp",
    "jupyter_server_terminals",
    "jupyterlab_h5web.handlers",
    "notebook.app",
    "ipykernel",
    "dms_core.cli",
    "dms_core.client.mount",
    "dms_core.mount",
)

LARGEST_CPUS = 30  # the size that becomes half of a 2-core host
MAXIMUM = 4


def host_size() -> tuple[int, float]:
    """CPUs this process may use and GiB of RAM of this host."""
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return len(os.sched_getaffinity(0)), ram


def scaled(row: Row, cpus: int, ram_gb: float) -> dict[str, object]:
    """The row's size on a host of ``cpus`` and ``ram_gb``: half a CPU and 1 GiB at least."""
    share = row.cpus / LARGEST_CPUS / 2
    return {
        "cpus": min(float(cpus), max(0.5, round(2 * share * cpus) / 2)),
        "ram_gb": max(1, round(min(ram_gb / 6, row.ram_gb / 123 * ram_gb / 12))),
        "gpus": row.gpus,
        **({"gpu_model": "rtx4000"} if row.gpus else {}),
    }


def demo_catalogue(folder: Path, reach: list[str], hide: list[Path]) -> dict[str, Any]:
    """The catalogue as the YAML's tree.

    Args:
        folder: holds the machines of both clouds.
        reach: ``ADDRESS:PORT`` of what machines may dial (hub and DMS).
        hide: folders of this host that machines must not see (tokens, other users' data).
    """
    rows = {row.name: row for row in read_table() if row.name in OFFERED}
    cpus, ram_gb = host_size()
    sizes = {row.flavor: scaled(row, cpus, ram_gb) for row in rows.values()}
    return {
        "locations": [{"name": name, "title": title} for name, title in LOCATIONS.items()],
        "clouds": [
            {
                "name": f"{location}-local",
                "kind": "local",
                "location": location,
                "options": {
                    "folder": str(folder / location),
                    "reach": reach,
                    "sizes": sizes,
                    "overcommit": {"cpus": 8},
                    "hide": [str(path) for path in hide],
                },
            }
            for location in LOCATIONS
        ],
        "environments": [
            {
                "name": name,
                "title": rows[name].title,
                "description": _description(rows[name], sizes[rows[name].flavor]),
                "software": list(SOFTWARE),
                "instruments": list(rows[name].instruments),
                "preload": list(PRELOAD),
            }
            for name in OFFERED
        ],
        "pools": [
            *(
                _pool(name, location, rows[name].flavor, ready)
                for name, places in OFFERED.items()
                for location, ready in places.items()
            ),
            *(_pool(name, location, flavor, 0) for name, location, flavor in ALSO),
        ],
    }


def _pool(environment: str, location: str, size: str, ready: int) -> dict[str, object]:
    return {
        "environment": environment,
        "cloud": f"{location}-local",
        "size": size,
        "ready": ready,
        "maximum": MAXIMUM,
    }


def _description(row: Row, size: dict[str, object]) -> str:
    gpus = f", {row.gpus} GPU" if row.gpus else ""
    return (
        f"At {row.facility}: {row.cpus} CPUs, {row.ram_gb} GiB{gpus}. "
        f"In this demo, scaled to the host: {size['cpus']:g} CPU, {size['ram_gb']} GiB."
    )
