"""The SSH server: one user, public keys only, our commands only (RFC 4252, RFC 4254).

No shell, no forwarding of ports, agents or displays, no subsystem, no files.
A terminal may be asked for, as ``ssh -t`` does, and changes nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..access import SshAccess
from .commands import Command, CommandError, parse

if TYPE_CHECKING:
    import asyncssh

log = logging.getLogger(__name__)

LOGIN_S = 10.0
"""Who has not proven a key by then is hung up on."""

IDLE_S = 300.0
"""A command and its connection end by then."""

MOST_CONNECTIONS = 32
"""At once, so that a flood costs the machine's user little."""


class CannotServe(Exception):
    """The endpoint cannot be opened; the text says why and what to do."""


class Endpoint:
    """What listens on the machine's SSH port.

    Args:
        access: who may do it.
        host_key: file of the machine's own key, made if it is not there.
        obey: does a command; returns what it prints.
    """

    def __init__(
        self, access: SshAccess, host_key: Path, obey: Callable[[Command], Awaitable[str]]
    ) -> None:
        self._access = access
        self._host_key = host_key
        self._obey = obey
        self._listener: asyncssh.SSHAcceptor | None = None
        self.connections = 0

    async def open(self) -> None:
        """Listen.

        Raises:
            CannotServe: the port is taken, a key is wrong, or asyncssh is missing.
        """
        try:
            import asyncssh
        except ImportError:
            raise CannotServe(
                "SSH commands need asyncssh: install jupyter-daaas[topcat] in the image"
            ) from None
        asyncssh.set_log_level(logging.WARNING)  # else it logs commands, and tokens with them
        port = self._access.port
        try:
            keys = [
                asyncssh.import_public_key(line)
                for line in self._access.authorized_key.splitlines()
            ]
        except (asyncssh.KeyImportError, ValueError) as error:
            raise CannotServe(f"the authorized key for SSH commands is wrong: {error}") from None
        trusted = [key.public_data for key in keys]
        try:
            self._listener = await asyncssh.listen(
                "",
                port,
                server_factory=lambda: _server(self, trusted),
                server_host_keys=[self._own_key(asyncssh)],
                process_factory=self._serve,
                sftp_factory=None,
                allow_scp=False,
                agent_forwarding=False,
                x11_forwarding=False,
                gss_host=None,
                line_editor=False,
                login_timeout=LOGIN_S,
                keepalive_interval=LOGIN_S,
                reuse_address=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise CannotServe(
                f"SSH commands cannot listen on port {port}: {os.strerror(error.errno or 0)}: "
                "disable the image's own SSH server, or move it to another port"
            ) from None
        log.info("SSH commands on port %d for %s", port, self._access.user)

    async def close(self) -> None:
        """Hang up."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    def admits(self, user: str, key: bytes, trusted: list[bytes]) -> bool:
        """Whether this key may log in with this name."""
        known = any(hmac.compare_digest(key, one) for one in trusted)
        return known and user == self._access.user

    async def _serve(self, process: asyncssh.SSHServerProcess[str]) -> None:
        try:
            if process.subsystem:
                raise CommandError("there are no subsystems here, and no files to copy")
            command = parse(process.command)
            log.info("SSH: %s", command)
            async with asyncio.timeout(IDLE_S):
                process.stdout.write(await self._obey(command))
            process.exit(0)
        except (CommandError, TimeoutError) as error:
            said = str(error) or "it took too long"
            log.warning("SSH: %s", said)
            process.stderr.write(f"{said}\n")
            process.exit(1)
        except OSError as error:
            log.exception("SSH")
            process.stderr.write(f"the machine's agent failed: {error.strerror}\n")
            process.exit(1)

    def _own_key(self, library: Any) -> asyncssh.SSHKey:
        """This machine's key, made at its first boot; kept for root only, else anew each time."""
        key: asyncssh.SSHKey
        if os.geteuid() == 0 and self._host_key.exists():
            key = library.read_private_key(self._host_key)
            return key
        key = library.generate_private_key("ssh-ed25519")
        if os.geteuid() == 0:
            self._host_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._host_key.touch(mode=0o600)
            self._host_key.write_bytes(key.export_private_key())
        return key


def _server(endpoint: Endpoint, trusted: list[bytes]) -> asyncssh.SSHServer:
    """A connection's answers to who may log in; everything else is refused by default."""
    import asyncssh

    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            endpoint.connections += 1
            if endpoint.connections > MOST_CONNECTIONS:
                conn.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            endpoint.connections -= 1

        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return False

        def kbdint_auth_supported(self) -> bool:
            return False

        def public_key_auth_supported(self) -> bool:
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            return endpoint.admits(username, key.public_data, trusted)

    return Server()
