"""The desktop's page: the proxy's, with a sentence of ours when there is no picture.

The proxy's own page says "Something went wrong" and no more. Ours stands at the
same address, ``desktop/``: Jupyter Server loads extensions by name, and the
first that claims an address has it.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from jupyter_remote_desktop_proxy.handlers import DesktopHandler  # type: ignore[import-untyped]
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import AuthenticatedFileHandler
from tornado import web

from .programs import Missing, missing

HERE = Path(__file__).parent

ENDED = (
    "The desktop has ended, because its server was stopped or its machine is gone. "
    "Start a server again from the hub; what was saved under your home is there."
)
LOST = "The connection to the desktop is lost. Reload this page to connect again."
NO_REASON = "the X server does not come up and gave no reason"

_RECENT_S = 120.0
_TAIL_BYTES = 1 << 14
_BANNER = "Xvnc TigerVNC"


class PageHandler(DesktopHandler):  # type: ignore[misc]
    """The page, or what is missing for it."""

    auth_resource = "desktop"

    def initialize(self, window_manager: str) -> None:
        """Take the route's settings."""
        self._window_manager = window_manager

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The picture's page; 503 with a sentence where it cannot be."""
        if absent := self._missing():
            self.set_status(503)
            self.finish(_sentence_page(absent.for_user()))
            return
        await super().get()

    def write(self, chunk: Any) -> None:
        """Add our script to the proxy's page."""
        if isinstance(chunk, str):
            script = (
                f'<script src="{self.base_url}desktop/daaas/desktop.js"'
                f' data-ended="{html.escape(ENDED)}" data-lost="{html.escape(LOST)}"></script>'
            )
            chunk = chunk.replace("</body>", f"{script}</body>")
            chunk = re.sub("<title>.*?</title>", "<title>Desktop</title>", chunk)
        super().write(chunk)

    def _missing(self) -> Missing | None:
        return missing(self._window_manager, shutil.which)


class StateHandler(DesktopHandler):  # type: ignore[misc]
    """Why there is no picture: ``{"problem": sentence}``, empty if none is known.

    ``?failed=1``: the page has given up waiting, so there is a problem, known or not.
    """

    auth_resource = "desktop"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Read what the X server said last."""
        reason = start_failure(Path.home() / ".vnc", time.time())
        if not reason and self.get_query_argument("failed", ""):
            reason = NO_REASON
        if reason:
            self.log.warning("%s", not_started_log(reason))
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"problem": not_started(reason) if reason else ""}))


def not_started(reason: str) -> str:
    """What the user reads when the X server ended before there was a picture."""
    return (
        f"The desktop did not start: {reason}. Reload this page to try again; if that does not "
        "help, stop this server and start it on another machine."
    )


def not_started_log(reason: str) -> str:
    """The same for the server's log."""
    return (
        f"desktop: it did not start: {reason}; the whole story is in the newest log in the "
        "user's ~/.vnc"
    )


def start_failure(folder: Path, now: float) -> str:
    """Why the X server did not start, from its newest log; empty if it did.

    Args:
        folder: where the X server's logs are.
        now: seconds since the epoch; an older log is not about now.
    """
    logs = [(file.stat().st_mtime, file) for file in folder.glob("*.log")]
    if not logs:
        return ""
    written, newest = max(logs)
    if now - written > _RECENT_S:
        return ""
    text = newest.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    latest = text.rpartition(_BANNER)[2]  # starts follow each other in one file
    found = re.search(r"Fatal server error:\s*(?:\(EE\)\s*)?([^\n]*)|^desktop: (.*)", latest, re.M)
    if not found:
        return ""
    return (found[1] or found[2] or "").strip().rstrip(".") or NO_REASON


def routes(window_manager: str) -> list[tuple[Any, ...]]:
    """The addresses below the server's, as Tornado has them."""
    return [
        (r"/desktop/", PageHandler, {"window_manager": window_manager}),
        (r"/desktop/state", StateHandler),
        (r"/desktop/daaas/(.*)", AuthenticatedFileHandler, {"path": str(HERE / "static")}),
    ]


def _sentence_page(sentence: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Desktop</title>'
        "<style>body{font:16px/1.5 sans-serif;max-width:40em;margin:15vh auto;padding:0 1em}"
        "</style></head><body><h1>No desktop here</h1>"
        f'<p role="alert">{html.escape(sentence)}</p></body></html>'
    )
