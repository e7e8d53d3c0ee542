"""TransferMonitor: what is on its way into the cache, live, in a cell."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from traitlets import Dict, List

from dms_core.model import Transfer

from .base import MountWidget
from .rates import Rates
from .source import module, styles

ENDED = 20
"""Transfers that have ended and are still shown."""

UNDER_WAY = ("queued", "running")


class TransferMonitor(MountWidget):
    """Transfers with their progress and rate, and a button to stop each.

    ::

        TransferMonitor()

    What goes wrong is shown in the widget and kept in ``error``.

    Args:
        socket: The mount's control socket; None: ``DMS_SOCKET``, else the usual place.
    """

    _esm = module("monitor.js")
    _css = styles("base.css", "monitor.css")

    _shown = List(Dict(), help="Transfers with their rates, newest first.").tag(sync=True)

    def __init__(self, *, socket: Path | str | None = None) -> None:
        self._transfers: dict[str, Transfer] = {}
        self._rates = Rates()
        super().__init__(socket=socket)

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """What is shown: under way and lately ended, oldest first."""
        return tuple(self._transfers.values())

    def cancel(self, transfer_id: str) -> Transfer:
        """Stop a transfer; what has come stays cached."""
        stopped: Transfer = self._link.wait(self._link.mount.cancel(transfer_id))
        return stopped

    def _came(self) -> None:
        self._transfers.clear()
        self._start(self._load())

    async def _load(self) -> None:
        self._took_transfers(list(await self._link.mount.transfers()))

    def _took_transfers(self, transfers: list[Transfer]) -> None:
        now_s = time.monotonic()
        for transfer in transfers:
            self._transfers[transfer.id] = transfer
            self._rates.take(transfer, now_s)
        ended = [one.id for one in self._transfers.values() if one.state not in UNDER_WAY]
        for transfer_id in ended[:-ENDED]:
            del self._transfers[transfer_id]
        self._shown = [
            transfer.model_dump(mode="json") | {"rate": self._rates.of(transfer.id)}
            for transfer in reversed(self._transfers.values())
        ]

    def _do_cancel(self, asked: dict[str, Any]) -> None:
        """The button of a transfer."""
        self._start(self._cancel(str(asked["id"])))

    async def _cancel(self, transfer_id: str) -> None:
        self._took_transfers([await self._link.mount.cancel(transfer_id)])

    def _do_clear(self, _: dict[str, Any]) -> None:
        """Forget what has ended."""
        self._start(self._cleared())

    async def _cleared(self) -> None:
        self._transfers = {
            one.id: one for one in self._transfers.values() if one.state in UNDER_WAY
        }
        self._took_transfers([])
