"""Answers what another replica asks of an agent that is connected to this one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from pydantic import ValidationError

from ..agent.protocol import Bound
from ..errors import BadRequest, BindFailed, NotFound
from ..model import Noun, Session
from ..pools.agents import AgentAway, OnProgress
from .tickets import Tickets

ALIVE_S = 2.0
"""An answer that takes longer says now and then that it is still coming."""

Line = dict[str, Any]


class Here(Protocol):
    """The agents that are connected to this process."""

    def connected(self, machine_id: str) -> bool:
        """Whether the machine's agent is one of them."""
        ...

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """See :class:`vmm_core.pools.agents.Agents`."""
        ...

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """See :class:`vmm_core.pools.agents.Agents`."""
        ...

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """See :class:`vmm_core.pools.agents.Agents`."""
        ...


class _Probe(Noun):
    timeout_s: float


class _Bind(Noun):
    lease: str
    session: Session


class _Unbind(Noun):
    lease: str
    timeout_s: float


class Answering:
    """The other end of :class:`.elsewhere.Elsewhere`."""

    def __init__(self, here: Here, tickets: Tickets) -> None:
        self._here = here
        self._tickets = tickets

    def answer(
        self, machine_id: str, question: str, body: bytes, ticket: str
    ) -> AsyncGenerator[Line | None, None]:
        """The lines of the answer; None: nothing new, it is still coming.

        Raises:
            NotAllowed: the ticket is not for this.
            NotFound: there is no such question.
            BadRequest: the body is none of the question's.
        """
        self._tickets.take(ticket, f"{question} {machine_id}", body)
        try:
            work = self._begin(machine_id, question, body)
        except ValidationError:  # what is in it is not for logs
            raise BadRequest(
                f"the body of {question!r} is wrong: are all replicas alike?"
            ) from None
        return _streamed(*work)

    def _begin(
        self, machine_id: str, question: str, body: bytes
    ) -> tuple[asyncio.Task[Line], asyncio.Queue[Line]]:
        said: asyncio.Queue[Line] = asyncio.Queue()
        match question:
            case "probe":
                asked = _Probe.model_validate_json(body)
                work = self._probe(machine_id, asked.timeout_s)
            case "bind":
                bind = _Bind.model_validate_json(body)
                work = self._bind(machine_id, bind, said)
            case "unbind":
                unbind = _Unbind.model_validate_json(body)
                work = self._unbind(machine_id, unbind)
            case _:
                raise NotFound(f"replicas do not ask {question!r} of each other")
        return asyncio.create_task(work), said

    async def _probe(self, machine_id: str, timeout_s: float) -> Line:
        if not self._here.connected(machine_id):
            return {"away": True}
        return {"answers": await self._here.probe(machine_id, timeout_s)}

    async def _bind(self, machine_id: str, asked: _Bind, said: asyncio.Queue[Line]) -> Line:
        async def progress(percent: int, message: str) -> None:
            said.put_nowait({"percent": percent, "message": message})

        try:
            bound = await self._here.bind(machine_id, asked.lease, asked.session, progress)
        except AgentAway:
            return {"away": True}
        except BindFailed as error:
            return {"failed": str(error)}
        return {"bound": bound.model_dump(mode="json")}

    async def _unbind(self, machine_id: str, asked: _Unbind) -> Line:
        return {"ended": await self._here.unbind(machine_id, asked.lease, asked.timeout_s)}


async def _streamed(
    work: asyncio.Task[Line], said: asyncio.Queue[Line]
) -> AsyncGenerator[Line | None, None]:
    """What is said while the work lasts, then what it came to; ends the work when closed."""
    try:
        while not work.done() or not said.empty():
            hear = asyncio.create_task(said.get())
            await asyncio.wait({hear, work}, timeout=ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if hear.done():
                yield hear.result()
                continue
            hear.cancel()
            with suppress(asyncio.CancelledError):
                await hear
            if not work.done():
                yield None
        yield work.result()
    finally:
        work.cancel()
        await asyncio.wait({work})


def encoded(line: Mapping[str, Any] | None) -> bytes:
    """A line as it is sent."""
    return (json.dumps(line) if line is not None else "").encode() + b"\n"
