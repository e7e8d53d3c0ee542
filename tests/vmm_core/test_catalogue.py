from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from vmm_core.allocation.trouble import Trouble
from vmm_core.catalogue import load, parse
from vmm_core.clouds.simulated import SimulatedCloud
from vmm_core.errors import CatalogueError
from vmm_core.pools.inventory import Inventory

from .world import CATALOGUE


def told(text: str) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        parse(text, "c.yaml")
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert old in CATALOGUE
    return CATALOGUE.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_catalogue_is_read_in_its_order(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text(CATALOGUE)
    catalogue = load(path)
    assert list(catalogue.locations) == ["ral", "dls"]
    assert list(catalogue.pools) == ["mantid@ral-sim/small", "mantid@dls-sim/large"]
    assert catalogue.environments["mantid"].preload == ("json",)
    with pytest.raises(TypeError):
        catalogue.pools["x"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: Mantid,", "titel: Mantid,", "unknown key 'titel' in environment: did you mean"),
        ("title: Mantid, preload", "preload", "environment has no 'title': add it"),
        ("ready: 1,", "ready: one,", "ready of pool is 'one': input should be a valid integer"),
        ("ready: 1,", "ready: -1,", "ready of pool is -1: input should be greater than"),
        ("ready: 1,", "ready: 4,", "ready is 4, more than the pool's maximum of 3"),
        ("environment: mantid, cloud: r", "environment: mantd, cloud: r", "did you mean 'mantid'?"),
        ("cloud: ral-sim, size", "cloud: ral-simm, size", "there is no cloud 'ral-simm': did you"),
        ("location: ral", "location: isis", "there is no location 'isis': known are ral, dls"),
        ("kind: simulated, location: ral", "kind: simulate, location: ral", "'simulated'?"),
        ("location: ral}", "location: ral, options: {boots_s: 1}}", "did you mean 'boot_s'?"),
        ("location: ral}", "location: ral, options: {boot_s: -1}}", "boot_s of the options of"),
        ("location: ral}", "location: ral, options: 3}", "options of cloud is 3: input should"),
        (
            "name: tomo, title: Tomography",
            "name: mantid, title: Twice",
            "environment 'mantid' is already defined in line 9",
        ),
        ("name: tomo,", "name: Tomo,", "use lower case letters"),
        ("preload: [json]", "preload: json", "preload of environment is 'json'"),
        ("  - {name: ral, title: R", "  - ral\n  - {name: ral, title: R", "must be a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_a_remedy(old: str, new: str, said: str):
    text = changed(old, new)
    lines = told(text)
    matching = [line for line in lines if said in line]
    assert matching, lines
    number = line_of(text, new.splitlines()[0])
    assert matching[0].startswith(f"c.yaml:{number}: "), lines


def test_a_mistake_deep_in_a_block_has_its_own_line():
    text = changed(
        "  - {name: ral-sim, kind: simulated, location: ral}",
        "  - name: ral-sim\n    kind: simulated\n    location: ral\n    options:\n"
        "      sizes:\n        - {name: s, cpus: 2, ram_gb: 8}\n"
        "        - name: m\n          cpus: zero\n          ram_gb: 8",
    )
    (line,) = told(text)
    assert line.startswith(f"c.yaml:{line_of(text, 'cpus: zero')}: sizes.1.cpus of the options")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    text = changed("title: Mantid,", "titel: Mantid,").replace("ready: 0", "ready: 9")
    numbers = [int(re.match(r"c\.yaml:(\d+): ", line)[1]) for line in told(text)]  # type: ignore[index]
    assert numbers == [*[line_of(text, "titel")] * 2, line_of(text, "ready: 9")]


def test_one_mistake_is_told_once():
    text = changed("title: Mantid,", "titel: Mantid,")
    assert all("environment 'mantid'" not in line for line in told(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "c.yaml:1: must be a mapping"),
        ("- a", "c.yaml:1: must be a mapping"),
        ("locations: [", "c.yaml:1: is not valid YAML"),
        ("locations: []\nlocations: []", "c.yaml:2: is not valid YAML"),
        ("locations: 3", "c.yaml:1: locations must be a list"),
        ("locations: []", "the key 'pools' is missing"),
        ("polls: []", "unknown key 'polls': did you mean 'pools'?"),
    ],
)
def test_what_is_no_catalogue_is_told(text: str, said: str):
    assert any(said in line for line in told(text)), told(text)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    with pytest.raises(CatalogueError, match="No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="UTF-8"):
        load(tmp_path / "c.yaml")


async def test_a_size_that_the_cloud_does_not_know_is_told_with_its_line():
    text = changed("size: small", "size: smal")
    with pytest.raises(CatalogueError) as caught:
        await Inventory.open(parse(text, "c.yaml"), service_url="http://x", public_key="k")
    line = line_of(text, "size: smal,")
    assert str(caught.value) == (
        f"c.yaml:{line}: cloud 'ral-sim' has no size 'smal': did you mean 'small'?"
    )


async def test_a_cloud_that_does_not_answer_at_start_is_asked_again():
    class Away(SimulatedCloud):
        away = True

        async def sizes(self):
            if self.away:
                self.inject("list-unreachable")
                await self.list_owned("x")
            return await super().sizes()

    catalogue = parse(CATALOGUE, "c.yaml")
    clouds = {name: Away(name, Away.Options()) for name in catalogue.clouds}
    clouds["dls-sim"].away = False
    inventory = Inventory(catalogue, clouds, service_url="http://x", public_key="k")
    await inventory.ask()
    assert [f.name for f in inventory.facts()] == ["mantid@dls-sim/large"]
    assert inventory.silent["ral-sim"].trouble is Trouble.AWAY
    clouds["ral-sim"].away = False
    await inventory.ask()
    assert [f.name for f in inventory.facts()] == list(catalogue.pools)
    assert inventory.silent == {}


async def test_a_fingerprint_changes_with_what_machines_are_built_from_and_nothing_else():
    async def fingerprint(text: str, **options: str) -> str:
        given = {"service_url": "http://x", "public_key": "k", **options}
        return (await Inventory.open(parse(text, "c.yaml"), **given)).facts()[0].fingerprint

    before = await fingerprint(CATALOGUE)
    assert await fingerprint(CATALOGUE) == before
    assert await fingerprint(changed("ready: 1", "ready: 2")) == before
    assert await fingerprint(changed("title: Mantid", "title: Other")) == before
    assert await fingerprint(changed("[json]", "[json, csv]")) != before
    assert await fingerprint(changed("title: Mantid", "image: b, title: Mantid")) != before
    assert await fingerprint(CATALOGUE, public_key="other") != before
    assert await fingerprint(CATALOGUE, service_url="http://y") != before


@pytest.mark.parametrize("name", ["broken", "nothing", "nocloud"])
def test_a_kind_that_cannot_be_loaded_is_told_with_the_remedy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Out-of-tree plugins, found by their metadata as if they were installed."""
    info = tmp_path / "far_cloud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: far-cloud\nVersion: 1.0\nProvides-Extra: broken\n"
    )
    (info / "entry_points.txt").write_text(
        "[vmm_core.clouds]\n"
        "broken = far_cloud_broken:Cloud\n"
        "nothing = far_cloud:Missing\n"
        "nocloud = far_cloud:NoCloud\n"
    )
    (tmp_path / "far_cloud.py").write_text("class NoCloud: pass\n")
    (tmp_path / "far_cloud_broken.py").write_text("import a_library_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        (line,) = told(changed("kind: simulated, location: ral", f"kind: {name}, location: ral"))
    finally:
        for module in ("far_cloud", "far_cloud_broken"):
            sys.modules.pop(module, None)
    remedy = {
        "broken": "pip install 'far-cloud[broken]'",
        "nothing": "reinstall the package that provides it",
        "nocloud": "must name a subclass of vmm_core.clouds.base.Cloud",
    }
    assert remedy[name] in line
