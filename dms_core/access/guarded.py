"""The tree as one user may see and change it: a storage around the namespace.

Every call asks :mod:`dms_core.access.rules` with the user's memberships of that
moment. What the user may not know of does not exist; ``Entry.writable`` tells
what the user may change. A user's home is made when it is first used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from .. import errors
from ..model import Action, Entry, Kind, Page, Policy, Space, Volume
from ..namespace import Namespace
from ..paths import join
from ..storage.base import PAGE_ENTRIES, WritableStorage
from . import rules
from .directory import Directory
from .rules import Memberships

_T = TypeVar("_T")


class Guarded(WritableStorage):
    """``namespace`` for ``user``. Cheap: make one for each request.

    For a folder, ``Entry.writable`` says that entries can be made in it.
    """

    def __init__(self, namespace: Namespace, directory: Directory, user: str) -> None:
        self._namespace = namespace
        self._directory = directory
        self._user = user
        self.immutable = namespace.immutable

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        self._require(path, Action.LIST)
        return self._seen(await self._at_home(path, lambda: self._namespace.lookup(path)))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`; only what the user may know of."""
        self._require(path, Action.LIST)
        volume, below = self._namespace.volume_of(path)
        if volume is not None:
            names = rules.children(volume.policy, below, self._memberships)
            if names is not None:
                return await self._scan_names(path, sorted(names), cursor, limit)
        page = await self._at_home(
            path, lambda: self._namespace.scan(path, cursor=cursor, limit=limit)
        )
        return Page(entries=tuple(map(self._seen, page.entries)), cursor=page.cursor)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        self._require(entry.path, Action.READ)
        return await self._namespace.read(entry, offset, length)

    async def space(self, path: str) -> Space:
        """See :meth:`Storage.space`."""
        self._require(path, Action.LIST)
        return await self._at_home(path, lambda: self._namespace.space(path))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        self._require(path, Action.WRITE)
        mode = self._stored(path, Kind.FILE, mode)
        return self._seen(
            await self._at_home(
                path, lambda: self._namespace.create(path, mode=mode, exclusive=exclusive), depth=2
            )
        )

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        self._require(path, Action.WRITE)
        mode = self._stored(path, Kind.FOLDER, mode)
        return self._seen(
            await self._at_home(path, lambda: self._namespace.make_folder(path, mode=mode), depth=2)
        )

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        self._require(path, Action.WRITE)
        return self._seen(await self._namespace.write(path, offset, data))

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        self._require(path, Action.WRITE)
        return self._seen(await self._namespace.truncate(path, size))

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`; folders that can be written in have it, too."""
        self._require_within(path)
        return self._seen(await self._namespace.commit(path))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        self._require(path, Action.WRITE)
        self._require(to, Action.WRITE)
        return self._seen(await self._namespace.rename(path, to, replace=replace))

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`."""
        self._require(path, Action.WRITE)
        self._require(to, Action.WRITE)
        return self._seen(await self._namespace.replace(path, to, version))

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        self._require(path, Action.WRITE)
        await self._namespace.remove(path)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        self._require_within(path)
        if mode is not None:
            kind = (await self._namespace.lookup(path)).kind
            mode = self._stored(path, kind, mode)
        return self._seen(await self._namespace.set_attributes(path, mode=mode, mtime_ns=mtime_ns))

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """The top folders; every user may know of them."""
        return self._namespace.volumes

    @property
    def _memberships(self) -> Memberships:
        return self._directory.of(self._user)

    def _require(self, path: str, action: Action) -> None:
        volume, below = self._namespace.volume_of(path)
        if volume is None:
            if action is Action.WRITE:
                raise errors.NotAllowed(f"{path} is fixed: the top folders are the volumes.")
            return
        decision = rules.decide(volume.policy, below, action, self._memberships)
        if decision.allowed:
            return
        if not decision.known:
            raise errors.NotFound(f"{path} does not exist; check the path.")
        refused = errors.ReadOnly if volume.policy is Policy.ARCHIVE else errors.NotAllowed
        raise refused(f"{path}: {self._user} may not {action}: {decision.reason}.")

    def _require_within(self, path: str) -> None:
        """Like ``WRITE``, but a folder that can be written in is enough."""
        volume, below = self._namespace.volume_of(path)
        if volume is not None and below and self._may_write(volume, [*below, ""]):
            return
        self._require(path, Action.WRITE)

    def _may_write(self, volume: Volume, below: list[str]) -> bool:
        return rules.decide(volume.policy, below, Action.WRITE, self._memberships).allowed

    def _stored(self, path: str, kind: Kind, mode: int) -> int:
        volume, _ = self._namespace.volume_of(path)
        return mode if volume is None else rules.stored_mode(volume.policy, kind, mode)

    def _seen(self, entry: Entry) -> Entry:
        """``entry`` with what this user may change, and for how long that holds."""
        volume, below = self._namespace.volume_of(entry.path)
        seen: dict[str, object] = {}
        if volume is not None and volume.policy is Policy.RB:
            seen["permit_s"] = rules.permit_s(volume.policy)
            seen["mode"] = rules.shown_mode(volume.policy, entry.kind, entry.mode)
        if entry.writable:
            judged = [*below, ""] if entry.kind is Kind.FOLDER else below
            if volume is None or not self._may_write(volume, judged):
                seen["writable"] = False
        return entry.model_copy(update=seen) if seen else entry

    async def _scan_names(
        self, path: str, names: list[str], cursor: str | None, limit: int
    ) -> Page:
        """A page of those of ``names`` that exist: the folder itself may be huge."""
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        await self.lookup(path)
        found: list[Entry] = []
        for name in names:
            if cursor is not None and name <= cursor:
                continue
            if len(found) == limit:
                last = found[-1].path.rpartition("/")[2]
                return Page(entries=tuple(found), cursor=last)
            try:
                found.append(await self.lookup(join(path, name)))
            except errors.NotFound:
                continue
        return Page(entries=tuple(found))

    async def _at_home(self, path: str, call: Callable[[], Awaitable[_T]], *, depth: int = 1) -> _T:
        """Make the user's home if its lack, ``depth`` above, is why ``call`` finds nothing."""
        try:
            return await call()
        except errors.NotFound:
            volume, below = self._namespace.volume_of(path)
            if volume is None or volume.policy is not Policy.HOME or len(below) != depth:
                raise
            if not (await self._namespace.lookup(f"/{volume.name}")).writable:
                raise
            with suppress(errors.Exists):
                await self._namespace.make_folder(f"/{volume.name}/{self._user}", mode=0o700)
        return await call()
