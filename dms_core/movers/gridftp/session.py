"""One session: a control channel that is logged in, and its data channels.

It does one thing at a time. ``clean`` tells whether the last thing ended as it
should; a session that is not clean is aborted, never used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from ... import errors
from ...model import Entry
from ...paths import join
from ..base import Refused, changed
from .blocks import Channels, Landing
from .control import Broken, Control
from .peer import Peer
from .replies import Reply, entry_of, facts_of

_GOODBYE = 421  # comes unasked, before or instead of an answer


class Session:
    """Made by :meth:`open`; ended by :meth:`close` or :meth:`abort`."""

    def __init__(self, peer: Peer, control: Control) -> None:
        self._peer = peer
        self._control = control
        self._channels = Channels(None if peer.any_data_peer else control.peer)
        self._listening = False
        self.clean = True

    @classmethod
    async def open(cls, peer: Peer) -> Session:
        """Connect and log in.

        Raises:
            Broken, OSError: the server cannot be reached or does not speak GridFTP.
            Refused: it does not let us in, or we do not trust it.
        """
        control = await Control.open(peer.host, peer.port)
        session = cls(peer, control)
        try:
            await control.log_in(peer.gsi, peer.server_name, peer.user, peer.password)
            n = peer.streams
            commands = ["TYPE I", "MODE E", f"OPTS RETR Parallelism={n},{n},{n};"]
            if peer.gsi is not None:
                commands.append("DCAU N")
            for reply in await session._ask(*commands):
                if not reply.ok:
                    raise Refused(f"it is no GridFTP server: it lacks a command ({reply.text})")
        except BaseException:
            session.abort()
            raise
        return session

    @property
    def usable(self) -> bool:
        """Whether another thing can be done with it."""
        return self.clean and not self._control.ended

    def close(self) -> None:
        """End it politely, without waiting."""
        self._control.close()
        self._channels.abort()

    def abort(self) -> None:
        """End it at once."""
        self._control.abort()
        self._channels.abort()

    async def stat(self, path: str) -> Entry:
        """The entry at ``path``."""
        async with self._one_thing():
            (reply,) = await self._ask(f"MLST {self._peer.there(path)}")
        return self._peer.entry_in(reply, path)

    async def listing(self, path: str) -> tuple[Sequence[Entry], int]:
        """The entries of a folder, and how many names were left out.

        Those are names that are not UTF-8 or have a line break.
        """
        found: list[Entry] = []
        skipped = 0
        is_folder = False

        def each(line: str) -> None:
            nonlocal skipped, is_folder
            facts, name = facts_of(line)
            kind = facts.get("type", "").lower()
            is_folder = is_folder or kind == "cdir"
            if kind in ("cdir", "pdir") or "/" in name or not name:
                return
            if "\n" in name or any("\ud800" <= c <= "\udfff" for c in name):
                skipped += 1
                return
            entry = entry_of(line, join(path, name))
            if entry is not None:
                found.append(entry)

        async with self._one_thing():
            self._control.send(f"MLSC {self._peer.there(path)}")
            reply = await self._final(each)  # a thousand names in each part
        if not reply.ok:
            raise self._peer.refusal(reply, path)
        self._peer.check_echo(reply.lines[0].partition(" of ")[2], path)
        if not is_folder:
            raise errors.NotAFolder(f"{path} is a file; name a folder.")
        return found, skipped

    async def checksum(self, entry: Entry, algorithm: str, offset: int, length: int) -> str:
        """The server's checksum of a range of that version."""
        there = self._peer.there(entry.path)
        async with self._one_thing():
            before, reply, after = await self._ask(
                f"MLST {there}", f"CKSM {algorithm.upper()} {offset} {length} {there}",
                f"MLST {there}",
            )  # fmt: skip
        self._check(entry, before, after)
        if not reply.ok:
            if "nknown checksum" in reply.text:
                raise errors.Unsupported(
                    f"{self._peer.url} computes no {algorithm} checksums; choose another algorithm."
                )
            raise self._peer.refusal(reply, entry.path)
        return reply.lines[-1].split()[1].lower()

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """A range that is within the entry, of that version."""
        get = f"ERET P {offset} {length} {self._peer.there(entry.path)}"
        # The server counts the blocks of ERET from the range's start.
        return (await self._receive(entry, [(0, length)], get))[0]

    async def read_many(self, entry: Entry, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Ranges within the entry, ascending and apart from each other, in one transfer.

        REST names what we "have" already; RETR sends the rest.
        """
        have, at = [], 0
        for offset, length in ranges:
            if offset > at:
                have.append(f"{at}-{offset}")
            at = offset + length
        if at < entry.size:
            have.append(f"{at}-{entry.size}")
        get = [f"RETR {self._peer.there(entry.path)}"]
        if have:
            get.insert(0, f"REST {','.join(have)}")
        return await self._receive(entry, ranges, *get)

    async def _receive(
        self, entry: Entry, pieces: Sequence[tuple[int, int]], *commands: str
    ) -> list[bytes]:
        """A transfer between two looks at the version, all in one round trip."""
        look = f"MLST {self._peer.there(entry.path)}"
        async with self._one_thing():
            await self._listen()
            landing = self._channels.landing = Landing(pieces)
            landing.done.add_done_callback(self._give_up_if_failed)
            for command in (look, *commands, look):
                self._control.send(command)
            async with self._moving(landing):
                try:
                    before, *replies, after = [await self._final() for _ in (look, *commands, look)]
                except Broken:
                    if landing.done.done():
                        landing.done.result()  # the cause, if a data channel is it
                    raise
                refusal = next((reply for reply in replies if not reply.ok), None)
                if refusal is None:
                    await landing.done
            self._channels.landing = None
        self._check(entry, before, after)
        self.clean = False  # until all turns out to be there: a transfer may have begun
        if refusal is not None:
            raise self._peer.refusal(refusal, entry.path)
        data = landing.result()
        self.clean = True
        return data

    @asynccontextmanager
    async def _moving(self, landing: Landing) -> AsyncIterator[None]:
        """Ends a transfer of which nothing comes any more, however long it may take."""
        loop = asyncio.get_running_loop()

        def on() -> None:
            if not deadline.expired():
                deadline.reschedule(loop.time() + self._peer.timeout_s)

        try:
            async with asyncio.timeout(self._peer.timeout_s) as deadline:
                landing.progress = on
                yield
        except TimeoutError:
            raise errors.TimedOut(
                f"gridftp {self._peer.url}: no answer within {self._peer.timeout_s:.3g} s; "
                "check the server's load, or raise 'timeout_s' or 'sessions'."
            ) from None
        finally:
            landing.progress = _nothing

    def _give_up_if_failed(self, done: asyncio.Future[None]) -> None:
        """Wait for no more answers when a data channel failed."""
        if not done.cancelled() and done.exception() is not None:
            self._control.abort()

    async def _listen(self) -> None:
        """Have the server dial us for data; once in a session."""
        if self._listening:
            return
        address = self._control.local
        try:
            port = await self._channels.listen(address, self._peer.data_ports)
        except OSError as error:
            raise errors.Unreachable(
                f"gridftp {self._peer.url}: no data port is free at {address} "
                f"({error.strerror}); widen 'data_ports'."
            ) from None
        (reply,) = await self._ask(
            f"PORT {address.replace('.', ',')},{port >> 8},{port & 255}"
        )  # fmt: skip
        if not reply.ok:
            raise Broken(f"the server does not take our data port ({reply.text})")
        self._listening = True

    def _check(self, entry: Entry, *looks: Reply) -> None:
        for look in looks:
            try:
                now = self._peer.entry_in(look, entry.path)
            except (errors.NotFound, errors.NotAFolder):
                raise errors.Stale(f"{entry.path} is gone; look it up again.") from None
            if now.version != entry.version or now.kind is not entry.kind:
                raise changed(entry.path)

    async def _ask(self, *commands: str) -> list[Reply]:
        for command in commands:
            self._control.send(command)
        return [await self._final() for _ in commands]

    async def _final(self, each: Callable[[str], None] | None = None) -> Reply:
        """The answer that ends a command, after its parts and progress markers."""
        while True:
            reply = await self._control.reply(each)
            if reply.code == _GOODBYE:
                raise Broken(f"the server ended the session ({reply.text})")
            if reply.code >= 200:
                return reply

    @asynccontextmanager
    async def _one_thing(self) -> AsyncIterator[None]:
        self.clean = False
        yield
        self.clean = True


def _nothing() -> None:
    """No transfer is watched."""
