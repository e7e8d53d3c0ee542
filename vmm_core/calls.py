"""Binds and unbinds that wait for their machine's answer.

A call is not tied to a connection: an agent that comes back may still answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .agent.protocol import Bind, Bound, Progress, Unbind, Unbound
from .errors import BindFailed
from .pools.agents import OnProgress

log = logging.getLogger(__name__)

Answer = asyncio.Future[Bound | Unbound]
_Key = tuple[type[Bind | Unbind], str, str]


@dataclass(frozen=True, slots=True)
class _Call:
    answer: Answer
    progress: OnProgress | None


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
        """Inside, the future gets what the machine answers."""
        key = (kind, machine_id, lease_id)
        call = _Call(asyncio.get_running_loop().create_future(), progress)
        self._open[key] = call
        try:
            yield call.answer
        finally:
            call.answer.cancel()
            if self._open.get(key) is call:
                del self._open[key]

    async def progress(self, machine_id: str, frame: Progress) -> None:
        """Pass a step of a bind on."""
        call = self._open.get((Bind, machine_id, frame.lease))
        if call is None or call.progress is None:
            return
        try:
            await call.progress(frame.percent, frame.message)
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
        else:
            call.answer.set_result(answer)

    def give_up(self, machine_id: str) -> None:
        """End the calls of a machine whose agent does not come back: ConnectionError."""
        for (_, machine, _), call in self._open.items():
            if machine == machine_id and not call.answer.done():
                call.answer.set_exception(ConnectionError())
