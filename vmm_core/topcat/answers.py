"""The JSON that the plugin reads, made from our nouns. Pure.

The plugin's Java reads the fields that its classes ``GsonMachineType``,
``GsonMachine`` and ``GsonMachineDescription`` have; its pages, which get the
list of types as it is, read ``description_id`` and ``number_available`` too.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..model import Environment, Lease, Offer, Pool

Answer = dict[str, Any]


def machine_types(
    environments: Iterable[Environment],
    *,
    pools: Sequence[Pool],
    offers: Sequence[Offer],
    groups: Mapping[str, str],
    numbers: Mapping[str, int],
    clouds: Mapping[str, int],
) -> list[Answer]:
    """One type for each environment that has a pool.

    Args:
        environments: those that are offered.
        pools: of all environments, in the catalogue's order.
        offers: what is free now.
        groups: the plugin's group of each environment.
        numbers: of each environment.
        clouds: the number of each cloud.
    """
    found = []
    for environment in environments:
        name = environment.name
        own = [pool for pool in pools if pool.environment == name]
        if not own:
            continue
        free = sum(offer.free for offer in offers if offer.environment.name == name)
        found.append(
            {
                "id": numbers[name],
                "cloud_id": clouds[own[0].cloud],
                "cloud_name": own[0].cloud,
                "name": environment.title,
                "description": environment.description,
                "description_id": numbers[name],
                "pool_size": sum(pool.ready for pool in own),
                "number_available": free,
                "parameters": {"group": groups.get(name, "")},
            }
        )
    return found


def machine(lease: Lease, *, number: int, type_number: int) -> Answer:
    """A machine that was acquired just now."""
    return {
        "id": number,
        "state": "acquired",
        "machine_type_id": type_number,
        "hostname": lease.machine.address if lease.machine else None,
    }


def description(environment: Environment, *, number: int, logo: bytes) -> Answer:
    """What the list of types shows of one."""
    return {
        "id": number,
        "name": environment.title,
        "description": environment.description,
        "logo": base64.b64encode(logo).decode(),
    }


def _blank() -> bytes:
    """A transparent PNG of one pixel: the plugin fails without any."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 6, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(5))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BLANK = _blank()
"""The logo of an environment that has none."""
