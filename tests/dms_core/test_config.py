"""The service's configuration file: what it builds, and what it says when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dms_core.config import build
from dms_core.errors import ConfigError, ReadOnly

TEXT = """\
storages:
  - name: archive-disk
    kind: posix
    options:
      folder: data/archive
      read_only: true
  - {name: home-disk, kind: posix, options: {folder: data/home}}
volumes:
  - {name: archive, policy: archive, storage: archive-disk, title: Experiment archive}
  - name: home
    policy: home
    storage: home-disk
membership: membership.yaml
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for folder in ("archive", "home"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "membership.yaml").write_text("administrators: [root]\n")
    file = tmp_path / "volumes.yaml"
    file.write_text(TEXT)
    return file


async def test_what_it_builds(file: Path) -> None:
    house = build(file)
    assert [(v.name, v.title) for v in house.namespace.volumes] == [
        ("archive", "Experiment archive"),
        ("home", ""),
    ]
    assert house.membership.of("root").administrator
    await house.namespace.create("/home/file")
    assert (file.parent / "data/home/file").exists()
    with pytest.raises(ReadOnly):
        await house.namespace.create("/archive/file")
    await house.namespace.close()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("read_only: true", "readonly: true", ":6: storages.0.options.readonly: is not known here"),
        ("read_only: true", "read_only: 7", ":6: storages.0.options.read_only: "),
        ("      folder: data/archive\n", "", ":4: storages.0.options.folder: is missing; add it"),
        ("data/archive", "data/absent", ":2: storage archive-disk: The folder "),
        ("    kind: posix\n", "    kind: posx\n", ":2: storage archive-disk: There is no storage"),
        ("storage: home-disk", "storage: disk", ":12: volumes.1.storage: there is no storage"),
        ("policy: home", "policy: house", ":11: volumes.1.policy: "),
        ("- name: home", "- name: archive", ":10: volumes.1.name: there is a 'archive' above"),
        ("- name: home", "- name: Home!", ":10: volumes.1.name: "),
        ("name: home-disk", "name: archive-disk", ":7: storages.1.name: there is a "),
        ("membership: membership.yaml\n", "", ":1: membership: is missing; add it"),
        ("membership.yaml", "absent.yaml", "absent.yaml: cannot be read"),
        ("volumes:", "volumes: []\nvolume:", ": is not known here"),
        ("storages:", "storages: {", ":2: is no YAML"),
        ("  - {name: home-disk", "  - {name: home-disk: x", ":7: is no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file: Path, old: str, new: str, told: str) -> None:
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        build(file)
    sentence = str(caught.value)
    assert told in sentence
    assert sentence.startswith(str(file.parent))
    assert "\n" not in sentence


def test_a_file_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        build(tmp_path / "absent.yaml")
    for content in (b"", b"\xff\xfe", b"- 1"):
        (tmp_path / "file.yaml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"file\.yaml"):
            build(tmp_path / "file.yaml")


def test_a_yaml_file_cannot_run_anything(file: Path) -> None:
    file.write_text("storages: !!python/object/apply:os.system ['touch ran']\n")
    with pytest.raises(ConfigError):
        build(file)
