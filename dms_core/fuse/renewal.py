"""The mount's token, renewed before it ends for as long as the service allows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from .. import errors
from ..client.service import DmsClient

log = logging.getLogger(__name__)

_RETRY_S = 15.0


class Renewal:
    """Holds the newest token of one user at one service.

    Args:
        service: URL of the service.
        token: the first token.
        clock: seconds since the epoch.
    """

    def __init__(self, service: str, token: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = DmsClient(service, token)
        self._clock = clock
        self.refused = ""
        """Why the service gives no more tokens; empty while it does."""

    def token(self) -> str:
        """The newest token."""
        return self._client.token

    async def run(self) -> None:
        """Renew at half of each token's life, until cancelled or refused."""
        try:
            while True:
                try:
                    expires_s = (await self._client.renew()).expires_s
                except errors.NotAllowed as error:
                    self.refused = str(error)
                    log.warning("the token is not renewed: %s", error)
                    return
                except errors.DmsError as error:
                    log.info("the token could not be renewed yet: %s", error)
                    await asyncio.sleep(_RETRY_S)
                    continue
                await asyncio.sleep(max((expires_s - self._clock()) / 2, _RETRY_S))
        finally:
            await self._client.close()
