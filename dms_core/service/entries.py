"""``/entries``, ``/rename``, ``/commit``, ``/space``, ``/volumes``: the tree without its bytes."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BadRequest
from ..storage.base import PAGE_ENTRIES
from .handler import Handler

MAX_PAGE_ENTRIES = 10_000


class Change(BaseModel):
    """What ``PATCH /entries`` changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    mode: int | None = Field(default=None, ge=0, le=0o777)
    mtime_ns: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    size: int | None = Field(default=None, ge=0, lt=2**63)


class Rename(BaseModel):
    """What ``POST /rename`` wants to know."""

    model_config = ConfigDict(extra="forbid")

    path: str
    to: str
    replace: bool = True
    version: str | None = Field(default=None, description="replace only this version of `to`")


class EntryHandler(Handler):
    """``/entries/PATH``: look up, scan, make a folder, change, remove."""

    async def get(self, path: str) -> None:
        """The entry, or with ``?scan`` a page of the folder."""
        if self.get_query_argument("scan", None) is None:
            self.answer(await self.tree.lookup(path))
            return
        limit = min(self.number("limit", PAGE_ENTRIES), MAX_PAGE_ENTRIES)
        # A cursor is a name as it was given out: nothing may be stripped from it.
        cursor = self.get_query_argument("cursor", None, strip=False)
        self.answer(await self.tree.scan(path, cursor=cursor, limit=limit))

    async def put(self, path: str) -> None:
        """Make a folder, with the permission bits ``?mode=`` (octal)."""
        mode = self.number("mode", 0o755, base=8)
        self.answer(await self.tree.make_folder(path, mode=mode), HTTPStatus.CREATED)

    async def patch(self, path: str) -> None:
        """Change the size, or the attributes; not both, which could be half done."""
        change = self.body(Change)
        attributes = {"mode": change.mode, "mtime_ns": change.mtime_ns}
        if change.size is None:
            self.answer(await self.tree.set_attributes(path, **attributes))
        elif attributes == {"mode": None, "mtime_ns": None}:
            self.answer(await self.tree.truncate(path, change.size))
        else:
            raise BadRequest("Change the size in a request of its own, apart from attributes.")

    async def delete(self, path: str) -> None:
        """Remove a file, a link or an empty folder."""
        await self.tree.remove(path)
        self.set_status(HTTPStatus.NO_CONTENT)


class RenameHandler(Handler):
    """``/rename``: move within a volume."""

    async def post(self) -> None:
        """The entry at its new path."""
        change = self.body(Rename)
        if change.version is None:
            self.answer(await self.tree.rename(change.path, change.to, replace=change.replace))
        else:
            self.answer(await self.tree.replace(change.path, change.to, change.version))


class CommitHandler(Handler):
    """``/commit/PATH``: make what was written durable."""

    async def post(self, path: str) -> None:
        """The entry, when it would survive a power cut."""
        self.answer(await self.tree.commit(path))


class SpaceHandler(Handler):
    """``/space/PATH``: room, for ``df``."""

    async def get(self, path: str) -> None:
        """Total and free bytes, where known."""
        self.answer(await self.tree.space(path))


class VolumesHandler(Handler):
    """``/volumes``: the top folders."""

    def get(self) -> None:
        """All of them: their names are no secret to users."""
        self.set_header("Content-Type", "application/json")
        rows = ",".join(volume.model_dump_json() for volume in self.tree.volumes)
        self.finish(f"[{rows}]")
