"""Experiments by number: ``/VOLUME/INSTRUMENT/RBNumber/RBxxxxxxx``.

People know the number, not always the instrument's short name, and the folder
of all experiments of an instrument is long: so each instrument is asked for
that one name.
"""

from __future__ import annotations

import asyncio
import re
from posixpath import join

from dms_core.client.mount import MountClient
from dms_core.errors import BadRequest, NotAllowed, NotFound
from dms_core.model import Kind, Policy

NUMBER = re.compile(r"(?:RB)?\s*(\d{1,10})", re.IGNORECASE)
AT_ONCE = 8
"""Questions to the mount at one time."""


async def find_experiments(mount: MountClient, number: str) -> list[str]:
    """Tree paths of the experiment's folders that this user may see, sorted.

    Raises:
        BadRequest: ``number`` is not like "RB1310123" or "1310123".
    """
    match = NUMBER.fullmatch(number.strip())
    if match is None:
        raise BadRequest(f'"{number}" is not an experiment number; write it like RB1310123.')
    name = f"RB{match.group(1)}"
    info = await mount.info()
    instruments: list[str] = []
    for volume in info.volumes:
        if volume.policy is Policy.RB:
            instruments += await _folders(mount, f"/{volume.name}")
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(instrument: str) -> str | None:
        path = join(instrument, "RBNumber", name)
        async with gate:
            try:
                status = await mount.status(path)
            except (NotFound, NotAllowed):
                return None
        return path if status.kind is Kind.FOLDER else None

    found = await asyncio.gather(*map(look, instruments))
    return sorted(path for path in found if path is not None)


async def _folders(mount: MountClient, path: str) -> list[str]:
    """The folders in the folder at ``path``, all pages of it."""
    folders: list[str] = []
    cursor: str | None = None
    while True:
        listing = await mount.list(path, cursor=cursor)
        folders += [row.entry.path for row in listing.rows if row.entry.kind is Kind.FOLDER]
        cursor = listing.cursor
        if cursor is None:
            return folders
