"""A real nginx on loopback that serves a folder by range, with JSON listings.

with nginx(folder) as server:
    HttpMover(server.url)
with nginx(folder, tls=True, token="…") as server:
    HttpMover(server.url, **server.credentials)
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from .ca import Authority
from .servers import Server, running

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
MISSING = "needs nginx: apt-get install -y nginx-light"

CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {state}/nginx.pid;
error_log {state}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {state}/access.log;
  sendfile on;
  default_type application/octet-stream;
  limit_conn_zone $binary_remote_addr zone=clients:1m;
  client_body_temp_path {state}/b; proxy_temp_path {state}/p; fastcgi_temp_path {state}/f;
  uwsgi_temp_path {state}/u; scgi_temp_path {state}/s;
  server {{
    listen 127.0.0.1:{port}{ssl};
    root {folder};
    autoindex on;
    autoindex_format json;
    {extra}
  }}
}}
"""


class Nginx(Server):
    """Serves ``folder``; ``url`` names it. Everything else it needs is below ``state``."""

    def __init__(
        self, folder: Path, state: Path, *, tls: bool, token: str | None, extra: str
    ) -> None:
        assert PROGRAM is not None, MISSING
        self.state = state
        self.folder = folder
        self.authority: Authority | None = None
        self.token_file: Path | None = None
        super().__init__([PROGRAM, "-c", str(state / "nginx.conf")], state / "output.log")
        if tls:
            self.authority = Authority(state / "ca")
            host = self.authority.issue("localhost", server=True)
            extra += f"ssl_certificate {host.certificate}; ssl_certificate_key {host.key};"
        if token is not None:
            self.token_file = state / "token"
            self.token_file.touch(mode=0o600)
            self.token_file.write_text(f"{token}\n")
            extra += f' if ($http_authorization != "Bearer {token}") {{ return 401; }}'
        (state / "nginx.conf").write_text(
            CONFIG.format(
                user="user root;" if os.geteuid() == 0 else "",
                state=state,
                port=self.port,
                ssl=" ssl" if tls else "",
                folder=folder,
                extra=extra,
            )
        )

    @property
    def url(self) -> str:
        """Where ``folder`` is served."""
        return f"{'https' if self.authority else 'http'}://localhost:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The mover's options that this server needs."""
        found = {"ca": self.authority and self.authority.file, "token_file": self.token_file}
        return {key: str(value) for key, value in found.items() if value}

    def requests(self) -> list[str]:
        """The lines of its access log."""
        return (self.state / "access.log").read_text().splitlines()


def nginx(
    folder: Path, *, tls: bool = False, token: str | None = None, extra: str = ""
) -> AbstractContextManager[Nginx]:
    """A running server of ``folder``; ``extra`` are more directives of its ``server`` block."""
    return running("nginx", lambda state: Nginx(folder, state, tls=tls, token=token, extra=extra))
