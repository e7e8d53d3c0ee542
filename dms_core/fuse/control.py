"""The control socket: HTTP over a Unix socket for the mount's own user and root.

Who asks is what the kernel says (``SO_PEERCRED``), not what they say, so the
socket file itself may be open to all. Everything is answered from the event
loop the cache lives in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from .. import errors
from ..cache.events import Event
from ..cache.residency import Residency
from ..model import Kind, MountInfo, Queue, Transfer
from ..paths import parts_of, path_of
from ..problems import CONTENT_TYPE, problem

log = logging.getLogger(__name__)

_PEER = struct.Struct("3i")  # pid, uid, gid of struct ucred
_BEAT_S = 15.0
_BACKLOG = 1000


class Control:
    """What the socket answers from.

    Args:
        residency: states of the mounted tree, and the means to change them.
        info: the mount as it is now.
        queue: what waits to be sent now.
        mountpoint: accepted as a prefix of paths.
        uid: the mount's user, beside root.
    """

    def __init__(
        self,
        residency: Residency,
        info: Callable[[], MountInfo],
        queue: Callable[[], Queue],
        mountpoint: Path,
        uid: int,
    ) -> None:
        self.residency = residency
        self.info = info
        self.queue = queue
        self.uid = uid
        self._mountpoint = str(mountpoint).rstrip("/")
        self._server: HTTPServer | None = None
        self._path: Path | None = None

    def listen(self, path: Path) -> None:
        """Answer at ``path`` from the running event loop; a dead socket there is replaced.

        Raises:
            ConfigError: another mount answers there, or it cannot be made.
        """
        if _answers(path):
            raise errors.ConfigError(
                f"Another mount answers at {path}; stop it or name another path in socket."
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            listening = bind_unix_socket(str(path), mode=0o666)
        except (OSError, ValueError) as error:
            raise errors.ConfigError(
                f"The control socket {path} cannot be made ({error}); name another path in socket."
            ) from None
        self._path = path
        self._server = HTTPServer(application(self), max_body_size=64 * 1024)
        self._server.add_socket(listening)

    async def close(self) -> None:
        """Stop answering and remove the socket."""
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def tree_path(self, path: str) -> str:
        """``path`` in the tree; one that starts with the mountpoint is meant as in the shell.

        Raises:
            BadRequest: it is not an absolute path.
        """
        if path == self._mountpoint or path.startswith(self._mountpoint + "/"):
            path = path[len(self._mountpoint) :] or "/"
        return path_of(parts_of(path.rstrip("/") or "/"))


def application(control: Control) -> Application:
    """The routes of the socket."""
    handlers: list[type[_Handler]] = [
        _Mount, _Queue, _List, _Status, _Prefetch, _Evict, _Pin, _Unpin, _Transfers,
        _OneTransfer, _Events,
    ]  # fmt: skip
    return Application(
        [(handler.route, handler, {"control": control}) for handler in handlers],
        log_function=lambda _: None,
    )


class _Handler(RequestHandler):
    route: ClassVar[str]

    def initialize(self, control: Control) -> None:
        self.control = control
        self.residency = control.residency

    def prepare(self) -> None:
        connection = self.request.connection
        peer = connection.stream.socket.getsockopt(  # type: ignore[union-attr]
            socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size
        )
        uid = _PEER.unpack(peer)[1]
        if uid not in (0, self.control.uid, os.geteuid()):
            self.refuse(errors.NotAllowed("This mount is another user's."))
            self.finish()

    def refuse(self, error: errors.DmsError) -> None:
        """Answer with a problem."""
        self.set_status(error.status)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.write(json.dumps(problem(error)))

    async def answer(self, work: Awaitable[BaseModel | Sequence[BaseModel]]) -> None:
        """Answer with the result of ``work`` as JSON, or with the problem it met."""
        try:
            found = await work
        except errors.DmsError as error:
            self.refuse(error)
            return
        self.set_header("Content-Type", "application/json")
        if isinstance(found, BaseModel):
            self.write(found.model_dump_json())
        else:
            self.write("[" + ",".join(one.model_dump_json() for one in found) + "]")

    def path(self) -> str:
        """The path asked about: ``?path=``, or ``path`` of a JSON body."""
        if self.request.method != "POST":
            return self.control.tree_path(self.get_argument("path", "/", strip=False))
        try:
            path = json.loads(self.request.body)["path"]
        except (ValueError, KeyError, TypeError):
            path = None
        if not isinstance(path, str):
            raise errors.BadRequest('The body must be JSON with a "path".')
        return self.control.tree_path(path)


class _Mount(_Handler):
    route = "/v1/mount"

    async def get(self) -> None:
        async def work() -> MountInfo:
            return self.control.info()

        await self.answer(work())


class _Queue(_Handler):
    route = "/v1/queue"

    async def get(self) -> None:
        async def work() -> Queue:
            return self.control.queue()

        await self.answer(work())


class _List(_Handler):
    route = "/v1/list"

    async def get(self) -> None:
        async def work() -> BaseModel:
            limit = self.get_argument("limit", "1000")
            if not limit.isdecimal() or not 1 <= int(limit) <= 10_000:
                raise errors.BadRequest("limit must be a number from 1 to 10000.")
            cursor = self.get_argument("cursor", None, strip=False)
            return await self.residency.list(self.path(), cursor=cursor, limit=int(limit))

        await self.answer(work())


class _Status(_Handler):
    route = "/v1/status"

    async def get(self) -> None:
        async def work() -> BaseModel:
            return await self.residency.status(self.path())

        await self.answer(work())


class _Prefetch(_Handler):
    route = "/v1/prefetch"

    async def post(self) -> None:
        async def work() -> BaseModel:
            transfer = await self.residency.prefetch(self.path())
            self.set_status(202)
            return transfer

        await self.answer(work())


class _Change(_Handler):
    def change(self) -> Callable[[str], Awaitable[BaseModel]]:
        raise NotImplementedError

    async def post(self) -> None:
        async def work() -> BaseModel:
            return await self.change()(self.path())

        await self.answer(work())


class _Evict(_Change):
    route = "/v1/evict"

    def change(self) -> Callable[[str], Awaitable[BaseModel]]:
        return self.residency.evict


class _Pin(_Change):
    route = "/v1/pin"

    def change(self) -> Callable[[str], Awaitable[BaseModel]]:
        return self.residency.pin


class _Unpin(_Change):
    route = "/v1/unpin"

    def change(self) -> Callable[[str], Awaitable[BaseModel]]:
        return self.residency.unpin


class _Transfers(_Handler):
    route = "/v1/transfers"

    async def get(self) -> None:
        async def work() -> Sequence[BaseModel]:
            return self.residency.transfers.all()

        await self.answer(work())


class _OneTransfer(_Handler):
    route = "/v1/transfers/([0-9a-f]+)"

    async def delete(self, transfer_id: str) -> None:
        async def work() -> Transfer:
            return self.residency.transfers.cancel(transfer_id)

        await self.answer(work())


class _Events(_Handler):
    """Server-sent events until the client leaves; the first tells the mount as it is."""

    route = "/v1/events"

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        waiting: asyncio.Queue[Event] = asyncio.Queue()

        def tell(event: Event) -> None:
            if waiting.qsize() < _BACKLOG:
                waiting.put_nowait(event)

        waiting.put_nowait(None)
        with self.residency.events.subscribed(tell), contextlib.suppress(StreamClosedError):
            while True:
                try:
                    event = await asyncio.wait_for(waiting.get(), _BEAT_S)
                except TimeoutError:
                    self.write(": beat\n\n")
                else:
                    self.write(await self._frame(event))
                await self.flush()

    async def _frame(self, event: Event) -> str:
        model: BaseModel
        if event is None:
            kind, model = "mount", self.control.info()
        elif isinstance(event, Transfer):
            kind, model = "transfer", event
        else:
            status = self.residency.known(event)
            if status is None or status.kind is not Kind.FILE:
                return ": gone\n\n"
            kind, model = "status", status
        return f"event: {kind}\ndata: {model.model_dump_json()}\n\n"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
