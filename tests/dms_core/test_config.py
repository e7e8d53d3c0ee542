# ruff: noqa: ASYNC240 - looking at a test's own folder blocks nobody
"""The service's configuration file: what it builds, and what it says when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dms_core.config import House, build
from dms_core.errors import ConfigError, NotFound, ReadOnly

from ..support.messages import expected, says
from ..support.waiting import until_async

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


REPLICAS = "storages: [archive-disk, home-disk]"


async def test_an_archive_can_have_replicas(file: Path) -> None:
    one = "storage: archive-disk"
    file.write_text(
        TEXT.replace(one, REPLICAS).replace("kind: posix\n", "kind: posix\n    location: ral\n")
    )
    house = build(file)
    assert house.namespace.volumes[0].replicas == ("archive-disk", "home-disk")
    assert house.places.locations == {"archive-disk": "ral"}
    (file.parent / "data/home/only-there").write_text("x")
    assert (await house.namespace.lookup("/archive/only-there")).size == 1
    told = house.places.health(house.namespace.volumes)
    assert [each.storage for each in told] == ["archive-disk", "home-disk"]
    await house.namespace.close()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("storage: archive-disk", f"storage: home-disk, {REPLICAS}", "storage and storages are"),
        ("storage: archive-disk, ", "", ":9: volumes.0: a volume needs its storage"),
        ("storage: archive-disk", "storages: [archive-disk, disk]", "there is no storage 'disk'"),
        ("storage: archive-disk", "storages: [home-disk, home-disk]", "named twice"),
        ("    storage: home-disk", f"    {REPLICAS}", "replicas are for archives"),
        ("name: archive-disk\n", "name: archive-disk\n    location: R A L\n", "location"),
    ],
)
def test_wrong_replicas_are_told_with_their_line(file: Path, old: str, new: str, told: str) -> None:
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        build(file)
    assert told in str(caught.value)


async def test_a_service_starts_without_a_replica_and_takes_it_when_it_comes(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = TEXT.replace("storage: archive-disk", "storages: [archive-disk, away]").replace(
        "volumes:", "  - {name: away, kind: posix, options: {folder: data/away}}\nvolumes:"
    )
    file.write_text(text)
    with pytest.raises(ConfigError, match="storage away: The folder"):
        build(file)
    house = build(file, start_without=True)
    promised = expected("replicas", "not there when the service starts").operator
    assert any(says(promised, message) for message in caplog.messages)
    with pytest.raises(NotFound):
        await house.namespace.lookup("/archive/file")
    assert states(house) == ["used", "away"]
    (file.parent / "data/away").mkdir()
    (file.parent / "data/away/file").write_text("there")
    await until_async(lambda: states(house)[1] == "used", "it is used", 20)
    assert (await house.namespace.lookup("/archive/file")).size == 5
    await house.namespace.close()


def states(house: House) -> list[str]:
    return [each.state for each in house.places.health(house.namespace.volumes)]


def test_a_service_does_not_start_without_an_only_storage(file: Path) -> None:
    file.write_text(TEXT.replace("data/archive", "data/none"))
    with pytest.raises(ConfigError, match="storage archive-disk: The folder"):
        build(file, start_without=True)
