"""A real ``globus-gridftp-server`` on loopback, anonymous or GSI. Needs root to map its users.

with gridftp_server(folder) as server:             # anonymous
    GridftpMover(server.url)
with gridftp_server(folder, gsi=True) as server:   # a home-made CA
    GridftpMover(server.url, **server.credentials)
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

from .ca import Authority, Identity
from .servers import Server, running

PROGRAM = shutil.which("globus-gridftp-server") or shutil.which(
    "globus-gridftp-server", path="/usr/sbin:/sbin"
)
MISSING = "needs globus-gridftp-server: apt-get install -y globus-gridftp-server-progs"


class GridftpServer(Server):
    """Serves ``folder``; ``url`` names it. Everything else it needs is below ``state``."""

    def __init__(
        self, folder: Path, state: Path, *, gsi: bool, sessions: int, extra: Sequence[str] = ()
    ) -> None:
        assert PROGRAM is not None, MISSING
        self.state = state
        self.folder = folder
        self.authority: Authority | None = None
        self.user: Identity | None = None
        for name in ("none.d", "log"):
            (state / name).mkdir()
        (state / "none.conf").touch()
        environment = self._gsi(state) if gsi else {}
        who = (
            ("-auth-level", "1", "-home-dir", str(folder))
            if gsi
            else ("-aa", "-anonymous-user", "root", "-anonymous-group", "root")
        )
        super().__init__(
            [
                *(PROGRAM, "-p", "{port}", "-chdir-to", str(state)),
                *("-control-interface", "127.0.0.1", "-data-interface", "127.0.0.1"),
                *("-C", str(state / "none.d"), "-c", str(state / "none.conf")),
                *("-connections-max", str(sessions), "-log-level", "ERROR,WARN,INFO"),
                *("-logfile", str(state / "log" / "server.log")),
                *("-allow-root", "-allow-disabled-login", "-rp", str(folder), *who),
                *extra,
            ],
            state / "log" / "output.log",
            environment,
        )

    @property
    def url(self) -> str:
        """Where ``folder`` is served."""
        scheme = "gsiftp" if self.authority else "ftp"
        return f"{scheme}://localhost:{self.port}{quote(str(self.folder))}"

    @property
    def credentials(self) -> dict[str, str]:
        """The mover's options that this server accepts; none if it is anonymous."""
        if self.authority is None or self.user is None:
            return {}
        return {
            "ca": str(self.authority.certificates),
            "certificate": str(self.user.certificate),
            "key": str(self.user.key),
        }

    def _gsi(self, state: Path) -> dict[str, str]:
        self.authority = Authority(state / "ca")
        host = self.authority.issue("localhost", server=True)
        self.user = self.authority.issue("Alice Analyst")
        gridmap = state / "gridmap"
        gridmap.write_text(f'"{self.user.subject}" root\n')
        return {
            "X509_CERT_DIR": str(self.authority.certificates),
            "X509_USER_CERT": str(host.certificate),
            "X509_USER_KEY": str(host.key),
            "GRIDMAP": str(gridmap),
        }


def gridftp_server(
    folder: Path, gsi: bool = False, *, sessions: int = 100, extra: Sequence[str] = ()
) -> AbstractContextManager[GridftpServer]:
    """A running server of ``folder``.

    Args:
        folder: What it serves; nothing else of this host.
        gsi: With certificates of a CA made for it, else anonymously.
        sessions: It takes at most so many clients at a time.
        extra: More of its options.
    """
    return running(
        "gridftp",
        lambda state: GridftpServer(folder, state, gsi=gsi, sessions=sessions, extra=extra),
    )
