"""The folder that the browser widget shows: listed page by page, sent window by window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from posixpath import dirname, join, normpath
from typing import Any

from traitlets import Dict, Unicode, observe

from dms_core.errors import DmsError, NotAFolder
from dms_core.model import Kind, Status, Transfer

from ..contents import tree_path
from .base import MountWidget
from .rows import Rows

PAGE_ROWS = 1000
"""Rows that the mount is asked for at once."""

WINDOW_ROWS = 500
"""Rows that are sent to the page in one message at most."""

HEAD_ROWS = 50
"""Rows that come with the view itself."""

FOLDERS_S = 1.0
"""Seconds between two looks at the states of the folders that are shown."""


class FolderWidget(MountWidget):
    """Shows a folder and follows the states of what is in it."""

    path = Unicode("/", help="The folder that is shown; set it to go to another.").tag(sync=True)
    filter = Unicode("", help="What the names that are shown have in them.").tag(sync=True)
    _view = Dict(help="The folder and how many rows there are to ask for.").tag(sync=True)

    def __init__(self, **options: Any) -> None:
        self._rows = Rows("/")
        self._version = 0
        self._listing: Future[Any] | None = None
        self._folders_due: set[str] = set()
        self._looking = False
        super().__init__(**options)

    def _goes_to(self, path: str) -> None:
        """The folder at ``path`` is shown next."""

    def _chose(self, path: str) -> None:
        """A file was entered, which is to choose it."""

    def refresh(self) -> None:
        """List the folder again."""
        self._open(self.path)

    @observe("path")
    def _path_set(self, change: dict[str, Any]) -> None:
        if self._here and change["new"] != self._rows.path:
            self._goes_to(change["new"])  # here: observers are called where the path was set
            self._open(change["new"])

    @observe("filter")
    def _filter_set(self, change: dict[str, Any]) -> None:
        if self._here and change["new"] != self._rows.text:
            self._start(self._filtered(change["new"]))

    def _came(self) -> None:
        self._open(self.path)

    def _took_statuses(self, statuses: list[Status]) -> None:
        changed = self._rows.update(statuses)
        if changed:
            self._send_states(row.status for row in changed)
        self._folders_due |= self._rows.folders_above(each.path for each in statuses)
        if self._folders_due and not self._looking:
            self._looking = True
            self._start(self._look_at_folders())

    def _took_transfers(self, transfers: list[Transfer]) -> None:
        ended = [one.path for one in transfers if one.state not in ("queued", "running")]
        due = [path for path in ended if dirname(path) == self._rows.path]
        if due:  # of a folder only its files are told
            self._start(self._asked(due))

    async def _look_at_folders(self) -> None:
        try:
            while self._folders_due:
                due, self._folders_due = self._folders_due, set()
                await self._asked(due)
                await asyncio.sleep(FOLDERS_S)
        finally:
            self._looking = False

    async def _asked(self, paths: Iterable[str]) -> None:
        statuses = [await self._link.mount.status(path) for path in paths]
        self._send_states(row.status for row in self._rows.update(statuses))

    def _open(self, path: str) -> None:
        if self._listing is not None:
            self._listing.cancel()
        self._listing = self._start(self._list(path))

    async def _list(self, path: str) -> None:
        """Show the folder at ``path``, page by page; where it is not one, stay and say so."""
        mount = self._link.mount
        try:
            path = tree_path(path)
            status = await mount.status(path)
            if status.kind is not Kind.FOLDER:
                raise NotAFolder(f"{path} is a file; name its folder, {dirname(path)}.")
            page = await mount.list(path, limit=PAGE_ROWS)
        except DmsError:
            if self._view:
                self.path = self._rows.path
            else:
                self._view = {"version": 0, "path": path, "count": 0, "complete": True}
            raise
        moved = bool(self._view) and path != self._rows.path
        self._rows = rows = Rows(path, "" if moved else self.filter)
        if moved:
            self.filter = ""
            self._goes_to(path)
        self._version += 1
        self.error = ""
        while True:
            rows.add(page.rows)
            rows.complete = page.cursor is None
            self._show_view(status.writable)
            self.path = path
            if page.cursor is None:
                return
            page = await mount.list(path, cursor=page.cursor, limit=PAGE_ROWS)

    async def _filtered(self, text: str) -> None:
        self._rows.filter(text)
        self._version += 1
        self._show_view(self._view.get("writable", False))

    def _show_view(self, writable: bool) -> None:
        rows = self._rows
        self._view = {
            "version": self._version,
            "path": rows.path,
            "filter": rows.text,
            "count": len(rows.view),
            "entries": len(rows.all),
            "complete": rows.complete,
            "writable": writable,
            # So that they are there with the view, for whoever is quick at the keys.
            "head": [row.wire() for row in rows.window(0, HEAD_ROWS)],
        }

    def _send_states(self, statuses: Iterable[Status]) -> None:
        states = {
            each.path: [each.state, each.percent, each.cached_bytes, each.reason, each.remedy]
            for each in statuses
        }
        if states:
            self.send({"kind": "states", "states": states})

    def _do_rows(self, asked: dict[str, Any]) -> None:
        """The page shows these rows of the view now."""
        if asked["version"] != self._version:
            # Of a view that is gone: the page asks again once it has the new one, which it is
            # sent again, should its change have been lost while ipywidgets held changes back.
            self.send_state("_view")
            return
        first = int(asked["first"])
        end = min(int(asked["end"]), first + WINDOW_ROWS)
        rows = [row.wire() for row in self._rows.window(first, end)]
        self.send({"kind": "rows", "version": self._version, "first": first, "rows": rows})

    def _do_find(self, asked: dict[str, Any]) -> None:
        """Somebody types the beginning of a name."""
        index = self._rows.find(str(asked["text"]), int(asked["after"]))
        self.send({"kind": "found", "index": index, "version": self._version})

    def _do_enter(self, asked: dict[str, Any]) -> None:
        """Go where a row leads: a folder, or a link to one."""
        self._start(self._enter(str(asked["path"]), str(asked["kind"])))

    async def _enter(self, path: str, kind: str) -> None:
        if kind == Kind.LINK:
            target = (await self._link_target(path)) or path
            if (await self._link.mount.status(target)).kind is not Kind.FOLDER:
                self._chose(path)
                return
            path = target
        self._open(path)

    async def _link_target(self, path: str) -> str | None:
        cursor = None
        while True:
            page = await self._link.mount.list(dirname(path), cursor=cursor, limit=PAGE_ROWS)
            for row in page.rows:
                if row.entry.path == path and row.entry.target is not None:
                    return normpath(join(dirname(path), row.entry.target))
            if (cursor := page.cursor) is None:
                return None

    def _do_refresh(self, _: dict[str, Any]) -> None:
        """List again."""
        self._open(self.path)
