"""The service's end of the agents' connections.

Each machine's agent dials in once and stays. The switchboard checks who it is
(the one-time enrolment token first, its reconnect token afterwards), carries
binds to it and reports back, and tells its listener what happens. It knows no
WebSocket library: a connection is a :class:`Link` and its incoming frames.

Which agents are connected here is in the ledger, for the other replicas and for
the pool managers; so is what an agent answered to a bind, whoever asked for it.
An agent that goes away is expected back, here or at another replica.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from pydantic import ValidationError

from .agent.protocol import (
    CLOSE_BAD_FRAME,
    CLOSE_ERROR,
    CLOSE_NOT_AUTHENTICATED,
    CLOSE_REPLACED,
    CLOSE_RESTART,
    Activity,
    Bind,
    BindError,
    Bound,
    Ended,
    Failed,
    FromAgent,
    Hello,
    Holding,
    People,
    Person,
    Progress,
    Ready,
    ToAgent,
    Unbind,
    Unbound,
    Welcome,
    from_agent,
)
from .calls import Calls
from .errors import BindFailed
from .logs import about
from .model import Session
from .pools.agents import AgentAway, OnProgress
from .signing import Signer
from .store import Store
from .tokens import sha256_of

log = logging.getLogger(__name__)

HELLO_S = 10.0
"""An agent that has not said who it is by then is hung up on."""


AGAIN_S = 1.0
"""Between two attempts to tell the ledger that an agent went away."""


async def _nobody_cares(_machine_id: str, _what: object) -> None:
    """For reports that nobody listens to."""


class Link(Protocol):
    """One open connection to an agent."""

    async def send(self, text: str) -> None:
        """Send a frame; ConnectionError if it is closed."""

    async def ping(self) -> None:
        """Return when the other end answered a ping; ConnectionError if it is closed."""

    def close(self, code: int, reason: str) -> None:
        """Close it, which also ends its incoming frames."""


class Switchboard:
    """Who is connected, and what is asked of whom.

    Args:
        store: the ledger.
        signer: signs binds.
        replica: who we are to the other processes of the service.
        on_ready: a machine's modules are imported; may be told more than once.
        on_failed: a machine can never be ready, with the reason.
        on_ended: a session's program ended by itself, with its exit status.
        on_holding: what of its user's a machine holds that is nowhere else, in words.
        on_unbound: a session ended, but for what the machine holds; may be told again.
        on_activity: how busy a machine is.
        on_people: everybody who is let in over SSH; told at each change and again.
        grace_s: how long an agent may be away, in seconds; binds are given up then.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        *,
        replica: str,
        on_ready: Callable[[str], Awaitable[None]],
        on_failed: Callable[[str, str], Awaitable[None]],
        on_ended: Callable[[str, int], Awaitable[None]],
        on_holding: Callable[[str, str], Awaitable[None]],
        on_unbound: Callable[[str], Awaitable[None]],
        on_activity: Callable[[str, Activity], Awaitable[None]] = _nobody_cares,
        on_people: Callable[[str, tuple[Person, ...]], Awaitable[None]] | None = None,
        grace_s: float = 5,
    ) -> None:
        self._store = store
        self._signer = signer
        self._replica = replica
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._on_ended = on_ended
        self._on_holding = on_holding
        self._on_unbound = on_unbound
        self._on_activity = on_activity
        self._on_people = on_people or _nobody_cares
        self._grace_s = grace_s
        self._links: dict[str, Link] = {}
        self._away: dict[str, asyncio.Task[None]] = {}
        self._calls = Calls()
        self._closed = False

    # -- asked by leases and pools

    def connected(self, machine_id: str) -> bool:
        """Whether the machine's agent has a connection to this process now."""
        return machine_id in self._links

    async def probe(self, machine_id: str, timeout_s: float = 2) -> bool:
        """Whether the agent answers a ping within ``timeout_s`` seconds."""
        link = self._links.get(machine_id)
        if link is None:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                await link.ping()
        except (TimeoutError, ConnectionError):
            return False
        return True

    async def bind(
        self, machine_id: str, lease_id: str, session: Session, progress: OnProgress
    ) -> Bound:
        """Make the machine the user's of ``session``; return when its program answers.

        Args:
            machine_id: whose agent is connected.
            lease_id: what the machine is bound for.
            session: goes to the machine signed, and nowhere else.
            progress: told percent and message of each step.

        Raises:
            AgentAway: the agent has no connection here, or lost it and stayed away.
            BindFailed: with the agent's sentence, or because it does not answer.
        """
        deadline_s = session.timeout_s + sum(daemon.timeout_s for daemon in session.daemons) + 5
        request = Bind(signed=self._signer.sign_bind(machine_id, lease_id, session))
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self._ask(machine_id, lease_id, request, progress)
        except TimeoutError:
            raise BindFailed(
                f"machine {machine_id} did not finish starting the session "
                f"within {deadline_s:g} s: start again to get another machine"
            ) from None
        except ConnectionError:
            raise AgentAway(
                f"the agent of machine {machine_id} went away: start again to get another machine"
            ) from None
        assert isinstance(answer, Bound)  # noqa: S101 - what completes a bind
        return answer

    async def unbind(self, machine_id: str, lease_id: str, timeout_s: float = 10) -> bool:
        """End the session; whether the machine said that it ended."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ask(machine_id, lease_id, Unbind(lease=lease_id))
        except (TimeoutError, ConnectionError):
            return False
        return True

    async def _ask(
        self,
        machine_id: str,
        lease_id: str,
        request: Bind | Unbind,
        progress: OnProgress | None = None,
    ) -> Bound | Unbound:
        link = self._links.get(machine_id)
        if link is None:
            raise ConnectionError
        with self._calls.open(type(request), machine_id, lease_id, progress) as answer:
            await link.send(request.model_dump_json())
            return await asyncio.shield(answer)  # others may wait for it, too

    # -- asked by the API, once per connection

    async def serve(self, link: Link, token: str, frames: AsyncIterator[str]) -> None:
        """Serve one agent until its ``frames`` end. Never raises for what an agent does."""
        try:
            async with asyncio.timeout(HELLO_S):
                hello = from_agent.validate_json(await anext(frames))
        except (TimeoutError, StopAsyncIteration, ValidationError):
            link.close(CLOSE_BAD_FRAME, "say hello first")
            return
        if not isinstance(hello, Hello):
            link.close(CLOSE_BAD_FRAME, "say hello first")
            return
        reconnect_token = await self._admit(hello.machine, token)
        if reconnect_token is None:
            log.warning("a connection as machine %.80r was refused: wrong token", hello.machine)
            link.close(CLOSE_NOT_AUTHENTICATED, "unknown machine, or wrong or spent token")
            return
        with about(machine=hello.machine):
            await self._converse(hello, link, token, reconnect_token, frames)

    async def _converse(
        self,
        hello: Hello,
        link: Link,
        token: str,
        reconnect_token: str,
        frames: AsyncIterator[str],
    ) -> None:
        await self._connect(hello.machine, link)
        try:
            known = await self._store.agents.connected(
                hello.machine,
                self._replica,
                root=hello.root,
                isolation=hello.isolation,
                proven=reconnect_token == token,
            )
            if not known:
                link.close(CLOSE_RESTART, "this replica is not one at the moment")
                return
            await self._send(link, Welcome(reconnect_token=reconnect_token))
            async for frame in frames:
                await self._take(hello.machine, from_agent.validate_json(frame))
        except ValidationError:
            log.warning("machine %s: its agent sent a frame that is none", hello.machine)
            link.close(CLOSE_BAD_FRAME, "not a frame of this protocol")
        except ConnectionError:
            pass
        except Exception:
            log.exception("machine %s: its connection is closed after an error", hello.machine)
            link.close(CLOSE_ERROR, "error in the service")
        finally:
            self._disconnect(hello.machine, link)

    async def reclaim(self) -> None:
        """The others thought that we are gone: take back the agents that are still here.

        Those that are at another replica by now have a dead connection here.
        """
        here = dict(self._links)
        ours = await self._store.agents.take(here.keys(), self._replica) if here else set()
        for machine_id, link in here.items():
            if machine_id not in ours:
                link.close(CLOSE_REPLACED, "the machine connected to another replica")

    async def close(self) -> None:
        """Hang up on all agents; they dial another replica, or again. Tells nobody.

        What the ledger says of them ends with our row in it.
        """
        self._closed = True
        for task in self._away.values():
            task.cancel()
        await asyncio.gather(*self._away.values(), return_exceptions=True)
        self._away.clear()
        for link in list(self._links.values()):
            link.close(CLOSE_RESTART, "service restart")

    async def _admit(self, machine_id: str, token: str) -> str | None:
        """The machine's reconnect token, if ``token`` is its enrolment or reconnect token."""
        if await self._store.agents.reconnect(machine_id, sha256_of(token)):
            return token
        fresh = secrets.token_urlsafe(32)
        if await self._store.agents.enrol(
            machine_id, sha256_of(token), sha256_of(fresh), self._replica
        ):
            return fresh
        return None

    async def _connect(self, machine_id: str, link: Link) -> None:
        former = self._links.get(machine_id)
        self._links[machine_id] = link
        if former is not None:
            former.close(CLOSE_REPLACED, "the machine connected again")
        away = self._away.pop(machine_id, None)
        if away is not None:
            away.cancel()
            await asyncio.wait({away})  # what it writes is not to come after what we write
        log.info("machine %s: agent connected", machine_id)

    def _disconnect(self, machine_id: str, link: Link) -> None:
        if self._links.get(machine_id) is not link:
            return  # replaced
        del self._links[machine_id]
        log.info("machine %s: agent disconnected", machine_id)
        if not self._closed:
            self._away[machine_id] = asyncio.create_task(self._await_return(machine_id))

    async def _await_return(self, machine_id: str) -> None:
        noting = asyncio.create_task(self._note_lost(machine_id))
        try:
            await asyncio.sleep(self._grace_s)
            self._calls.give_up(machine_id)
            await noting
        finally:
            noting.cancel()
            await asyncio.wait({noting})
            if self._away.get(machine_id) is asyncio.current_task():
                del self._away[machine_id]

    async def _note_lost(self, machine_id: str) -> None:
        """Tell the ledger, as soon as it can be told."""
        while True:
            try:
                await self._store.agents.disconnected(machine_id, self._replica)
            except Exception as error:
                log.warning("machine %s: its loss is not recorded yet: %s", machine_id, error)
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _take(self, machine_id: str, frame: FromAgent) -> None:
        match frame:
            case Ready():
                await self._on_ready(machine_id)
            case Failed():
                await self._on_failed(machine_id, frame.reason)
            case Progress():
                await self._calls.progress(machine_id, frame)
            case Bound():
                await self._store.bindings.answers(frame.lease, machine_id, frame.port)
                self._calls.answer(Bind, machine_id, frame.lease, frame)
            case BindError():
                await self._on_bind_error(machine_id, frame)
            case Unbound():
                self._calls.answer(Unbind, machine_id, frame.lease, frame)
                await self._on_unbound(machine_id)
            case Holding():
                await self._on_holding(machine_id, frame.reason)
            case Ended():
                await self._on_ended(machine_id, frame.exit_status)
            case Activity():
                await self._on_activity(machine_id, frame)
            case People():
                await self._on_people(machine_id, frame.people)
            case Hello():
                log.debug("machine %s: said hello again", machine_id)

    async def _on_bind_error(self, machine_id: str, frame: BindError) -> None:
        """Who waits is told; if nobody does (any more), the ledger is."""
        if self._calls.is_open(Bind, machine_id, frame.lease):
            self._calls.answer(Bind, machine_id, frame.lease, BindFailed(frame.reason))
        else:
            await self._store.bindings.refused(frame.lease, machine_id, frame.reason)

    @staticmethod
    async def _send(link: Link, frame: ToAgent) -> None:
        await link.send(frame.model_dump_json())
