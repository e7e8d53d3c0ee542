"""Every route of the extension, as ``openapi.yaml`` describes them."""

from __future__ import annotations

from .contents_handlers import CheckpointsHandler, ContentsHandler
from .handlers import (
    DmsHandler,
    EvictHandler,
    ExperimentsHandler,
    MountHandler,
    PinHandler,
    PrefetchHandler,
    StatusHandler,
    TransferHandler,
    TransfersHandler,
    UnpinHandler,
)

PREFIX = "/dms/api/v1"

ROUTES: list[tuple[str, type[DmsHandler]]] = [
    (rf"{PREFIX}/mount", MountHandler),
    (rf"{PREFIX}/status", StatusHandler),
    (rf"{PREFIX}/prefetch", PrefetchHandler),
    (rf"{PREFIX}/pin", PinHandler),
    (rf"{PREFIX}/unpin", UnpinHandler),
    (rf"{PREFIX}/evict", EvictHandler),
    (rf"{PREFIX}/transfers", TransfersHandler),
    (rf"{PREFIX}/transfers/([0-9a-zA-Z-]{{1,64}})", TransferHandler),
    (rf"{PREFIX}/experiments", ExperimentsHandler),
    (rf"{PREFIX}/contents((?:/.*)?)/checkpoints(?:/[^/]*)?", CheckpointsHandler),
    (rf"{PREFIX}/contents((?:/.*)?)", ContentsHandler),
]
