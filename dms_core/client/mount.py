"""The client of a mount on this machine: where bytes are, and moving them.

::

    async with MountClient() as mount:
        print(await mount.status("/archive/NDXSANS2D/run.nxs"))

:class:`Mount` is the same, blocking. Paths are those of the tree; paths under
the mountpoint, as the shell has them, are accepted too.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Self, TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter

from .. import errors
from ..model import Listing, MountInfo, Queue, Status, Transfer
from ..problems import error_of
from ..rest import parsed
from .blocking import Background

DEFAULT_SOCKET = Path("/run/dms/control.sock")
_EVENTS: Mapping[str, type[Status | Transfer | MountInfo]] = {
    "status": Status,
    "transfer": Transfer,
    "mount": MountInfo,
}
_M = TypeVar("_M", bound=BaseModel)


def default_socket() -> Path:
    """The control socket of this session: ``DMS_SOCKET``, else the usual place."""
    return Path(os.environ.get("DMS_SOCKET") or DEFAULT_SOCKET)


class MountClient:
    """One mount, asked over its control socket.

    Every method raises :mod:`dms_core.errors`: what the mount told, or
    ``Unreachable`` or ``TimedOut`` naming the socket.

    Args:
        socket: the control socket; by default this session's.
        timeout_s: deadline of one call.
    """

    def __init__(self, socket: Path | str | None = None, *, timeout_s: float = 30) -> None:
        self.socket = Path(socket) if socket is not None else default_socket()
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def info(self) -> MountInfo:
        """The mount, its cache and how its service is."""
        return parsed(MountInfo, await self._call("GET", "mount"))

    async def queue(self) -> Queue:
        """What was written here and waits to be sent, and the latest conflicts."""
        return parsed(Queue, await self._call("GET", "queue"))

    async def list(self, path: str, cursor: str | None = None, limit: int = 1000) -> Listing:
        """A page of a folder with the status of each entry."""
        query = {"path": path, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        return parsed(Listing, await self._call("GET", "list", query))

    async def status(self, path: str) -> Status:
        """Where the bytes of a file or folder are."""
        return parsed(Status, await self._call("GET", "status", {"path": path}))

    async def prefetch(self, path: str) -> Transfer:
        """Begin to fetch a file, or all files of a folder, into the cache."""
        return parsed(Transfer, await self._call("POST", "prefetch", path=path))

    async def pin(self, path: str) -> Status:
        """Fetch it and keep it in the cache until it is unpinned."""
        return parsed(Status, await self._call("POST", "pin", path=path))

    async def unpin(self, path: str) -> Status:
        """Let the cache drop it again when it needs room."""
        return parsed(Status, await self._call("POST", "unpin", path=path))

    async def evict(self, path: str) -> Status:
        """Drop it from the cache now."""
        return parsed(Status, await self._call("POST", "evict", path=path))

    async def transfers(self) -> tuple[Transfer, ...]:
        """What is on its way into the cache, and what lately was."""
        return TypeAdapter(tuple[Transfer, ...]).validate_json(await self._call("GET", "transfers"))

    async def cancel(self, transfer_id: str) -> Transfer:
        """Stop a transfer; what has come stays cached."""
        return parsed(Transfer, await self._call("DELETE", f"transfers/{transfer_id}"))

    async def events(self) -> AsyncIterator[Status | Transfer | MountInfo]:
        """Every change from now on, until the caller leaves; first the mount as it is.

        Raises:
            Unreachable: the mount ended.
        """
        endless = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s, sock_read=60)
        try:
            async with self._open().get("http://mount/v1/events", timeout=endless) as answer:
                if answer.status != 200:
                    raise error_of(answer.status, await answer.json(content_type=None), "events")
                kind = ""
                async for line in answer.content:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data" and kind in _EVENTS:
                        yield _EVENTS[kind].model_validate_json(value)
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone() from error
        raise errors.Unreachable(f"The mount at {self.socket} ended; mount again.")

    async def _call(
        self,
        method: str,
        what: str,
        query: Mapping[str, str] | None = None,
        *,
        path: str | None = None,
    ) -> bytes:
        body = None if path is None else json.dumps({"path": path}).encode()
        try:
            async with self._open().request(
                method, f"http://mount/v1/{what}", params=query, data=body
            ) as answer:
                data = await answer.read()
        except TimeoutError:
            raise errors.TimedOut(
                f"The mount at {self.socket} did not answer within {self._timeout_s:g} s; "
                "try again."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone() from error
        if answer.status >= 300:
            raise error_of(answer.status, _json(data), f"{method} {what}")
        return data

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self.socket)),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            )
        return self._session

    def _gone(self) -> errors.Unreachable:
        return errors.Unreachable(
            f"No mount answers at {self.socket}; start one with 'dms mount', "
            "or name its socket in DMS_SOCKET."
        )


class Mount:
    """:class:`MountClient` for scripts and notebooks: the same, blocking."""

    def __init__(self, socket: Path | str | None = None, *, timeout_s: float = 30) -> None:
        self._client = MountClient(socket, timeout_s=timeout_s)
        self._background = Background()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._background.run(self._client.close())
        self._background.close()

    def info(self) -> MountInfo:
        """See :meth:`MountClient.info`."""
        return self._background.run(self._client.info())

    def queue(self) -> Queue:
        """See :meth:`MountClient.queue`."""
        return self._background.run(self._client.queue())

    def list(self, path: str, cursor: str | None = None, limit: int = 1000) -> Listing:
        """See :meth:`MountClient.list`."""
        return self._background.run(self._client.list(path, cursor, limit))

    def status(self, path: str) -> Status:
        """See :meth:`MountClient.status`."""
        return self._background.run(self._client.status(path))

    def prefetch(self, path: str) -> Transfer:
        """See :meth:`MountClient.prefetch`."""
        return self._background.run(self._client.prefetch(path))

    def pin(self, path: str) -> Status:
        """See :meth:`MountClient.pin`."""
        return self._background.run(self._client.pin(path))

    def unpin(self, path: str) -> Status:
        """See :meth:`MountClient.unpin`."""
        return self._background.run(self._client.unpin(path))

    def evict(self, path: str) -> Status:
        """See :meth:`MountClient.evict`."""
        return self._background.run(self._client.evict(path))

    def transfers(self) -> tuple[Transfer, ...]:
        """See :meth:`MountClient.transfers`."""
        return self._background.run(self._client.transfers())

    def cancel(self, transfer_id: str) -> Transfer:
        """See :meth:`MountClient.cancel`."""
        return self._background.run(self._client.cancel(transfer_id))

    def events(self) -> Iterator[Status | Transfer | MountInfo]:
        """See :meth:`MountClient.events`."""
        return self._background.iterate(self._client.events())


def _json(data: bytes) -> object:
    try:
        found: object = json.loads(data)
    except ValueError:
        return None
    return found
