"""Asks another replica something of an agent that is connected there.

Each question is a POST to ``/vmm/internal/v1/machines/{machine}/{question}``, with a
ticket. Sessions carry their users' tokens: they are in the body and nowhere else.
The answer to a bind is a stream of JSON lines: ``progress``, then ``bound``,
``failed`` or ``away``; an empty line now and then says that the replica lives.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp

from ..agent.protocol import Bound
from ..errors import BindFailed
from ..model import Session
from ..pools.agents import AgentAway, OnProgress
from ..store.records import Replica
from .tickets import Tickets

log = logging.getLogger(__name__)

PATH = "/vmm/internal/v1/machines"
CONNECT_S = 2.0
"""A replica that does not take a connection by then is taken for gone."""
SILENT_S = 6.0
"""So is one that sends nothing for so long."""
LINE = 1 << 16
"""The longest line of an answer, in bytes."""


class Elsewhere:
    """The questions to the other replicas."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def probe(self, replica: Replica, machine_id: str, timeout_s: float) -> bool:
        """Whether the agent answers; ``AgentAway`` if it or the replica is not there."""
        async with self._asked(replica, machine_id, "probe", {"timeout_s": timeout_s}) as lines:
            async for line in lines:
                return bool(line["answers"])
        raise _away(machine_id)

    async def bind(
        self,
        replica: Replica,
        machine_id: str,
        lease_id: str,
        session: Session,
        progress: OnProgress,
    ) -> Bound:
        """See :meth:`vmm_core.pools.agents.Agents.bind`."""
        asked = {"lease": lease_id, "session": session.model_dump(mode="json")}
        async with self._asked(replica, machine_id, "bind", asked) as lines:
            async for line in lines:
                if "bound" in line:
                    return Bound.model_validate(line["bound"])
                if "failed" in line:
                    raise BindFailed(str(line["failed"]))
                try:
                    await progress(int(line["percent"]), str(line["message"]))
                except Exception:  # a lost line on a progress page must not cost the session
                    log.exception("machine %s: progress was not recorded", machine_id)
        raise _away(machine_id)

    async def unbind(
        self, replica: Replica, machine_id: str, lease_id: str, timeout_s: float
    ) -> bool:
        """Whether the agent said that the session ended."""
        asked = {"lease": lease_id, "timeout_s": timeout_s}
        try:
            async with self._asked(replica, machine_id, "unbind", asked) as lines:
                async for line in lines:
                    return bool(line["ended"])
        except AgentAway:
            pass
        return False

    @asynccontextmanager
    async def _asked(
        self, replica: Replica, machine_id: str, question: str, asked: Mapping[str, object]
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The lines of the answer.

        Raises:
            AgentAway: the replica does not answer, or has not got the agent (any more).
        """
        body = json.dumps(asked).encode()
        ticket = self._tickets.make(replica.id, f"{question} {machine_id}", body)
        try:
            async with self._session().post(
                f"{replica.url.rstrip('/')}{PATH}/{machine_id}/{question}",
                data=body,
                allow_redirects=False,  # the body is for the replica and nobody else
                headers={"Authorization": f"Bearer {ticket}", "Content-Type": "application/json"},
            ) as response:
                if response.status != 200:
                    said = (await response.text())[:300]
                    log.warning(
                        "replica %s at %s refused to ask machine %s (%d): %s",
                        *(replica.id, replica.url, machine_id, response.status, said),
                    )
                    raise _away(machine_id)
                async with aclosing(_lines(machine_id, response)) as lines:
                    yield lines
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
            log.warning(
                "replica %s at %s does not answer about machine %s: %s",
                *(replica.id, replica.url, machine_id, error or type(error).__name__),
            )
            raise _away(machine_id) from None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=SILENT_S
                ),
                connector=aiohttp.TCPConnector(limit=0),
                read_bufsize=LINE,
            )
        return self._http


async def _lines(
    machine_id: str, response: aiohttp.ClientResponse
) -> AsyncGenerator[dict[str, Any], None]:
    async for text in response.content:
        if text.strip():
            line = json.loads(text)
            if "away" in line:
                raise _away(machine_id)
            yield line


def _away(machine_id: str) -> AgentAway:
    return AgentAway(
        f"the agent of machine {machine_id} went away: start again to get another machine"
    )
