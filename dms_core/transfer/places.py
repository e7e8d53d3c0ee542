"""Where bytes are: which locations have how much of what is asked about.

A storage of the configuration may say its ``location``, in the words of
whoever starts machines there. Bytes count for every location that has a
storage with them, replicas included; what caches hold does not count.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from .. import errors
from ..model import Entry, Kind, Near, StorageHealth, Volume
from ..namespace import Namespace
from ..paths import path_of
from ..storage.base import Storage
from .replicas import Replicated

MOST_PATHS = 64
"""Paths of one question."""
MOST_FOLDERS = 16
"""Folders that are looked into to measure one path; the nearest to it first."""


@dataclass(frozen=True)
class Places:
    """Locations of a service's storages.

    ``locations`` has the location of each storage that says one, by its name;
    ``storages`` what serves each volume, by the volume's name.
    """

    locations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    storages: Mapping[str, Storage] = field(default_factory=lambda: MappingProxyType({}))

    async def near(
        self, tree: Storage, namespace: Namespace, paths: Sequence[str]
    ) -> tuple[Near, ...]:
        """The locations that have some of the bytes at ``paths``, the most first.

        Args:
            tree: as the user may see it: it decides what may be asked about.
            namespace: the same tree, to tell the volumes.
            paths: files or folders; a folder counts with the files in it.

        Raises:
            DmsError: a path that the user may not know of, or too many.
        """
        if not 0 < len(paths) <= MOST_PATHS:
            raise errors.BadRequest(f"Ask about 1 to {MOST_PATHS} paths at once, not {len(paths)}.")
        total, at = 0.0, defaultdict[str, float](float)
        for path in dict.fromkeys(paths):
            volume, _ = namespace.volume_of(path)
            if volume is None:
                raise errors.BadRequest("The root is everywhere; ask about a volume or below.")
            for entry in await _files(tree, await tree.lookup(path)):
                weight = max(entry.size, 1)  # an empty one is somewhere, too
                total += weight
                inside = path_of(namespace.volume_of(entry.path)[1])
                own = entry.model_copy(update={"path": inside})
                for location in await self._locations(volume.name, volume.replicas, own):
                    at[location] += weight
        found = [Near(location=name, share=min(1.0, have / total)) for name, have in at.items()]
        return tuple(sorted(found, key=lambda near: (-near.share, near.location)))

    def health(self, volumes: Sequence[Volume]) -> tuple[StorageHealth, ...]:
        """How the storages of ``volumes`` are, as far as they can tell, for operators."""
        found = []
        for volume in volumes:
            storage = self.storages.get(volume.name)
            for each in storage.health() if storage else ():
                name = each.storage or volume.replicas[0]
                told = {"volume": volume.name, "storage": name}
                told["location"] = self.locations.get(name, "")
                found.append(each.model_copy(update=told))
        return tuple(found)

    async def _locations(self, volume: str, names: Sequence[str], entry: Entry) -> set[str]:
        storage = self.storages.get(volume)
        if isinstance(storage, Replicated):
            names = [name async for name in storage.agreeing(entry)]
        return {self.locations[name] for name in names if name in self.locations}


async def _files(tree: Storage, top: Entry) -> list[Entry]:
    """The files at and below ``top``, from the first page of each of the first folders.

    A folder without any stands for itself.
    """
    if top.kind is not Kind.FOLDER:
        return [top]
    found: list[Entry] = []
    folders = deque([top.path])
    for _ in range(MOST_FOLDERS):
        if not folders:
            break
        for entry in (await tree.scan(folders.popleft())).entries:
            if entry.kind is Kind.FOLDER:
                folders.append(entry.path)
            else:
                found.append(entry)
    return found or [top]
