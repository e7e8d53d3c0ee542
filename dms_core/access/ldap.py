"""Memberships from an LDAP server or Active Directory.

A user's groups are asked for when the user comes and again when the answer is
half as old as ``refresh_s``; one older than ``refresh_s`` is not used before
the server was asked. So a removal from a group acts within ``refresh_s``. While
no server answers, the last answers hold until they are ``grace_s`` old. After
that, and for users who were not asked for before, experiments are closed: home
and archive stay.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from ..errors import ConfigError, DmsError, Unreachable
from .directory import Directory
from .ldap_client import LdapClient
from .ldap_options import LdapOptions
from .rules import Memberships

log = logging.getLogger(__name__)

CONNECTIONS = 2
RETRY_S = 2.0
"""After a failure the server is not asked again for so long."""
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Answer:
    memberships: Memberships
    at_s: float


class LdapDirectory(Directory):
    """The :class:`Directory` of an LDAP server; called with :class:`LdapOptions` by keyword.

    Args:
        clock: Seconds that only go up.

    Raises:
        ConfigError: a file it needs cannot be used.
    """

    Options: ClassVar[type[BaseModel]] = LdapOptions
    trouble = "The membership directory does not answer as it should; see the log."

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, **options: Any) -> None:
        self.options = LdapOptions(**options)
        self.problem = ""
        self._clock = clock
        self._patterns = self.options.patterns
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._failed_at = float("-inf")
        self._clients: queue.SimpleQueue[LdapClient] = queue.SimpleQueue()
        for _ in range(CONNECTIONS):
            self._clients.put(LdapClient(self.options))
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="ldap")

    async def start(self) -> None:
        """See :meth:`Directory.start`."""
        try:
            await self._in_thread(LdapClient.check)
        except Unreachable as error:
            self._failed(error)

    def of(self, user: str) -> Memberships:
        """See :meth:`Directory.of`."""
        answer = self._answers.get(user)
        age_s = self._age_s(answer)
        if age_s >= self.options.refresh_s / 2:
            self._ask(user)
        if answer is None or age_s >= self.options.grace_s:
            return Memberships(user, readable=False)
        return answer.memberships

    async def load(self, user: str) -> None:
        """See :meth:`Directory.load`."""
        if self._age_s(self._answers.get(user)) < self.options.refresh_s:
            return
        asking = self._ask(user)
        if asking is None or (self.problem and self.of(user).readable):
            return
        # Over several servers it may take longer; who asks does not wait for that.
        await asyncio.wait([asking], timeout=self.options.timeout_s)

    async def close(self) -> None:
        """See :meth:`Directory.close`."""
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._clients.empty():
            self._clients.get().close()

    def _age_s(self, answer: _Answer | None) -> float:
        return self._clock() - answer.at_s if answer is not None else float("inf")

    def _ask(self, user: str) -> asyncio.Task[None] | None:
        """Ask for ``user``, once for all who want to know; None while that is of no use."""
        task = self._asking.get(user)
        if task is None:
            if self._clock() - self._failed_at < RETRY_S:
                return None
            task = asyncio.get_running_loop().create_task(self._refresh(user))
            self._asking[user] = task
            task.add_done_callback(lambda _: self._asking.pop(user, None))
        return task

    async def _refresh(self, user: str) -> None:
        asked_at = self._clock()  # what changes while it is asked is not in the answer
        try:
            groups = await self._in_thread(lambda client: client.groups_of(user))
        except DmsError as error:
            self._failed(error)
            return
        if self.problem:
            log.info("memberships are read again from %s", self.options.urls[0])
        self.problem = ""
        self._failed_at = float("-inf")
        self._answers[user] = _Answer(self._patterns.memberships(user, groups), asked_at)
        self._answers.move_to_end(user)
        while len(self._answers) > _KEPT:
            self._answers.popitem(last=False)

    def _failed(self, error: DmsError) -> None:
        self._failed_at = self._clock()
        problem = (
            f"{error} The last memberships hold until they are {self.options.grace_s:g} s old; "
            "after that experiments are closed."
        )
        if problem != self.problem:
            log.warning("%s", problem)
        self.problem = problem

    async def _in_thread(self, ask: Callable[[LdapClient], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._lent, ask)

    def _lent(self, ask: Callable[[LdapClient], Any]) -> Any:
        client = self._clients.get()
        try:
            return ask(client)
        except (DmsError, ConfigError):
            raise
        except Exception as error:  # a fault of the library must not pass for "no groups"
            client.close()
            raise Unreachable(
                f"{self.options.urls[0]}: asking failed ({error!r}); tell the DMS's authors."
            ) from error
        finally:
            self._clients.put(client)
