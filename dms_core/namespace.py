"""Volumes as one tree: ``/archive``, ``/home``, ``/rb``, each a storage below its name.

The root and the volumes' own folders are made up here and never change, so
that the tree can be shown while a storage is away. Nothing here knows users;
that is :mod:`dms_core.access`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from . import errors
from .model import Entry, Kind, Page, Policy, Space, Volume
from .paths import parts_of, path_of
from .storage.base import PAGE_ENTRIES, Storage, WritableStorage


class Namespace(WritableStorage):
    """The storages of ``volumes`` below one root.

    Entry ids get the volume's name in front. A volume of policy archive takes
    no changes, whatever its storage could do.
    """

    def __init__(self, volumes: Iterable[tuple[Volume, Storage]]) -> None:
        ordered = sorted(volumes, key=lambda pair: pair[0].name)
        self._volumes = {volume.name: (volume, storage) for volume, storage in ordered}
        self.volumes: tuple[Volume, ...] = tuple(volume for volume, _ in ordered)
        self.immutable = all(storage.immutable for _, storage in ordered)

    def volume_of(self, path: str) -> tuple[Volume | None, list[str]]:
        """The volume that holds ``path`` (None for the root) and the names below it.

        Raises:
            NotFound: there is no such volume.
        """
        parts = parts_of(path)
        if not parts:
            return None, []
        if parts[0] not in self._volumes:
            raise errors.NotFound(f"{path} does not exist; check the path.")
        return self._volumes[parts[0]][0], parts[1:]

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        volume, below = self.volume_of(path)
        if volume is None or not below:
            return self._made_up(path, volume)
        with _told_here(volume):
            return _out(volume, await self._storage(volume).lookup(path_of(below)))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`."""
        volume, below = self.volume_of(path)
        if volume is None:
            return self._scan_root(cursor, limit)
        with _told_here(volume):
            page = await self._storage(volume).scan(path_of(below), cursor=cursor, limit=limit)
            return Page(
                entries=tuple(_out(volume, entry) for entry in page.entries), cursor=page.cursor
            )

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        volume, below = self.volume_of(entry.path)
        if volume is None or not below:
            raise errors.IsAFolder(f"{entry.path} is a folder; name a file.")
        inner = entry.model_copy(
            update={"path": path_of(below), "id": entry.id.removeprefix(f"{volume.name}:")}
        )
        with _told_here(volume):
            return await self._storage(volume).read(inner, offset, length)

    async def space(self, path: str) -> Space:
        """Room of the volume's storage; unknown for the root."""
        volume, below = self.volume_of(path)
        if volume is None:
            return Space()
        with _told_here(volume):
            return await self._storage(volume).space(path_of(below))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.create(below, mode=mode, exclusive=exclusive))

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.make_folder(below, mode=mode))

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.write(below, offset, data))

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.truncate(below, size))

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`; nothing to do for what is made up here."""
        volume, below = self.volume_of(path)
        if volume is None or not below:
            return self._made_up(path, volume)
        volume, storage, inner = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.commit(inner))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`.

        Raises:
            CrossVolume: ``to`` is in another volume.
        """
        volume, storage, below = self._to_change(path)
        to_volume, _, to_below = self._to_change(to)
        if volume != to_volume:
            raise errors.CrossVolume(f"{path} cannot be moved to {to}, another volume; copy it.")
        with _told_here(volume):
            return _out(volume, await storage.rename(below, to_below, replace=replace))

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`."""
        volume, storage, below = self._to_change(path)
        to_volume, _, to_below = self._to_change(to)
        if volume != to_volume:
            raise errors.CrossVolume(f"{path} cannot be moved to {to}, another volume; copy it.")
        with _told_here(volume):
            return _out(volume, await storage.replace(below, to_below, version))

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            await storage.remove(below)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        volume, storage, below = self._to_change(path)
        with _told_here(volume):
            return _out(volume, await storage.set_attributes(below, mode=mode, mtime_ns=mtime_ns))

    async def close(self) -> None:
        """Close the storages."""
        for storage in {id(storage): storage for _, storage in self._volumes.values()}.values():
            await storage.close()

    def _storage(self, volume: Volume) -> Storage:
        return self._volumes[volume.name][1]

    def _to_change(self, path: str) -> tuple[Volume, WritableStorage, str]:
        """Where a change of ``path`` goes: volume, storage and the path there."""
        volume, below = self.volume_of(path)
        if volume is None or not below:
            raise errors.NotAllowed(f"{path} is fixed: the top folders are the volumes.")
        storage = self._storage(volume)
        if not _takes_changes(volume, storage) or not isinstance(storage, WritableStorage):
            raise errors.ReadOnly(f"{path} is in the read-only volume {volume.name}; copy it home.")
        return volume, storage, path_of(below)

    def _made_up(self, path: str, volume: Volume | None) -> Entry:
        return Entry(
            path=path,
            kind=Kind.FOLDER,
            id=f"{volume.name}:" if volume else ":",
            version="0",
            size=0,
            mtime_ns=0,
            mode=0o755,
            writable=volume is not None and _takes_changes(volume, self._storage(volume)),
        )

    def _scan_root(self, cursor: str | None, limit: int) -> Page:
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        after = [volume for volume in self.volumes if cursor is None or volume.name > cursor]
        return Page(
            entries=tuple(self._made_up(f"/{volume.name}", volume) for volume in after[:limit]),
            cursor=after[limit - 1].name if len(after) > limit else None,
        )


def _takes_changes(volume: Volume, storage: Storage) -> bool:
    return storage.writable and volume.policy is not Policy.ARCHIVE


def _out(volume: Volume, entry: Entry) -> Entry:
    """``entry`` of the volume's storage as it is in the tree."""
    return entry.model_copy(
        update={
            "path": f"/{volume.name}{entry.path}",
            "id": f"{volume.name}:{entry.id}",
            "writable": entry.writable and volume.policy is not Policy.ARCHIVE,
        }
    )


@contextmanager
def _told_here(volume: Volume) -> Iterator[None]:
    """Errors name the path in the tree, not the one in the volume's storage.

    One storage that is away or silent says nothing of the other volumes.
    """
    try:
        yield
    except errors.DmsError as error:
        message, kind = str(error), type(error)
        if isinstance(error, errors.Unreachable):
            kind = errors.StorageAway
        if message.startswith("/"):
            raise kind(f"/{volume.name}{message}") from None
        if kind is not type(error):
            raise kind(message) from None
        raise
