"""Open a reduced measurement as an xarray dataset over dms://, without a mount.

As examples/read_with_fsspec_h5py.py it needs DMS_URL and DMS_TOKEN_FILE, or a mount:

    python examples/xarray_dms.py
"""

import argparse

import fsspec
import xarray as xr

RUN = "dms:///archive/NDXSANS2D/Instrument/data/cycle_13_2/SANS2D00033837.h5"
GROUP = "sasentry01/sasdata"


def main() -> None:
    """Print I(Q) in a range of Q, and its uncertainty."""
    parser = argparse.ArgumentParser(description="I(Q) of an NXcanSAS file over dms://.")
    parser.add_argument("url", nargs="?", default=RUN, help="(%(default)s)")
    parser.add_argument("--between", type=float, nargs=2, default=(0.02, 0.1), metavar="Q")
    arguments = parser.parse_args()

    low, high = arguments.between
    with (
        fsspec.open(arguments.url) as remote,
        xr.open_dataset(remote, engine="h5netcdf", group=GROUP, phony_dims="sort") as data,
    ):
        chosen = data.where((data["Q"] >= low) & (data["Q"] <= high), drop=True)
        print(f"{', '.join(sorted(map(str, data.data_vars)))}: {data['Q'].size} points")
        print(
            f"I(Q) from {low:g} to {high:g} {data['Q'].attrs['units']}: "
            f"{chosen['Q'].size} of them, mean {float(chosen['I'].mean()):.4g}, "
            f"mean uncertainty {float(chosen['Idev'].mean()):.2g}"
        )


if __name__ == "__main__":
    main()
