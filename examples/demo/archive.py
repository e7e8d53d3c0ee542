"""Lays out a facility's data the way ISIS does, from real NeXus/HDF5 files.

The small files are real measurements and reductions that the PyPI packages
``punx`` and ``pynxtools`` carry as test data; :data:`PLACES` says which file
stands where. Run numbers other than 33837 are ours. The large event files are
made by :func:`write_events`, seeded, in the NXevent_data layout that ISIS's
data acquisition writes.

    python -m examples.demo.archive FOLDER [--events-gb 1]
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np

CYCLE = "Instrument/data/cycle_13_2"
EVENTS_PER_CHUNK = 1 << 20
DETECTOR = (192, 192)


@dataclass(frozen=True)
class Place:
    """One real file and where it goes."""

    package: str
    source: str
    to: str


PLACES = (
    Place(
        "punx.data",
        "33837rear_1D_1.75_16.5_NXcanSAS_v3.h5",
        f"archive/NDXSANS2D/{CYCLE}/SANS2D00033837.h5",
    ),
    Place(
        "punx.data",
        "33837rear_1D_1.75_16.5_NXcanSAS_v3.h5",
        "rb/SANS2D/RBNumber/RB1310123/33837rear_1D_1.75_16.5_NXcanSAS_v3.h5",
    ),
    Place("punx.data", "1998spheres.h5", "rb/SANS2D/RBNumber/RB1310123/1998spheres.h5"),
    Place("punx.data", "draft_2D_NXcanSAS.h5", "rb/SANS2D/RBNumber/RB1310456/rear_2D_NXcanSAS.h5"),
    Place("punx.data", "chopper.nxs", f"archive/NDXMERLIN/{CYCLE}/MERLIN00015020.nxs"),
    Place("punx.data", "scan101.nxs", f"archive/NDXENGINX/{CYCLE}/ENGINX00201101.nxs"),
    Place("punx.data", "DLS_i03_i04_NXmx_Therm_6_2.nxs", f"archive/NDXSXD/{CYCLE}/SXD00024562.nxs"),
    Place("punx.data", "example_mapping.nxs", f"archive/NDXIMAT/{CYCLE}/IMAT00004404.nxs"),
    Place("punx.data", "S2p5min_00070_00001.h5", f"archive/NDXLOQ/{CYCLE}/LOQ00081070.nxs"),
    Place(
        "pynxtools.data",
        "201805_WSe2_arpes.nxs",
        "rb/ARTEMIS/RBNumber/RB1320045/201805_WSe2_arpes.nxs",
    ),
)

EVENT_FILE = f"archive/NDXSANS2D/{CYCLE}/SANS2D00033838.nxs"


def lay_out(folder: Path, *, events_gb: float = 1.0, homes: tuple[str, ...] = ()) -> None:
    """Fill ``folder`` with ``archive``, ``rb`` and ``home``; what is there already stays."""
    for place in PLACES:
        target = folder / place.to
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            with files(place.package).joinpath(place.source).open("rb") as source:
                _write_whole(target, source)
    for user in homes:
        home = folder / "home" / user
        home.mkdir(parents=True, exist_ok=True)
    events = folder / EVENT_FILE
    if not events.exists():
        write_events(events, total_bytes=int(events_gb * 1e9))


def _write_whole(target: Path, source: object) -> None:
    """Copy so that a half-written file is never taken for a whole one."""
    part = target.with_suffix(".part")
    with part.open("wb") as out:
        shutil.copyfileobj(source, out)  # type: ignore[arg-type]
    part.rename(target)


def write_events(path: Path, *, total_bytes: int, seed: int = 33838) -> None:
    """Write an event-mode run of about ``total_bytes``.

    Layout: ``/raw_data_1/detector_1_events`` is an NXevent_data with
    ``event_id`` (detector number), ``event_time_offset`` (microseconds within
    the pulse), ``event_index`` and ``event_time_zero`` (s), chunked by 4 MiB.
    Detector numbers follow a scattering ring, so a histogram shows one.
    """
    rng = np.random.default_rng(seed)
    pixels = _ring(rng)
    arrivals = np.sort(rng.gamma(4.0, 4000.0, 1 << 16)).astype(np.float32)
    chunks = max(1, round(total_bytes / (8 * EVENTS_PER_CHUNK)))
    count = chunks * EVENTS_PER_CHUNK
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(part, "w", libver="latest") as file:
        entry = _group(file, "raw_data_1", "NXentry")
        entry["title"] = "Silica spheres in D2O, event mode (generated)"
        entry["run_number"] = 33838
        entry["experiment_identifier"] = "RB1310123"
        instrument = _group(entry, "instrument", "NXinstrument")
        instrument["name"] = "SANS2D"
        events = _group(entry, "detector_1_events", "NXevent_data")
        ids = events.create_dataset("event_id", (count,), "u4", chunks=(EVENTS_PER_CHUNK,))
        times = events.create_dataset(
            "event_time_offset", (count,), "f4", chunks=(EVENTS_PER_CHUNK,)
        )
        times.attrs["units"] = "microsecond"
        for number in range(chunks):
            where = slice(number * EVENTS_PER_CHUNK, (number + 1) * EVENTS_PER_CHUNK)
            draw = rng.integers(0, 1 << 16, (2, EVENTS_PER_CHUNK), dtype=np.uint16)
            ids[where] = pixels[draw[0]]
            times[where] = arrivals[draw[1]]
        pulses = max(1, count // 1000)
        events["event_index"] = np.linspace(0, count, pulses, endpoint=False).astype("u8")
        zero = events.create_dataset("event_time_zero", data=np.arange(pulses) / 10.0)
        zero.attrs["units"] = "second"
        zero.attrs["offset"] = "2013-09-14T10:12:00"
    part.rename(path)


def _ring(rng: np.random.Generator) -> np.ndarray:
    """A table of detector numbers in which a ring is more likely than its surroundings."""
    rows, columns = np.indices(DETECTOR)
    centre = (np.array(DETECTOR) - 1) / 2
    radius = np.hypot(rows - centre[0], columns - centre[1])
    weight = 1.0 + 12.0 * np.exp(-((radius - 45) ** 2) / 60) + 40.0 * np.exp(-radius / 12)
    weight[radius < 5] = 0.0  # the beam stop
    share = (weight / weight.sum()).ravel()
    return rng.choice(share.size, size=1 << 16, p=share).astype(np.uint32)


def _group(parent: h5py.Group, name: str, nexus_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    return group


def main() -> None:
    """Lay out a tree from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events-gb", type=float, default=1.0)
    arguments = parser.parse_args()
    lay_out(arguments.folder, events_gb=arguments.events_gb)


if __name__ == "__main__":
    main()
