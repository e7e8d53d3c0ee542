"""``dms://`` for fsspec: the data tree for h5py, xarray, pandas and all that opens URLs.

::

    with fsspec.open("dms:///archive/NDXSANS2D/run.nxs") as file:   # this session's
        h5py.File(file)
    fs = fsspec.filesystem("dms", host="dms.example.org", token_file="~/dms.token")

Needs the extra ``fsspec``. Which service or mount is meant: :mod:`.place`. A
file is read as the version that it was when it was opened; one that changes
meanwhile is an error, not a mixture. A file that is written appears when it is
closed, at once and whole.
"""

from __future__ import annotations

from .filesystem import DmsFileSystem

__all__ = ["DmsFileSystem"]
