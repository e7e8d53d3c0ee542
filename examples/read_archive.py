"""Read one measurement through the mount and see that only what was touched was fetched.

On a machine of the system (in a notebook's terminal) it just runs:

    python examples/read_archive.py

Elsewhere, give the mount's control socket: DMS_SOCKET=/path/to/control.sock.
"""

import argparse

import h5py
import numpy as np

from dms_core.client.mount import Mount

RUN = "/archive/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033838.nxs"


def main() -> None:
    """Read some events and print the file's state before and after."""
    parser = argparse.ArgumentParser(description="Read an event file through the mount.")
    parser.add_argument("path", nargs="?", default=RUN, help="in the tree (%(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many to read")
    arguments = parser.parse_args()

    mount = Mount()
    info = mount.info()
    print(f"before: {describe(mount, arguments.path)}")
    with h5py.File(info.mountpoint + arguments.path) as file:
        events = file["raw_data_1/detector_1_events"]
        ids = events["event_id"][: arguments.events]
        print(f"run {file['raw_data_1/run_number'][()]}: {events['event_id'].shape[0]:,} events")
    counts = np.bincount(ids)
    print(f"the busiest of {counts.size:,} detectors has {counts.max()} of {ids.size:,} events")
    print(f"after:  {describe(mount, arguments.path)}")


def describe(mount: Mount, path: str) -> str:
    """Where the file's bytes are, in a line."""
    status = mount.status(path)
    megabytes = status.cached_bytes / 1e6
    return (
        f"{status.state} ({status.percent} %, {megabytes:.1f} of {status.size / 1e6:.1f} MB here)"
    )


if __name__ == "__main__":
    main()
