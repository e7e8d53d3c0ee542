"""Requests to one web server: kept connections, deadlines, failures as our errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from ... import errors
from ..base import Busy, Refused

_OURS = {401, 407}  # our credentials, not the path, are refused
_BUSY = {429, 502, 503, 504}


class Client:
    """Calls the server at ``url``.

    Args:
        url: What messages name; requests bring their own below it.
        ca: A file of CA certificates, or a folder of them named by hash; None: the system's.
        token_file: Holds a bearer token, read on each call; None: none is sent.
        connections: Kept open at most.
        idle_s: An unused connection is closed after.
        silence_s: How long it may take to connect, and to the next part of an answer.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: Path | None,
        token_file: Path | None,
        connections: int,
        idle_s: float,
        silence_s: float,
    ) -> None:
        self._url = url
        self._token_file = token_file
        self._connections = connections
        self._idle_s = idle_s
        self._silence_s = silence_s
        self._tls = _tls(url, ca) if url.startswith("https:") else None
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def request(
        self, method: str, url: str, path: str, timeout_s: float, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, its body not yet read, whose status says that the server did it.

        A body that is not read to its end takes its connection with it.

        Raises:
            DmsError: of ``path`` (404, 403, 412), or of the server.
        """
        here = f"http {self._url}"
        try:
            async with self._open_session().request(
                method,
                URL(url, encoded=True),
                headers={**headers, **self._authorization()},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s, sock_connect=self._silence_s, sock_read=self._silence_s
                ),
            ) as answer:
                if answer.status >= 400:
                    raise self._refusal(answer, path)
                yield answer
        except TimeoutError:
            raise errors.TimedOut(
                f"{here}: no answer within {self._silence_s:.3g} s; check the server's "
                "load, or raise 'timeout_s'."
            ) from None
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            raise Refused(
                f"{here}: the server's certificate is not accepted ({why}); correct 'ca' or "
                "the url, or renew that certificate."
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise errors.Unreachable(
                f"{here}: cannot connect ({error.strerror or error}); "
                "check the url and that the server runs."
            ) from None
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise errors.Unreachable(
                f"{here}: the connection broke ({type(error).__name__}); "
                "see the server's log if it lasts."
            ) from None

    async def close(self) -> None:
        """Close the kept connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)

    def _refusal(self, answer: aiohttp.ClientResponse, path: str) -> errors.DmsError:
        here, said = f"http {self._url}", f"{answer.status} {answer.reason}"
        if answer.status in _OURS:
            return Refused(f"{here}: the server does not accept the token ({said}); renew it.")
        if answer.status in (404, 410):
            return errors.NotFound(f"{path} does not exist; check the path.")
        if answer.status == 403:
            return errors.NotAllowed(f"{path} may not be read by the account used for the DMS.")
        if answer.status in (412, 416):
            return errors.Stale(f"{path} changed since it was looked up; look it up again.")
        if answer.status == 414:
            return errors.BadRequest(f"{path} is too long for its server; shorten it.")
        if answer.status in _BUSY:
            return Busy(f"{here}: the server takes no more requests now ({said}); see its limits.")
        return errors.DmsError(f"{path} cannot be read: the server of {self._url} failed ({said}).")

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_text().strip()
        except OSError as error:
            raise Refused(
                f"http {self._url}: the token file {self._token_file} cannot be read "
                f"({error.strerror}); correct 'token_file'."
            ) from None
        return {"Authorization": f"Bearer {token}"}

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections,
                    keepalive_timeout=self._idle_s,
                    ssl=self._tls if self._tls is not None else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                read_bufsize=1 << 20,
            )
        return self._session


def _tls(url: str, ca: Path | None) -> ssl.SSLContext:
    try:
        if ca is not None and ca.is_dir():
            return ssl.create_default_context(capath=ca)
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"The CA certificates of {url} cannot be used ({error.strerror or error}); "
            "correct 'ca'."
        ) from None
