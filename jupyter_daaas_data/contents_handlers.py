"""The Jupyter Contents API over the mount, for looking.

Folders are listed up to a limit of rows, small text files can be read. All
else is refused with a sentence that says where to do it: the mounted path, for
code, terminals and the stock file browser alike.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from tornado import web

from dms_core.errors import NotFound, TimedOut, Unreachable
from dms_core.model import Kind, Listed, Status

from .contents import Model, entry_model, folder_model, matches, mounted_path, tree_path
from .handlers import DmsHandler

LISTING_S = 40
"""Seconds that listing a folder, all pages of it, may take."""


class ContentsHandler(DmsHandler):
    """Files and folders."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """The model of an entry; with its content unless ``?content=0``.

        ``?filter=`` shows only the rows of a folder that have this in their name.
        """
        status = await self.dms.mount.status(tree_path(path))
        mountpoint = (await self.dms.mount.info()).mountpoint
        place = Path(mounted_path(mountpoint, status.path))
        is_folder, mtime_ns = await asyncio.to_thread(_look, place, status)
        wants_content = self.get_query_argument("content", "1") != "0"
        if not wants_content:
            self.finish(entry_model(status, mtime_ns=mtime_ns, folder=is_folder))
        elif is_folder:
            self.finish(await self._folder(status, mountpoint, mtime_ns))
        else:
            text = await self._text(status, place)
            model = entry_model(status, mtime_ns=mtime_ns, folder=False)
            shown = {"content": text, "format": "text", "mimetype": "text/plain", "writable": False}
            self.finish(model | shown)

    async def _folder(self, status: Status, mountpoint: str, mtime_ns: int) -> Model:
        """The folder's first rows, or its first rows that match the filter."""
        wanted = self.get_query_argument("filter", "")
        rows: list[Listed] = []
        searched = 0
        cursor: str | None = None
        try:
            async with asyncio.timeout(LISTING_S):
                while True:
                    listing = await self.dms.mount.list(status.path, cursor=cursor)
                    rows += [row for row in listing.rows if matches(row, wanted)]
                    searched += len(listing.rows)
                    cursor = listing.cursor
                    if cursor is None or len(rows) > self.dms.listing_rows:
                        break
                    if searched >= self.dms.searched_entries:
                        break
        except TimeoutError:
            raise TimedOut(
                f'"{status.path}" was not listed within {LISTING_S} s; try again, or use '
                f'"{mounted_path(mountpoint, status.path)}" in a terminal.'
            ) from None
        shown = rows[: self.dms.listing_rows]
        links = [row.entry.path for row in shown if row.entry.kind is Kind.LINK]
        return folder_model(
            status,
            shown,
            mtime_ns=mtime_ns,
            more=cursor is not None or len(rows) > len(shown),
            searched=searched,
            folder_links=await asyncio.to_thread(_folder_links, mountpoint, links),
        )

    async def _text(self, status: Status, place: Path) -> str:
        """The file's text, or a refusal that names the path to use instead."""
        use = f'Use it in your code or a terminal at "{place}".'
        if status.size > self.dms.text_bytes:
            limit = f"{self.dms.text_bytes / 2**20:g} MiB"
            raise web.HTTPError(
                413, f'"{place.name}" is larger than the {limit} that are shown here. {use}'
            )
        try:
            raw = await asyncio.to_thread(place.read_bytes)
            if b"\0" in raw:
                raise ValueError("a NUL byte")
            return raw.decode()
        except FileNotFoundError as error:
            raise NotFound(f'"{place}" is gone; refresh the panel.') from error
        except OSError as error:
            raise Unreachable(f'"{place}" cannot be read: {error.strerror}. Try again.') from error
        except ValueError as error:
            raise web.HTTPError(400, f'"{place.name}" is not a text file. {use}') from error

    async def _refuse(self, path: str) -> None:
        """Why the panel changes nothing, and where it is done."""
        wanted = tree_path(path)
        mountpoint = (await self.dms.mount.info()).mountpoint
        place = mounted_path(mountpoint, wanted)
        try:
            writable = (await self.dms.mount.status(wanted)).writable
        except NotFound:
            writable = False
        if writable:
            sentence = f'The data panel is for looking; change "{place}" in a terminal or notebook.'
        else:
            sentence = f'"{place}" is read-only; copy it to your home folder and change the copy.'
        raise web.HTTPError(405, sentence)

    @web.authenticated
    @authorized
    async def put(self, path: str) -> None:
        """Refused."""
        await self._refuse(path)

    @web.authenticated
    @authorized
    async def post(self, path: str) -> None:
        """Refused."""
        await self._refuse(path)

    @web.authenticated
    @authorized
    async def patch(self, path: str) -> None:
        """Refused."""
        await self._refuse(path)

    @web.authenticated
    @authorized
    async def delete(self, path: str) -> None:
        """Refused."""
        await self._refuse(path)


class CheckpointsHandler(DmsHandler):
    """Checkpoints, of which there are none: the client asks for every file it opens."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """An empty list."""
        self.finish("[]")

    @web.authenticated
    @authorized
    async def post(self, path: str) -> None:
        """Refused."""
        raise web.HTTPError(405, "Experiment data has no checkpoints; copy the file instead.")


def _look(place: Path, status: Status) -> tuple[bool, int]:
    """Whether it is (or leads to) a folder, and when it was changed, in ns."""
    try:
        mtime_ns = place.lstat().st_mtime_ns
        is_folder = place.is_dir() if status.kind is Kind.LINK else status.kind is Kind.FOLDER
    except OSError:
        return status.kind is Kind.FOLDER, 0
    return is_folder, mtime_ns


def _folder_links(mountpoint: str, links: list[str]) -> dict[str, bool]:
    """For each link: whether it leads to a folder."""
    return {path: Path(mounted_path(mountpoint, path)).is_dir() for path in links}
