"""Sizes, GPUs and limits, as Azure tells them."""

from __future__ import annotations

import pytest
from azure.mgmt.compute import models

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.azure.sizes import gpu_model
from vmm_core.clouds.base import Refused

from .conftest import OpenCloud, machine
from .fake import FakeAzure


async def test_sizes_have_what_azure_says(cloud: AzureCloud) -> None:
    sizes = await cloud.sizes()
    small, gpu = sizes["Standard_D8s_v5"].size, sizes["Standard_NC4as_T4_v3"].size
    assert (small.cpus, small.ram_gb, small.gpus, small.gpu_model) == (8, 32, 0, None)
    assert (gpu.cpus, gpu.ram_gb, gpu.gpus, gpu.gpu_model) == (4, 28, 1, "T4")
    assert "Premium_LRS" not in sizes  # a size of disks


async def test_what_cannot_be_had_says_why(open_cloud: OpenCloud) -> None:
    anywhere = await open_cloud().sizes()
    assert {name for name, fact in anywhere.items() if fact.unavailable} == {
        "Standard_NC6",
        "Standard_NC24ads_A100_v4",
    }
    assert anywhere["Standard_NC6"].unavailable == (
        "Azure does not give it to this subscription in uksouth (NotAvailableForSubscription)"
    )
    assert anywhere["Standard_NC24ads_A100_v4"].unavailable == (
        "the subscription's quota for its family is 0 CPUs in uksouth and it has 24"
    )
    in_zone = await open_cloud(zone="2").sizes()
    assert in_zone["Standard_D8s_v5"].unavailable == (
        "Azure does not give it to this subscription in uksouth, zone 2 "
        "(NotAvailableForSubscription)"
    )
    assert in_zone["Standard_NC24ads_A100_v4"].unavailable == (
        "Azure has it in zones 1, 3 of uksouth, not in zone 2"
    )
    assert not in_zone["Standard_D2s_v5"].unavailable


async def test_a_size_that_cannot_be_had_is_not_asked_for(
    azure: FakeAzure, cloud: AzureCloud
) -> None:
    closed = (await cloud.sizes())["Standard_NC6"].size
    with pytest.raises(Refused, match="'Standard_NC6' cannot be had: Azure does not give it"):
        await cloud.create(machine(size=closed))
    assert "put machine" not in azure.requests


async def test_sizes_are_asked_anew_when_they_are_old(
    azure: FakeAzure, open_cloud: OpenCloud
) -> None:
    cloud, forgetful = open_cloud(), open_cloud(sizes_every_s=0)
    for each in (cloud, cloud, forgetful, forgetful):
        await each.sizes()
    pages = 3
    assert azure.requests.count("list sizes") == 3 * pages


async def test_limits_are_the_subscriptions_quota(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.account.cores = 42
    limits = await cloud.limits()
    assert (limits.cpus, limits.machines) == (42, 25_000)
    assert (limits.ram_gb, limits.gpus) == (None, None)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Standard_NC24ads_A100_v4", "A100"),
        ("Standard_ND96asr_v4", "A100"),
        ("Standard_ND96isr_H100_v5", "H100"),
        ("Standard_ND96isr_H200_v5", "H200"),
        ("Standard_ND96isr_MI300X_v5", "MI300X"),
        ("Standard_NV36ads_A10_v5", "A10"),
        ("Standard_NC4as_T4_v3", "T4"),
        ("Standard_NC6s_v3", "V100"),
        ("Standard_NC24rs_v3", "V100"),
        ("Standard_NC12s_v2", "P100"),
        ("Standard_ND6s", "P40"),
        ("Standard_NV12s_v3", "M60"),
        ("Standard_NV8as_v4", "MI25"),
        ("Standard_NC6", "K80"),
        ("Standard_NX1_unheard_of", None),
    ],
)
def test_gpu_models(name: str, model: str | None) -> None:
    assert gpu_model(name, "family", {}) == model
    assert gpu_model(name, "family", {name: "mine"}) == "mine"
    assert gpu_model(name, "family", {"family": "ours"}) == "ours"


async def test_an_operator_may_name_the_gpus(open_cloud: OpenCloud) -> None:
    sizes = await open_cloud(gpu_models={"Standard_NC4as_T4_v3": "Tesla T4"}).sizes()
    assert sizes["Standard_NC4as_T4_v3"].size.gpu_model == "Tesla T4"


def test_sizes_without_figures_are_left_out() -> None:
    from vmm_core.clouds.azure.options import Options
    from vmm_core.clouds.azure.sizes import facts

    options = Options(
        subscription="11111111-1111-1111-1111-111111111111",
        resource_group="g",
        region="uksouth",
        subnet="/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
        "/virtualNetworks/n/subnets/s",
    )
    odd = models.ResourceSku(
        {
            "resourceType": "virtualMachines",
            "name": "Odd",
            "locations": ["UKSouth"],
            "capabilities": [{"name": "vCPUs", "value": "many"}],
        }
    )
    assert facts([odd], [], options) == {}
