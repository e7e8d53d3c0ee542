"""dms:/// on a machine with a mount: through its cache."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from dms_core.client.mount import Mount

from ...jupyter_daaas_data.world import CYCLE, USER, running

pytestmark = pytest.mark.mount


def test_it_reads_through_the_mounts_cache_and_writes_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DMS_URL", raising=False)
    with running(tmp_path) as world:
        monkeypatch.setenv("DMS_SOCKET", str(world.socket))
        name = f"{CYCLE}/SANS2D00022041.nxs"
        fs, path = fsspec.core.url_to_fs(f"dms:///{name}", skip_instance_cache=True)
        assert fs.cat(path) == (world.served / name).read_bytes()
        with Mount(world.socket) as mount:
            assert mount.status(path).state == "cached"
        assert len(fs.ls("/archive/many")) == 1250
        fs.pipe(f"/home/{USER}/result.txt", b"q I")
        assert (world.served / "home" / USER / "result.txt").read_text() == "q I"
        with pytest.raises(PermissionError):
            fs.pipe("/archive/new.txt", b"no")
        fs.close()
