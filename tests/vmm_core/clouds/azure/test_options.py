"""What the catalogue may say of an Azure cloud, and how mistakes are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vmm_core.catalogue import parse
from vmm_core.errors import CatalogueError

GROUP = "/subscriptions/s/resourceGroups/g/providers"
CATALOGUE = f"""\
locations: [{{name: uk, title: UK South}}]
clouds:
  - name: azure-uk
    kind: azure
    location: uk
    options:
      subscription: 11111111-1111-1111-1111-111111111111
      resource_group: daaas
      region: uksouth
      zone: 1
      subnet: {GROUP}/Microsoft.Network/virtualNetworks/n/subnets/s
      credential: {{kind: secret, tenant: t, client: c, secret_file: /etc/daaas/azure.secret}}
      images: {{mantid: {GROUP}/Microsoft.Compute/images/mantid}}
environments: [{{name: mantid, title: Mantid, image: mantid}}]
pools: [{{environment: mantid, cloud: azure-uk, size: Standard_D2s_v5}}]
"""


def test_a_catalogue_with_an_azure_cloud() -> None:
    (account,) = parse(CATALOGUE, "c.yaml").clouds.values()
    assert account.kind == "azure"


def test_without_the_sdk_the_install_line_is_told() -> None:
    script = (
        "import sys\n"
        "sys.modules['azure.mgmt.compute'] = None\n"
        "import vmm_core.clouds.registry as registry\n"
        "try: registry.cloud_class('azure')\n"
        "except Exception as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert "pip install 'jupyter-daaas[azure]'" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("region: uksouth", "region: UK South", "region"),
        ("zone: 1", "zone: 12", "zone"),
        ("kind: secret", "kind: password", "credential"),
        (", tenant: t", "", "tenant"),
        ("resource_group: daaas", "resource_group: a/b", "resource_group"),
        ("/virtualNetworks/n/subnets/s", "/virtualNetworks/n", "subnet"),
        ("subscription: 1", "subscription: x", "subscription"),
        ("region:", "regoin:", "regoin"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse(CATALOGUE.replace(old, new), "c.yaml")
    assert "c.yaml:" in str(caught.value)
    assert told in str(caught.value)
