"""DataBrowser: the data tree in a cell, with what is selected readable in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from posixpath import dirname
from typing import Any, TypeVar

from traitlets import Bool, Int, List, Unicode

from dms_core.errors import BadRequest, DmsError
from dms_core.model import Status, Transfer

from ..contents import mounted_path, tree_path
from .listing import FolderWidget
from .source import module, styles

_T = TypeVar("_T")

MOST_SELECTED = 10_000
"""Entries that can be selected together: a page takes only so many paths."""

AT_ONCE = 8
"""Calls to the mount at the same time when many files are selected."""


class DataBrowser(FolderWidget):
    """Folders and files of the data tree, where their bytes are, and a selection.

    ::

        browser = DataBrowser("/archive/NDXSANS2D")
        browser                     # in a cell of its own: shows it
        browser.selected            # paths in the tree
        browser.paths               # the same for open(), h5py and any other tool
        browser.observe(print, "selected")

    What goes wrong is shown in the widget and kept in ``error``.

    Args:
        path: The folder to begin with.
        multiple: Whether more than one entry can be selected.
        filter: What the names that are shown have in them.
        height: Of the rows, in pixels.
        socket: The mount's control socket; None: ``DMS_SOCKET``, else the usual place.
    """

    _esm = module("browser.js")
    _css = styles("base.css", "browser.css")

    selected = List(Unicode(), help="Tree paths of the selected entries.").tag(sync=True)
    multiple = Bool(True, help="Whether more than one entry can be selected.").tag(sync=True)
    height = Int(300, min=80, help="Of the rows, in pixels.").tag(sync=True)

    def __init__(
        self,
        path: str = "/",
        *,
        multiple: bool = True,
        filter: str = "",  # noqa: A002 - the word that is on the screen
        height: int = 300,
        socket: Path | str | None = None,
    ) -> None:
        super().__init__(
            socket=socket,
            path=tree_path(path),
            multiple=multiple,
            filter=filter,
            height=height,
        )

    @property
    def paths(self) -> list[str]:
        """Where code finds the selected entries: their paths in the mount.

        Raises:
            Unreachable: there is no mount.
        """
        if not self.selected:
            return []
        mountpoint = self._mountpoint()
        return [mounted_path(mountpoint, path) for path in self.selected]

    def prefetch(self, paths: Iterable[str] | None = None) -> list[Transfer]:
        """Begin to fetch ``paths``, else what is selected, into the cache."""
        return self._all(self._link.mount.prefetch, paths)

    def pin(self, paths: Iterable[str] | None = None) -> list[Status]:
        """Fetch and keep ``paths``, else what is selected, in the cache."""
        return self._all(self._link.mount.pin, paths)

    def unpin(self, paths: Iterable[str] | None = None) -> list[Status]:
        """Let the cache drop ``paths``, else what is selected, when it needs room."""
        return self._all(self._link.mount.unpin, paths)

    def evict(self, paths: Iterable[str] | None = None) -> list[Status]:
        """Drop ``paths``, else what is selected, from the cache now."""
        return self._all(self._link.mount.evict, paths)

    def _goes_to(self, path: str) -> None:
        self.selected = [one for one in self.selected if dirname(one) == path]

    def _chose(self, path: str) -> None:
        self.selected = [path]

    def _do_select(self, asked: dict[str, Any]) -> None:
        """A span of rows, which the page need not all have."""
        first, end = int(asked["first"]), int(asked["end"])
        paths = [row.path for row in self._rows.window(first, end)]
        if len(paths) > MOST_SELECTED:
            raise BadRequest(
                f"{len(paths)} entries are too many to select one by one (up to {MOST_SELECTED}); "
                "filter them, or select their folder."
            )
        if asked.get("add"):
            paths = [*(one for one in self.selected if one not in paths), *paths]
        self.selected = paths

    def _do_change(self, asked: dict[str, Any]) -> None:
        """A button: prefetch, pin, unpin or evict."""
        changes: dict[str, Callable[[str], Awaitable[Any]]] = {
            "prefetch": self._link.mount.prefetch,
            "pin": self._link.mount.pin,
            "unpin": self._link.mount.unpin,
            "evict": self._link.mount.evict,
        }
        self.error = ""
        self._start(self._changed(changes[asked["change"]], [str(one) for one in asked["paths"]]))

    def _all(self, change: Callable[[str], Awaitable[_T]], paths: Iterable[str] | None) -> list[_T]:
        wanted = self.selected if paths is None else [paths] if isinstance(paths, str) else paths
        return self._link.wait(self._changed(change, list(wanted)))

    async def _changed(
        self, change: Callable[[str], Awaitable[_T]], paths: Sequence[str]
    ) -> list[_T]:
        """Change all that can be changed, then tell the first of what could not."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(path: str) -> _T:
            async with turn:
                return await change(path)

        answers = await asyncio.gather(*map(one, paths), return_exceptions=True)
        statuses = [each for each in answers if isinstance(each, Status)]
        self._send_states(row.status for row in self._rows.update(statuses))
        failed = [each for each in answers if isinstance(each, BaseException)]
        if failed:
            first = failed[0]
            if len(failed) > 1 and isinstance(first, DmsError):
                raise type(first)(f"{first} So it is with {len(failed) - 1} more.") from first
            raise first
        return [each for each in answers if not isinstance(each, BaseException)]
