"""What replicas ask of each other, over HTTP. Not for frontends: no part of the document.

A ticket of the replicas' shared key is needed, and nothing else opens it. A
balancer need not pass these paths on.
"""

from __future__ import annotations

from contextlib import aclosing

from tornado.iostream import StreamClosedError

from ..replicas.answering import Answering, encoded
from ..replicas.elsewhere import PATH
from .handlers import ProblemHandler, bearer_token

ROUTE = PATH + r"/(?P<machine_id>[\w.-]{1,63})/(?P<question>[a-z]+)"


class Internal(ProblemHandler):
    """One question of another replica."""

    def initialize(self, answering: Answering) -> None:
        """Take what answers."""
        self._answering = answering

    async def post(self, machine_id: str, question: str) -> None:
        """Answer, line by line."""
        lines = self._answering.answer(machine_id, question, self.request.body, bearer_token(self))
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("X-Accel-Buffering", "no")
        try:
            async with aclosing(lines):
                async for line in lines:
                    self.write(encoded(line))
                    await self.flush()
        except StreamClosedError:
            pass  # the replica that asked is gone; another one will ask again
