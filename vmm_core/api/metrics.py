"""``GET /metrics``: what Prometheus scrapes, with a token of the scope ``read``."""

from __future__ import annotations

from ..errors import NotAllowed
from ..metrics import CONTENT_TYPE
from ..status import look
from .handlers import ProblemHandler, authenticate
from .routes import SEEING_POOLS, Services


class MetricsPage(ProblemHandler):
    """The metrics of this process, and of the ledger."""

    def initialize(self, services: Services) -> None:
        """Take the services."""
        self._services = services

    async def get(self) -> None:
        """Send them.

        Raises:
            NotAllowed: the token may not see pools.
        """
        services = self._services
        caller = authenticate(self, services.tokens)
        if not caller.scopes & SEEING_POOLS:
            raise NotAllowed(
                f"the token {caller.name!r} may not read metrics: it needs the scope read"
            )
        status = await look(services.store, services.pools)
        pools = services.pools
        boot_times_s = await services.store.machines.boot_times_s()
        text = services.metrics.text(status, boot_times_s, pools.failures(), pools.swept())
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(text)
