"""A GridFTP server, how to talk to it, and what its answers mean for a path. No effects."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from ... import errors
from ...model import Entry
from .replies import Reply, entry_of, error_of, facts_of


@dataclass(frozen=True, slots=True)
class Peer:
    """A server and how to talk to it."""

    url: str
    host: str
    port: int
    folder: str
    """What is ``/`` here, without a slash at its end."""
    gsi: ssl.SSLContext | None
    server_name: str
    user: str
    password: str
    streams: int
    data_ports: Sequence[int]
    any_data_peer: bool
    timeout_s: float
    """How long nothing may come in the middle of a transfer."""

    def there(self, path: str) -> str:
        """``path`` here as the server knows it.

        Raises:
            BadRequest: it cannot be said in a command.
        """
        if "\r" in path or "\n" in path:
            raise errors.BadRequest(f"{path!r} has a line break, which GridFTP cannot say.")
        return (self.folder + path).removesuffix("/") or "/"

    def entry_in(self, reply: Reply, path: str) -> Entry:
        """The entry that an answer to MLST tells."""
        if not reply.ok:
            raise self.refusal(reply, path)
        facts = next((line for line in reply.lines if line.startswith(" ")), "")
        self.check_echo(facts_of(facts)[1], path)
        entry = entry_of(facts, path)
        if entry is None:
            raise errors.NotFound(f"{path} is not a file or folder; the DMS shows no others.")
        return entry

    def check_echo(self, echo: str, path: str) -> None:
        """Whether the answer is about ``path``: see :meth:`refusal`."""
        if not path.isascii() and not echo.endswith(self.there(path)):
            raise self._unnameable(path)

    def refusal(self, reply: Reply, path: str) -> errors.DmsError:
        """What a refusal means; the Globus server drops what is not ASCII from clear text."""
        if self.gsi is None and not path.isascii():
            return self._unnameable(path)
        return error_of(reply, path, self.url)

    def _unnameable(self, path: str) -> errors.Unsupported:
        return errors.Unsupported(
            f"{path} cannot be named to {self.url}, which takes ASCII names only in clear "
            "text; use a gsiftp:// url or HTTP."
        )
