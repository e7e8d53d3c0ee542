"""The tags by which machines and what belongs to them are found again, and their names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from ..base import Refused

OWNER = "daaas-owner"
MACHINE = "daaas-machine"
PORTS = "daaas-ports"
OTHER = "daaas-tag-"
"""Before the names of the tags of a machine's spec."""

INTERFACE, ADDRESS, DISK = "nic", "ip", "disk"
"""What comes with a machine, as its name says it."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?")
_TAG = re.compile(r"[^<>%&\\?/]{1,490}")
_MOST_VALUE = 256
_MORE = "(?:-.*)?"
"""What Azure may append to a name."""


def is_name(name: str) -> bool:
    """Whether Azure takes it as the name of a Linux machine and as its host name."""
    return _NAME.fullmatch(name) is not None


def tags(
    name: str, owner: str, ports: tuple[int, ...], others: Mapping[str, str]
) -> dict[str, str]:
    """The tags of a machine and of all that comes with it.

    Raises:
        Refused: a tag is longer than Azure allows, or has a character it forbids.
    """
    found = {OWNER: owner, MACHINE: name, PORTS: " ".join(map(str, ports))}
    found |= {OTHER + key: value for key, value in others.items()}
    for key, value in found.items():
        if not _TAG.fullmatch(key):
            raise Refused(f"{key!r} cannot be a tag in Azure: leave out < > % & \\ ? /")
        if len(value) > _MOST_VALUE:
            raise Refused(
                f"tag {key} of machine {name} has {len(value)} characters: "
                f"Azure takes {_MOST_VALUE}, shorten it"
            )
    return found


def side(name: str, owner: str, what: str) -> str:
    """The name of something that comes with a machine; tells the owner where tags are lost."""
    return f"{name}-{what}-{_digest(owner)}"


def machine_of(resource: str, tagged: Mapping[str, str], owner: str, what: str) -> str | None:
    """The machine of ``owner`` that a resource came with, by its tags or else by its name."""
    if OWNER in tagged:
        return tagged.get(MACHINE) if tagged[OWNER] == owner else None
    found = re.fullmatch(f"(.+)-{what}-{_digest(owner)}{_MORE}", resource)
    return found[1] if found else None


def side_id(resource: str, what: str) -> str:
    """The id, and the name, of something that is left of a machine."""
    return f"{what}:{resource}"


def parse_side(text: str) -> tuple[str, str] | None:
    """What it is and its name; None if it is no id of something left."""
    what, colon, resource = text.partition(":")
    return (what, resource) if colon and what in (INTERFACE, ADDRESS, DISK) else None


def made_with(resource: str, tagged: Mapping[str, str], what: str) -> str | None:
    """The machine of a VMM that a resource came with, whoever its owner."""
    if MACHINE in tagged:
        return tagged[MACHINE]
    found = re.fullmatch(f"(.+)-{what}-[0-9a-f]{{8}}{_MORE}", resource)
    return found[1] if found else None


def came_with(machine: str, resource: str, tagged: Mapping[str, str], what: str) -> bool:
    """Whether a resource came with ``machine``, whoever its owner."""
    if MACHINE in tagged:
        return tagged[MACHINE] == machine
    return re.fullmatch(f"{re.escape(machine)}-{what}-[0-9a-f]{{8}}{_MORE}", resource) is not None


def ports_of(tagged: Mapping[str, str]) -> dict[int, int]:
    """The ports a machine was made with; real machines are dialled at the very port."""
    return {int(port): int(port) for port in tagged.get(PORTS, "").split() if port.isdigit()}


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:8]
