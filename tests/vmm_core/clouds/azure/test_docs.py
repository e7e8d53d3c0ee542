"""docs/clouds/azure.md is complete: every option, and exactly the actions that are used."""

from __future__ import annotations

import json
import re

from tests.conftest import CHECKOUT
from vmm_core.catalogue import parse
from vmm_core.clouds.azure.options import Options

from .operations import OPERATIONS

PAGE = (CHECKOUT / "docs" / "clouds" / "azure.md").read_text()

IMPLIED = {
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/galleries/images/versions/read",
    "Microsoft.Compute/images/read",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/publicIPAddresses/write",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
}
"""Needed by what Compute makes together with a machine, not asked for by themselves."""


def test_every_option_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == list(Options.model_fields)


def test_the_catalogue_is_one() -> None:
    catalogue = parse(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1], "azure.md")
    assert [cloud.kind for cloud in catalogue.clouds.values()] == ["azure"]


def test_the_role_has_what_is_used_and_no_more() -> None:
    role = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.S)[1])
    verbs = {"GET": "read", "PUT": "write", "DELETE": "delete", "POST": "action"}
    used = set()
    for each in OPERATIONS:
        if each.name == "get operation":
            continue  # only the SDK's own waiting asks for it, which is not used
        path = each.path.partition("/providers/")[2]
        path = re.sub(r"/\{\w+\}", "", path)
        used.add(f"{path}/{verbs[each.method]}")
    assert set(role["Actions"]) == used | IMPLIED
