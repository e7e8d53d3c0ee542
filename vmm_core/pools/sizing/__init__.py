"""How many machines of a pool should be vacant now. Pure.

:mod:`.floor` puts together what the catalogue's ``sizing`` says: the fixed
``ready``, :mod:`.schedule` (cron ranges), :mod:`vmm_core.calendars` (beam cycles) and the
forecast, which is learnt by :mod:`.demand` from past requests (:mod:`.slots`) and
becomes a number of machines in :mod:`.quantile` over the time of :mod:`.refill`.
"""

from .floor import Floors

__all__ = ["Floors"]
