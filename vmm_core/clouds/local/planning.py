"""What a machine will be, decided from the request, the options and the host.

Nothing here changes anything: :func:`plan` says what is to be made or why it
never can be, :func:`place` whether there is room for it now.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..base import MachineSpec, NoCapacity, Refused
from .folder import Record
from .host import Host
from .namespaces import Way
from .network import LOOPBACK, endpoint
from .options import LocalSize, Options

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CPUS, _RAM = "overcommit.cpus", "overcommit.ram"
_INSTALLATION = 3
"""Levels from this file's folder up to where ``vmm_core`` is."""


def plan(spec: MachineSpec, options: Options, host: Host, way: Way) -> Record:
    """The record of a new machine.

    Raises:
        Refused: this cloud can never make it.
    """
    size = options.sizes.get(spec.size.name)
    if size is None:
        known = ", ".join(options.sizes)
        raise Refused(f"this cloud has no size {spec.size.name!r}: it has {known}")
    if missing := lacking(size, host):
        raise Refused(f"size {spec.size.name} cannot be had here: {missing}")
    reach = {_endpoint(known) for known in options.reach} | _service(spec.user_data)
    if both := {endpoint(text)[1] for text in reach} & set(spec.ports):
        raise Refused(
            f"port {min(both)} is both the host's and the machine's: take it out of `reach`, "
            "or give the session another port"
        )
    return Record(
        name=spec.name,
        owner=spec.owner,
        way=way.value,
        cpus=size.cpus,
        ram_gb=size.ram_gb,
        gpus=size.gpus,
        gpu_model=size.gpu_model,
        ports=spec.ports,
        reach=tuple(sorted(reach)),
        devices=(),
        show=_needed(options.show),
        hide=tuple(str(path.absolute()) for path in (options.folder, *options.hide)),
        command=options.command,
        environment=environment(),
        user_data=spec.user_data,
        stop_timeout_s=options.stop_timeout_s,
        tags=dict(spec.tags),
    )


def place(record: Record, machines: Collection[Record], options: Options, host: Host) -> Record:
    """The record with the GPUs that it gets, if there is room beside the other machines.

    Raises:
        NoCapacity: there is none now.
    """
    others = [other for other in machines if other.name != record.name]
    most = options.machines
    if record.way == Way.PROCESS and record.ports:
        most = 1  # without a network of its own a second one could not have the same ports
    factor = options.overcommit
    for what, used, limit, option in (
        ("machines", len(others) + 1, most, "machines"),
        ("CPUs", sum(o.cpus for o in (*others, record)), host.cpus * factor.cpus, _CPUS),
        ("GiB", sum(o.ram_gb for o in (*others, record)), host.ram_gb * factor.ram, _RAM),
    ):
        if limit is not None and used > limit:
            raise NoCapacity(
                f"this host has room for {limit:g} {what}, {used:g} were asked: "
                f"wait until machines are released, or raise '{option}'"
            )
    taken = {node for other in others for node in other.devices}
    free = [
        gpu
        for gpu in host.gpus
        if gpu.nodes[0] not in taken and (record.gpu_model or "") in gpu.model
    ]
    if record.gpus > len(free):
        raise NoCapacity(
            f"{len(free)} GPUs of this host are free, {record.gpus} were asked: "
            "wait until machines are released"
        )
    nodes = dict.fromkeys(node for gpu in free[: record.gpus] for node in gpu.nodes)
    return replace(record, devices=tuple(nodes))


def lacking(size: LocalSize, host: Host) -> str:
    """Why this host can never give this size; empty if it can."""
    if size.cpus > host.cpus:
        return f"it needs {size.cpus:g} CPUs and this host has {host.cpus}"
    if size.ram_gb > host.ram_gb:
        return f"it needs {size.ram_gb:g} GiB and this host has {host.ram_gb:.1f}"
    gpus = [gpu for gpu in host.gpus if (size.gpu_model or "") in gpu.model]
    if size.gpus > len(gpus):
        what = f"{size.gpu_model or ''} GPU{'s' if size.gpus > 1 else ''}".strip()
        return f"it needs {size.gpus} {what} and this host has {len(gpus) or 'none'}"
    return ""


def environment() -> dict[str, str]:
    """What supervisors and agents see of our environment: how to find Python's modules."""
    passed = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    own = str(Path(sys.executable).parent)
    return {"PATH": f"{own}:{_SYSTEM_PATH}", "LANG": "C.UTF-8", **passed}


def _needed(more: tuple[Path, ...]) -> tuple[str, ...]:
    """Folders of the host without which this Python and its packages do not run."""
    source = Path(__file__).parents[_INSTALLATION]
    wanted = [sys.base_prefix, sys.prefix, str(source), *map(str, more)]
    wanted += [path for path in sys.path if path and Path(path).is_dir()]
    found: list[str] = []
    for path in sorted({str(Path(path).absolute()) for path in wanted}):
        if not any(Path(path).is_relative_to(known) for known in found):
            found.append(path)
    return tuple(found)


def _endpoint(known: int | str) -> str:
    return known if isinstance(known, str) else f"{LOOPBACK}:{known}"


def _service(user_data: str) -> set[str]:
    """The VMM's endpoints, as far as its URLs in the user data say addresses and not names."""
    try:
        urls = json.loads(user_data)["service"].split()
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()
    return {endpoint for each in urls if (endpoint := _address(each))}


def _address(service: str) -> str:
    """The endpoint of a URL; empty if it is a name's or none."""
    try:
        url = urlsplit(service)
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        host = LOOPBACK if url.hostname == "localhost" else url.hostname
        return f"{ipaddress.IPv4Address(host)}:{port}"
    except (ValueError, KeyError):
        return ""
