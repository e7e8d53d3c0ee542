"""Binds and unbinds that wait for their machine's answer.

A call is not tied to a connection: an agent that comes back may still answer.
Who asks for the same thing again waits for the same answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .agent.protocol import Bind, Bound, Progress, Unbind, Unbound
from .errors import BindFailed
from .pools.agents import OnProgress

log = logging.getLogger(__name__)

Answer = asyncio.Future[Bound | Unbound]
_Key = tuple[type[Bind | Unbind], str, str]


@dataclass(slots=True)
class _Call:
    answer: Answer
    askers: list[OnProgress | None] = field(default_factory=list)
    """The first one is told of progress; what is written down once is enough."""


class Calls:
    """What is under way, by kind, machine and lease."""

    def __init__(self) -> None:
        self._open: dict[_Key, _Call] = {}

    @contextmanager
    def open(
        self,
        kind: type[Bind | Unbind],
        machine_id: str,
        lease_id: str,
        progress: OnProgress | None,
    ) -> Iterator[Answer]:
        """Inside, the future gets what the machine answers; shield it when waiting."""
        key = (kind, machine_id, lease_id)
        call = self._open.get(key)
        if call is None or call.answer.done():
            call = self._open[key] = _Call(asyncio.get_running_loop().create_future())
        call.askers.append(progress)
        try:
            yield call.answer
        finally:
            call.askers.remove(progress)
            if not call.askers:
                call.answer.cancel()
                if self._open.get(key) is call:
                    del self._open[key]

    def is_open(self, kind: type[Bind | Unbind], machine_id: str, lease_id: str) -> bool:
        """Whether somebody waits for this answer."""
        call = self._open.get((kind, machine_id, lease_id))
        return call is not None and not call.answer.done()

    async def progress(self, machine_id: str, frame: Progress) -> None:
        """Pass a step of a bind on."""
        call = self._open.get((Bind, machine_id, frame.lease))
        told = next((each for each in call.askers if each), None) if call else None
        if told is None:
            return
        try:
            await told(frame.percent, frame.message)
        except Exception:  # a lost line on a progress page must not cost the session
            log.exception("machine %s: progress was not recorded", machine_id)

    def answer(
        self,
        kind: type[Bind | Unbind],
        machine_id: str,
        lease_id: str,
        answer: Bound | Unbound | BindFailed,
    ) -> None:
        """Complete a call with what its machine said."""
        call = self._open.get((kind, machine_id, lease_id))
        if call is None or call.answer.done():
            log.info("machine %s: an answer nobody waits for", machine_id)
        elif isinstance(answer, BindFailed):
            call.answer.set_exception(answer)
            call.answer.exception()  # it may be that nobody waits any more
        else:
            call.answer.set_result(answer)

    def give_up(self, machine_id: str) -> None:
        """End the calls of a machine whose agent does not come back: ConnectionError."""
        for (_, machine, _), call in self._open.items():
            if machine == machine_id and not call.answer.done():
                call.answer.set_exception(ConnectionError())
                call.answer.exception()
