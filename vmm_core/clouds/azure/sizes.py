"""Which sizes there are, which of them this account cannot have, and its limits. Pure.

Azure tells sizes as resource SKUs, whose capabilities are strings, and quota
as usages: cores of the region, cores of each family, machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from azure.mgmt.compute.models import ResourceSku, ResourceSkuRestrictions, Usage

from ...model import Size
from ..base import Limits, SizeFact
from .options import Options

_MODELS = (
    (r"_H100_", "H100"),
    (r"_H200_", "H200"),
    (r"_GB200_", "GB200"),
    (r"_MI300X_", "MI300X"),
    (r"_A100_|ND96asr_", "A100"),
    (r"_A10_", "A10"),
    (r"_T4_", "T4"),
    (r"_V710_", "V710"),
    (r"_V620_", "V620"),
    (r"_NC\d+r?s_v3$|_ND40rs_v2$", "V100"),
    (r"_NC\d+r?s_v2$", "P100"),
    (r"_ND\d+r?s$", "P40"),
    (r"_NV\d+a?s_v4$", "MI25"),
    (r"_NV\d+s?(_v2|_v3)?$", "M60"),
    (r"_NC\d+r?$", "K80"),
)
"""Names of sizes -> the model of their GPUs, from Microsoft's list of GPU sizes."""


def facts(
    skus: Iterable[ResourceSku], usages: Iterable[Usage], options: Options
) -> dict[str, SizeFact]:
    """Every size of the region by name, with why it cannot be had, if so."""
    quota = {(usage.name.value or "").lower(): usage.limit for usage in usages}
    found = {}
    for sku in skus:
        here = options.region in {place.lower() for place in sku.locations or ()}
        if sku.resource_type == "virtualMachines" and here and (size := _size(sku, options)):
            found[size.name] = SizeFact(size, _unavailable(sku, size, quota, options))
    return found


def limits(usages: Iterable[Usage]) -> Limits:
    """The account's ceilings in the region; Azure has none for RAM and GPUs as such."""
    quota = {(usage.name.value or "").lower(): usage.limit for usage in usages}
    cores = quota.get("cores")
    return Limits(
        machines=quota.get("virtualmachines"), cpus=None if cores is None else float(cores)
    )


def gpu_model(name: str, family: str, known: Mapping[str, str]) -> str | None:
    """The model of a size's GPUs; what the operator says comes first."""
    if model := known.get(name) or known.get(family):
        return model
    return next((model for pattern, model in _MODELS if re.search(pattern, name, re.I)), None)


def _size(sku: ResourceSku, options: Options) -> Size | None:
    """None if Azure does not say what the size has."""
    able = {each.name: each.value for each in sku.capabilities or ()}
    cpus = _number(able.get("vCPUsAvailable")) or _number(able.get("vCPUs"))
    ram_gb = _number(able.get("MemoryGB"))
    if not sku.name or not cpus or not ram_gb:
        return None
    gpus = int(_number(able.get("GPUs")))
    model = gpu_model(sku.name, sku.family or "", options.gpu_models) if gpus else None
    return Size(name=sku.name, cpus=cpus, ram_gb=ram_gb, gpus=gpus, gpu_model=model)


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


def _unavailable(sku: ResourceSku, size: Size, quota: Mapping[str, int], options: Options) -> str:
    for restriction in sku.restrictions or ():
        if _concerns(restriction, options):
            where = options.region
            if restriction.type == "Zone":
                where += f", zone {options.zone}"
            return f"Azure does not give it to this subscription in {where} ({_code(restriction)})"
    zones = {
        zone
        for info in sku.location_info or ()
        if (info.location or "").lower() == options.region
        for zone in info.zones or ()
    }
    if options.zone and options.zone not in zones:
        offered = f"zones {', '.join(sorted(zones))}" if zones else "no zone"
        return f"Azure has it in {offered} of {options.region}, not in zone {options.zone}"
    limit = quota.get((sku.family or "").lower())
    if limit is not None and limit < size.cpus:
        return (
            f"the subscription's quota for its family is {limit} CPUs in {options.region} "
            f"and it has {size.cpus:g}"
        )
    return ""


def _concerns(restriction: ResourceSkuRestrictions, options: Options) -> bool:
    info = restriction.restriction_info
    if restriction.type == "Zone":
        return bool(options.zone and info and options.zone in (info.zones or ()))
    places = [*(restriction.values_property or ()), *((info.locations if info else None) or ())]
    return options.region in {place.lower() for place in places}


def _code(restriction: ResourceSkuRestrictions) -> str:
    code = restriction.reason_code
    return str(getattr(code, "value", code) or "no reason given")
