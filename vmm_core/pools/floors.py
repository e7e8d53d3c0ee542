"""How many machines of each pool should be vacant now, and how many more are booked.

Who knows better than the catalogue is asked once a step. What cannot tell is no
reason to stop: what it said last holds on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from ..allocation.bookings import Taken
from ..model import Pool

_log = logging.getLogger(__name__)

Floors = Callable[[Sequence[Pool], datetime], Awaitable[Mapping[str, int]]]
"""For pools, by name, how many machines should be vacant; those left out have their ``ready``."""

Bookings = Callable[[], Awaitable[Taken]]
"""What is booked, and until when leases have machines."""


class Targets:
    """What is wanted of the pools now."""

    def __init__(self, floors: Floors | None, bookings: Bookings) -> None:
        self._floors = floors
        self._bookings = bookings
        self.floors: Mapping[str, int] = {}
        self.taken: Taken | None = None

    async def ask(self, pools: Sequence[Pool], now: datetime) -> None:
        """Ask both."""
        if self._floors is not None:
            try:
                self.floors = await self._floors(pools, now)
            except Exception:
                _log.exception("the floors of the pools are not known; the last ones hold on")
        try:
            self.taken = await self._bookings()
        except Exception:
            _log.exception("what is booked is not known; what was told last holds on")
