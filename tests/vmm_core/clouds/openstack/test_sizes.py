"""Flavors as sizes: units, GPUs by all three kinds of extra specs, and what cannot be had."""

from __future__ import annotations

import pytest
from openstack.compute.v2.flavor import Flavor

from vmm_core.clouds.openstack.options import Options
from vmm_core.clouds.openstack.sizes import gpus_of, size_fact

OPTIONS = Options(
    cloud="ral",
    zone="loc-a",
    network="vmm",
    other_aliases=("mlx5",),
    gpu_models={"gpu.mapped": "A100"},
)


def flavor(name: str = "m1", **more: object) -> Flavor:
    return Flavor(**{"name": name, "vcpus": 4, "ram": 6144, "disk": 20, **more})


def test_a_plain_flavor() -> None:
    fact = size_fact(flavor(), OPTIONS)
    assert fact.unavailable == ""
    assert (fact.size.name, fact.size.cpus, fact.size.ram_gb) == ("m1", 4, 6)
    assert (fact.size.gpus, fact.size.gpu_model) == (0, None)


@pytest.mark.parametrize(
    ("extra_specs", "gpus", "model"),
    [
        ({}, 0, None),
        ({"hw:cpu_policy": "dedicated"}, 0, None),
        ({"pci_passthrough:alias": "a100:2"}, 2, "a100"),
        ({"pci_passthrough:alias": "a100"}, 1, "a100"),
        ({"pci_passthrough:alias": "gpu:1"}, 1, None),
        ({"pci_passthrough:alias": "mlx5:2"}, 0, None),
        ({"pci_passthrough:alias": "mlx5:1, v100:4"}, 4, "v100"),
        ({"pci_passthrough:alias": "a100:many"}, 0, None),
        ({"resources:VGPU": "1"}, 1, None),
        ({"resources1:VGPU": "1", "resources2:VGPU": "1"}, 2, None),
        ({"resources_GPU0:PGPU": "1", "trait_GPU0:CUSTOM_GPU_L40S": "required"}, 1, "L40S"),
        ({"resources:VGPU": "many"}, 0, None),
        ({"resources:VCPU": "8"}, 0, None),
        ({"trait:CUSTOM_GPU": "required"}, 1, None),
        ({"trait:CUSTOM_GPU_A100": "required"}, 1, "A100"),
        ({"trait:CUSTOM_GPU_A100": "forbidden"}, 0, None),
    ],
)
def test_gpus(extra_specs: dict[str, str], gpus: int, model: str | None) -> None:
    assert gpus_of(extra_specs, OPTIONS) == (gpus, model)


def test_the_operators_word_for_a_model_wins() -> None:
    specs = {"pci_passthrough:alias": "gpu:2"}
    fact = size_fact(flavor("gpu.mapped", extra_specs=specs), OPTIONS)
    assert (fact.size.gpus, fact.size.gpu_model) == (2, "A100")
    assert size_fact(flavor("gpu.mapped"), OPTIONS).size.gpu_model is None


def test_flavors_that_machines_cannot_have() -> None:
    assert "is disabled" in size_fact(flavor(is_disabled=True), OPTIONS).unavailable
    assert "has no disk" in size_fact(flavor(disk=0), OPTIONS).unavailable
