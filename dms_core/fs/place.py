"""Which service or mount a ``dms://`` URL means. Pure: the environment is an argument.

``dms://HOST[:PORT]/path`` names a service, ``dms:///path`` the session's: the
service of ``DMS_URL``, else this machine's mount, as the ``dms`` command has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import BadRequest, NotAuthenticated

LOOPBACK = ("localhost", "127.0.0.1", "::1")
REMEDY = "give token_file (or token) in storage_options"


@dataclass(frozen=True)
class Service:
    """A service and the token for it."""

    url: str
    token: str = field(default="", repr=False)
    token_file: Path | None = None


@dataclass(frozen=True)
class LocalMount:
    """The mount whose control socket this is; None: this session's."""

    socket: Path | None = None


def place_of(
    host: str,
    environment: Mapping[str, str],
    *,
    url: str = "",
    token: str = "",
    token_file: str | Path = "",
    socket: str | Path = "",
) -> Service | LocalMount:
    """Where the bytes come from.

    The session's token (``DMS_TOKEN_FILE``) goes to the session's service
    only: a URL out of somebody's notebook must not be able to ask for it.

    Args:
        host: ``HOST[:PORT]`` of the URL; empty for the session's.
        environment: The process's.
        url: The service's URL, where ``host`` does not tell all of it.
        token: A user's token.
        token_file: A file that holds it, read for each call.
        socket: Use the mount with this control socket.

    Raises:
        NotAuthenticated: there is no token for that service.
        BadRequest: two places are named at once.
    """
    session = environment.get("DMS_URL", "").rstrip("/")
    if sum(map(bool, (host, url, socket))) > 1:
        raise BadRequest("Name the service in the dms:// URL, or give url or socket; only one.")
    if socket:
        return LocalMount(Path(socket))
    if not (host or url or session):
        return LocalMount()
    found = url.rstrip("/") or (_url_of(host, session) if host else session)
    if token or token_file:
        return Service(found, token, None if token else Path(token_file))
    if found != session:
        raise NotAuthenticated(f"{found} is not this session's service (DMS_URL); {REMEDY}.")
    if not environment.get("DMS_TOKEN_FILE"):
        raise NotAuthenticated(f"{found} wants a token; set DMS_TOKEN_FILE, or {REMEDY}.")
    return Service(found, token_file=Path(environment["DMS_TOKEN_FILE"]))


def _url_of(host: str, session: str) -> str:
    """``HOST[:PORT]`` as a URL: as the session has it, https elsewhere, http on this host."""
    if urlsplit(session).netloc == host:
        return session
    name = urlsplit(f"//{host}").hostname
    return f"{'http' if name in LOOPBACK else 'https'}://{host}"
