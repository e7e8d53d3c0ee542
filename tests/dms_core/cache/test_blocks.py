from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from dms_core.cache import blocks
from dms_core.cache.blocks import BlockFile, Identity, Shape
from dms_core.errors import Damaged

from .conftest import content

ID = Identity(source="s", volume="archive", id="1", version="a", path="/archive/run.nxs")
SHAPE = Shape(size=10_000, block_bytes=4096)
DATA = content(10_000)


def block(index: int) -> bytes:
    return DATA[index * 4096 : (index + 1) * 4096]


def make(folder: Path) -> BlockFile:
    return BlockFile.create(folder, ID, SHAPE)


def test_a_written_block_is_read_back_and_survives_reopening(tmp_path: Path) -> None:
    file = make(tmp_path)
    assert file.read(0) is None
    assert file.write(2, block(2)) == 10_000 - 2 * 4096
    assert file.write(2, block(2)) == 0
    assert file.read(2) == block(2)
    again = BlockFile.open(tmp_path, ID.name)
    assert again.identity == ID
    assert again.missing(range(3)) == [0, 1]
    assert again.read(2) == block(2)
    assert again.cached_bytes == 10_000 - 2 * 4096


def test_a_complete_file_is_the_file(tmp_path: Path) -> None:
    file = make(tmp_path)
    for index in range(3):
        file.write(index, block(index))
    assert file.complete
    assert blocks.data_path(tmp_path, ID.name).read_bytes() == DATA


@pytest.mark.parametrize("at", [0, 4095, 2000])
def test_one_flipped_bit_is_damage_not_data(tmp_path: Path, at: int) -> None:
    file = make(tmp_path)
    file.write(0, block(0))
    with blocks.data_path(tmp_path, ID.name).open("r+b") as raw:
        raw.seek(at)
        raw.write(bytes([DATA[at] ^ 1]))
    with pytest.raises(Damaged, match="damaged"):
        file.read(0)
    assert file.drop(0) == 4096
    assert file.read(0) is None


def test_a_torn_record_is_an_absent_block(tmp_path: Path) -> None:
    make(tmp_path).write(0, block(0))
    meta = blocks.meta_path(tmp_path, ID.name)
    raw = bytearray(meta.read_bytes())
    raw[32:36] = b"\0\0\0\0"  # half of the record of block 0
    meta.write_bytes(raw)
    assert BlockFile.open(tmp_path, ID.name).missing(range(1)) == [0]


@pytest.mark.parametrize("keep", [0, 10, 40, -5])
def test_a_cut_description_is_refused(tmp_path: Path, keep: int) -> None:
    make(tmp_path)
    meta = blocks.meta_path(tmp_path, ID.name)
    meta.write_bytes(meta.read_bytes()[:keep])
    with pytest.raises(Damaged, match="description"):
        BlockFile.open(tmp_path, ID.name)


def test_a_cut_data_file_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    os.truncate(blocks.data_path(tmp_path, ID.name), 5)
    with pytest.raises(Damaged, match="size"):
        BlockFile.open(tmp_path, ID.name)


def test_a_block_of_a_wrong_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="4096"):
        make(tmp_path).write(0, b"short")


def test_pins_survive_reopening(tmp_path: Path) -> None:
    make(tmp_path).pinned = True
    assert BlockFile.open(tmp_path, ID.name).pinned


def test_files_are_closed_with_their_last_reference(tmp_path: Path) -> None:
    def ours() -> list[str]:
        links = [one.resolve() for one in Path("/proc/self/fd").iterdir()]
        return [str(link) for link in links if ID.name in link.name]

    file = make(tmp_path)
    assert len(ours()) == 2
    del file
    gc.collect()
    assert ours() == []


def test_different_bytes_have_different_names() -> None:
    others = [
        ID.model_copy(update={field: "other"}) for field in ("source", "volume", "id", "version")
    ]
    assert len({one.name for one in [ID, *others]}) == 5
    assert ID.model_copy(update={"path": "/archive/renamed"}).name == ID.name
