"""docs/write-a-cloud.md says of each cloud what it really can do beside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import Abilities, Cloud, ResourceKind
from vmm_core.clouds.local import LocalCloud
from vmm_core.clouds.openstack import OpenStackCloud
from vmm_core.clouds.registry import cloud_class, kinds
from vmm_core.clouds.simulated import SimulatedCloud

PAGE = (CHECKOUT / "docs" / "write-a-cloud.md").read_text()
ROWS = {
    cells[0].strip(" `"): [cell.strip() for cell in cells[1:4]]
    for line in re.findall(r"^\| (`\w+` .*) \|$", PAGE, re.M)
    if len(cells := line.split(" | ")) == 4
}
PLACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
AZURE = {
    "subscription": "00000000-0000-0000-0000-000000000000",
    "resource_group": "g",
    "region": "uksouth",
    "subnet": f"{PLACE}/virtualNetworks/v/subnets/s",
}


def able(kind: type[Cloud], folder: Path, **options: object) -> Abilities:
    """The abilities of a cloud with these options; nothing is opened."""
    needed: dict[type[Cloud], dict[str, object]] = {
        AzureCloud: {**AZURE},
        LocalCloud: {"folder": folder, "sizes": {"small": {"cpus": 1, "ram_gb": 1}}},
        OpenStackCloud: {"cloud": "c", "zone": "z", "network": "n"},
    }
    return kind("x", kind.Options.model_validate({**needed.get(kind, {}), **options})).abilities


def test_every_cloud_of_ours_has_its_row() -> None:
    ours = {kind for kind in kinds() if cloud_class(kind).__module__.startswith("vmm_core.")}
    assert set(ROWS) == ours


@pytest.mark.parametrize("kind", [LocalCloud, OpenStackCloud, SimulatedCloud, AzureCloud])
def test_what_the_page_says_is_so(kind: type[Cloud], tmp_path: Path) -> None:
    suspends, shows, left = ROWS[kind.__name__.removesuffix("Cloud").lower()]
    plain = able(kind, tmp_path)
    assert suspends.startswith("yes") == plain.suspend
    assert shows.startswith("yes") == plain.console
    for text, name in ((suspends, "suspend"), (shows, "console")):
        for option, value in re.findall(r"`(\w+): (true|false)`", text):
            given = able(kind, tmp_path, **{option: value})
            assert getattr(given, name) is (value == "true")
    kinds = set(re.findall(r"[a-z]+", left.partition(":")[0].replace("(interface)", "")))
    assert kinds <= set(ResourceKind) - {ResourceKind.MACHINE}
