"""The upload queue: every unsent file has one worker that sends it, again and again if need be.

A file waits as *dirty*, is *sending*, and is gone when the service has it; or it
is *stuck*: refused for a reason that a person may have to deal with, and tried
again ever more rarely. The bytes of one file never overtake each other. Belongs
to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from .. import errors
from ..cache.cached import Cached
from ..cache.events import Event
from ..model import CacheState, Queue, Unsent
from .file import JournalFile
from .journal import Journal
from .sending import Sending

log = logging.getLogger(__name__)

_AT_ONCE = 4
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LONGEST_STUCK_S = 300.0

REMEDIES: dict[type[errors.DmsError], str] = {
    errors.NoSpace: "Remove something from your home; it is sent when there is room.",
    errors.NotAuthenticated: "Your session's token has ended; "
    "copy the file elsewhere, or ask an operator to send it.",
    errors.NotAllowed: "Ask who runs the service to let you write there; it is tried again.",
    errors.NotFound: "Make its folder again, or move the file elsewhere; it is tried again.",
}
_REMEDY = "It is tried again; if this stays, copy the file elsewhere and tell an operator."


class UploadQueue:
    """Sends what is in ``journal`` to the source of ``cached``.

    Args:
        gone: called with a file of which the service has everything now.
    """

    def __init__(
        self,
        cached: Cached,
        journal: Journal,
        sending: Sending,
        gone: Callable[[JournalFile], Awaitable[None]],
    ) -> None:
        self._cached = cached
        self._journal = journal
        self._sending = sending
        self._gone = gone
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._due: dict[int, asyncio.Event] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._listening = ExitStack()
        self._started = False

    def start(self) -> None:
        """Begin with what the last mount left."""
        self._started = True
        self._listening.enter_context(self._cached.events.subscribed(self._heard))
        for file in self._journal.unsent():
            self.kick(file)

    async def stop(self, drain_s: float = 0) -> None:
        """End, after having tried for ``drain_s`` seconds to send everything."""
        if not self._started:
            return
        for file in self._journal.unsent():
            self.kick(file)
        if drain_s and self._workers and self._cached.reach.reachable:
            await self._drained(drain_s)
        self._listening.close()
        for task in self._workers.values():
            task.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)

    async def emptied(self) -> None:
        """Return when nothing waits any more, however long that takes."""
        while left := self._journal.unsent():
            for file in left:
                if file.wanted_edits < file.edits:
                    self.kick(file)
            await asyncio.sleep(_FIRST_PAUSE_S)

    def kick(self, file: JournalFile) -> None:
        """Have a file sent as it is now: soon, at once if nothing else is on its way."""
        file.wanted_edits = file.edits
        self._run(file)

    def _run(self, file: JournalFile) -> None:
        if not file.is_due:
            return
        key = file.record.key
        due = self._due.setdefault(key, asyncio.Event())
        due.set()
        if key not in self._workers:
            task = asyncio.get_running_loop().create_task(self._work(file, due))
            self._workers[key] = task

    async def settle(self, file: JournalFile, wait_s: float) -> None:
        """Wait until the service has what ``file`` is now, while the service can be reached.

        Returns without it when the service is away or slower than ``wait_s``:
        the journal has it then.

        Raises:
            DmsError: the service refused it; the journal keeps it.
        """
        edits = file.edits
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(wait_s):
                while file.is_unsent and file.settled_edits < edits:
                    if not self._cached.reach.reachable or file.held_back:
                        return
                    waiter: asyncio.Future[errors.DmsError | None] = loop.create_future()
                    file.waiters.append(waiter)
                    self.kick(file)
                    failure = await waiter
                    if failure is not None and not isinstance(failure, errors.Unreachable):
                        raise failure
        except TimeoutError:
            return

    async def hold_back(self, file: JournalFile) -> None:
        """Return when ``file`` is not being sent, and have it not sent until :meth:`let_go`."""
        file.held_back = True
        task = self._workers.get(file.record.key)
        if task is not None:
            self._due[file.record.key].set()
            await asyncio.wait([task])

    def let_go(self, file: JournalFile) -> None:
        """The opposite of :meth:`hold_back`."""
        file.held_back = False
        self.kick(file)

    def shown(self) -> Queue:
        """What waits, for people."""
        return Queue(
            files=tuple(unsent(file) for file in self._journal.unsent()),
            conflicts=tuple(self._journal.records.conflicts()),
            used_bytes=self._journal.used_bytes,
            limit_bytes=self._journal.limit_bytes,
        )

    async def _work(self, file: JournalFile, due: asyncio.Event) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while file.is_due:
                due.clear()
                failure = await self._try(file)
                if failure is None:
                    pause_s = _FIRST_PAUSE_S
                    continue
                stuck = not isinstance(failure, errors.Unreachable)
                try:
                    async with asyncio.timeout(pause_s):
                        await due.wait()
                except TimeoutError:
                    pause_s = min(pause_s * 2, _LONGEST_STUCK_S if stuck else _LONGEST_PAUSE_S)
            if not file.is_unsent:
                await self._gone(file)
        finally:
            self._workers.pop(file.record.key, None)
            self._due.pop(file.record.key, None)
            _answer(file, None)
        self._run(file)

    async def _try(self, file: JournalFile) -> errors.DmsError | None:
        """Try once; what went wrong, which is also told to those who wait."""
        failure: errors.DmsError | None = None
        async with self._slots:
            file.sending = True
            self._cached.events.touched(file.path)
            try:
                await self._sending.send(file)
            except errors.DmsError as error:
                failure = error
            except Exception as error:
                log.exception("sending %s failed", file.path)
                failure = errors.DmsError(f"{file.path} could not be sent ({error!r}).")
            finally:
                file.sending = False
        if failure is not None:
            file.tries += 1
            if not isinstance(failure, errors.Unreachable) and not file.is_refused:
                log.warning("%s is not sent yet: %s", file.path, failure)
        file.failure = failure
        self._cached.events.touched(file.path)
        _answer(file, failure)
        return failure

    async def _drained(self, drain_s: float) -> None:
        try:
            async with asyncio.timeout(drain_s):
                while self._workers and self._cached.reach.reachable:
                    await asyncio.wait(
                        self._workers.values(),
                        timeout=0.2,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    waiting = self._journal.unsent()
                    if all(file.state is CacheState.STUCK for file in waiting):
                        return
        except TimeoutError:
            return

    def _heard(self, event: Event) -> None:
        """The service is back: send now what waited for it."""
        if event is None and self._cached.reach.reachable:
            for due in self._due.values():
                due.set()


def _answer(file: JournalFile, failure: errors.DmsError | None) -> None:
    waiters, file.waiters = file.waiters, []
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(failure)


def unsent(file: JournalFile) -> Unsent:
    """What is told of a file that waits."""
    failure = file.failure
    return Unsent(
        path=file.path,
        size=file.size,
        state=file.state,
        since_s=file.record.since_s,
        tries=file.tries,
        reason=str(failure) if failure is not None else "",
        remedy=remedy(failure),
    )


def remedy(failure: errors.DmsError | None) -> str:
    """What to do about a file that could not be sent."""
    if failure is None:
        return ""
    if isinstance(failure, errors.Unreachable):
        return "Nothing: it is sent when the service answers again."
    return next((REMEDIES[one] for one in type(failure).__mro__ if one in REMEDIES), _REMEDY)
