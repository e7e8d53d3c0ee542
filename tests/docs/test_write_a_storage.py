"""docs/write-a-storage.md: its storage and its mover pass the conformance suites as printed."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest
from ruamel.yaml import YAML

from dms_core import errors
from dms_core.config import Config
from dms_core.movers.conformance import MoverConformance
from dms_core.movers.gridftp.mover import GridftpOptions
from dms_core.storage.conformance import SAMPLE, ReadableConformance, lay_out
from dms_core.transfer.moved import Moved, MovedOptions

from .pages import blocks, module

PAGE = "write-a-storage.md"


_STORAGE, _ITS_PROOF, _MOVER, _ITS_OTHER_PROOF = blocks(PAGE, "python")
ZipStorage = module("zipped", _STORAGE, PAGE).ZipStorage
FileMover = module("files", _MOVER, PAGE).FileMover
exec(compile(_ITS_PROOF, PAGE, "exec"), globals())
exec(compile(_ITS_OTHER_PROOF, PAGE, "exec"), globals())


def test_the_proofs_of_the_page_are_the_suites() -> None:
    assert issubclass(globals()["TestZip"], ReadableConformance)
    assert issubclass(globals()["TestFile"], MoverConformance)
    assert SAMPLE
    assert ZipFile
    assert lay_out
    assert Moved


def test_a_file_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for name in ("text", "absent"):
        with pytest.raises(errors.ConfigError, match=f"{name} is no zip file"):
            ZipStorage(tmp_path / name)


def test_the_configurations_of_the_page_are_valid() -> None:
    whole, part = (YAML(typ="safe").load(text) for text in blocks(PAGE, "yaml"))
    (storage,) = Config.model_validate(whole).storages
    assert ZipStorage.Options.model_validate(storage.options).file == Path("thesis.zip")
    (far,) = Config.model_validate({**whole, "storages": part["storages"]}).storages
    assert far.cache is not None
    ours = {key: far.options.pop(key) for key in MovedOptions.model_fields if key in far.options}
    assert MovedOptions.model_validate(ours).immutable
    assert GridftpOptions.model_validate(far.options).url.startswith("gsiftp:")
