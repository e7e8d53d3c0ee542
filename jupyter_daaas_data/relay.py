"""The mount's event stream, passed on to ``jupyter_events``.

One connection for all browsers. A file that is being fetched changes its state
with every block, so what happens within an interval is sent together, the
newest state of each thing only. A mount that goes away is told once, and asked
for again until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from typing import Any

from dms_core.client.mount import MountClient
from dms_core.errors import DmsError
from dms_core.model import MountInfo, Status, Transfer

SCHEMA_ID = "https://schema.jupyter.org/jupyter_daaas_data/dms/v1"
MAX_STATUSES = 500
"""Statuses in one event; the rest follow in the next."""

FIRST_RETRY_S = 0.25
LAST_RETRY_S = 10.0


class Relay:
    """Follows the mount's events and hands batches of them to ``emit``."""

    def __init__(
        self,
        mount: MountClient,
        emit: Callable[[dict[str, Any]], None],
        log: Logger,
        *,
        interval_s: float = 0.2,
    ) -> None:
        self._mount = mount
        self._emit = emit
        self._log = log
        self._interval_s = interval_s
        self._statuses: dict[str, Status] = {}
        self._transfers: dict[str, Transfer] = {}
        self._info: MountInfo | None = None
        self._away = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Relay until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            tasks.create_task(self._follow())

    async def _follow(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                async for event in self._mount.events():
                    self._away, retry_s = False, FIRST_RETRY_S
                    self._take(event)
            except DmsError as error:
                # A stream that broke says little; the next attempt tells why.
                if retry_s > FIRST_RETRY_S:
                    self._tell_away(str(error))
            except Exception:  # one event that cannot be read must not end all
                self._log.exception("dms: the data mount's events cannot be read")
                self._tell_away("The data mount speaks another version; restart this server.")
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LAST_RETRY_S)

    def _tell_away(self, reason: str) -> None:
        """Tell once that there is no mount, and forget what it had told."""
        if self._away:
            return
        self._away = True
        self._log.info("dms: %s", reason)
        self._statuses.clear()
        self._transfers.clear()
        self._info = None
        self._changed.clear()
        self._emit(_message(connected=False, reason=reason))

    def _take(self, event: Status | Transfer | MountInfo) -> None:
        if isinstance(event, Status):
            self._statuses[event.path] = event
        elif isinstance(event, Transfer):
            self._transfers[event.id] = event
        else:
            self._info = event
        self._changed.set()

    async def _send(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(self._interval_s)
            paths = list(self._statuses)[:MAX_STATUSES]
            statuses = [self._statuses.pop(path) for path in paths]
            transfers, self._transfers = list(self._transfers.values()), {}
            if not self._statuses:
                self._changed.clear()
            # How full the cache is goes along, for it changes with the bytes.
            with suppress(DmsError):
                self._info = await self._mount.info()
            info, self._info = self._info, None
            if info is not None:
                self._emit(_message(statuses=statuses, transfers=transfers, mount=info))


def _message(
    *,
    connected: bool = True,
    reason: str = "",
    statuses: list[Status] | None = None,
    transfers: list[Transfer] | None = None,
    mount: MountInfo | None = None,
) -> dict[str, Any]:
    """An event as ``events.yaml`` describes it."""
    return {
        "connected": connected,
        "reason": reason,
        "statuses": [status.model_dump(mode="json") for status in statuses or ()],
        "transfers": [transfer.model_dump(mode="json") for transfer in transfers or ()],
        "mount": None if mount is None else mount.model_dump(mode="json"),
    }
