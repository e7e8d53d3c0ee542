"""Read one measurement with h5py over dms://, on a machine without a mount.

It needs the service and a token, as the dms command does:

    DMS_URL=https://dms.example.org DMS_TOKEN_FILE=~/dms.token \
        python examples/read_with_fsspec_h5py.py

Where a mount is and DMS_URL is not set, the same lines read through its cache.
"""

import argparse

import fsspec
import h5py
import numpy as np

RUN = "dms:///archive/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033838.nxs"


def main() -> None:
    """Read some events and print how much of the file was needed for it."""
    parser = argparse.ArgumentParser(description="Read an event file over dms://.")
    parser.add_argument("url", nargs="?", default=RUN, help="(%(default)s)")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many to read")
    arguments = parser.parse_args()

    with fsspec.open(arguments.url) as remote, h5py.File(remote) as file:
        events = file["raw_data_1/detector_1_events"]
        ids = events["event_id"][: arguments.events]
        print(f"run {file['raw_data_1/run_number'][()]}: {events['event_id'].shape[0]:,} events")
        counts = np.bincount(ids)
        print(f"the busiest of {counts.size:,} detectors has {counts.max()} of {ids.size:,} events")
        print(f"read {remote.fetched_bytes / 1e6:.1f} of {remote.size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
