"""Which storages serve a volume: one, or several that stand in for each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import Policy, Volume
from ..storage.base import Storage
from ..yaml_file import YamlFile
from .replicas import Replicated


def serving(volume: Volume, storages: Mapping[str, Storage]) -> Storage:
    """What serves ``volume``, given the storages by name."""
    if len(volume.replicas) == 1:
        return storages[volume.replicas[0]]
    return Replicated([(name, storages[name]) for name in volume.replicas])


def replicas_only(volumes: Sequence[Volume]) -> frozenset[str]:
    """Names of the storages that no volume depends on alone."""
    alone = {volume.replicas[0] for volume in volumes if len(volume.replicas) == 1}
    return frozenset(name for volume in volumes for name in volume.replicas if name not in alone)


def check_replicas(source: YamlFile, index: int, volume: Volume) -> None:
    """Whether the volume, the ``index``-th of the file, says well where its bytes are.

    Raises:
        ConfigError: it does not, with file and line.
    """
    if volume.storage and volume.storages:
        raise source.wrong(
            ("volumes", index, "storages"), "storage and storages are both given; keep one of them"
        )
    if not volume.replicas:
        raise source.wrong(
            ("volumes", index), "a volume needs its storage; name one of those above"
        )
    if len(set(volume.storages)) < len(volume.storages):
        raise source.wrong(
            ("volumes", index, "storages"), "a storage is named twice; name each replica once"
        )
    if len(volume.replicas) > 1 and volume.policy is not Policy.ARCHIVE:
        raise source.wrong(
            ("volumes", index, "storages"),
            f"a volume of policy {volume.policy} is written to and has one storage; "
            "replicas are for archives",
        )
