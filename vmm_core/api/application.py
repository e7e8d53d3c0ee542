"""The tornado application: the route table, the agents' WebSocket, the document."""

from __future__ import annotations

import json
import logging
import re
from functools import partial
from typing import Any

from tornado.web import Application, RequestHandler

from ..metrics import Metrics
from ..switchboard import Switchboard
from .agents import AgentSocket
from .endpoint import Endpoint
from .handlers import ProblemHandler, UnknownPath
from .metrics import MetricsPage
from .models import PREFIX
from .openapi import document
from .routes import KIB, MIB, Route, Services
from .table import ROUTES

log = logging.getLogger(__name__)

MAX_BODY = 4 * MIB
"""For the server: the largest body that any route takes."""


class OpenApi(ProblemHandler):
    """The document."""

    def initialize(self, text: str) -> None:
        """Take the document."""
        self._text = text

    def get(self) -> None:
        """Send it."""
        self.set_header("Content-Type", "application/json")
        self.finish(self._text)


def make_application(services: Services, switchboard: Switchboard) -> Application:
    """The service's HTTP side."""
    by_path: dict[str, dict[str, Route[Any, Any]]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    return Application(
        [
            *(
                (_pattern(path), Endpoint, {"services": services, "routes": routes})
                for path, routes in by_path.items()
            ),
            (f"{PREFIX}/agent", AgentSocket, {"switchboard": switchboard}),
            (f"{PREFIX}/metrics", MetricsPage, {"services": services}),
            (f"{PREFIX}/openapi.json", OpenApi, {"text": json.dumps(document(ROUTES))}),
        ],
        default_handler_class=UnknownPath,
        log_function=partial(log_request, services.metrics),
        websocket_ping_interval=10,
        websocket_ping_timeout=10,
        websocket_max_message_size=64 * KIB,
    )


def log_request(metrics: Metrics, handler: RequestHandler) -> None:
    """One line a request, and one more of its kind: who did what, never with which words."""
    status = handler.get_status()
    caller = handler.caller.name if isinstance(handler, Endpoint) else ""
    if isinstance(handler, Endpoint):
        metrics.answered(handler.name, status, handler.request.request_time())
    log.log(
        logging.ERROR if status >= 500 else logging.INFO,
        "%d %s %s %s %.0f ms",
        status,
        handler.request.method,
        handler.request.path,
        caller or "-",
        1000 * handler.request.request_time(),
    )


def _pattern(path: str) -> str:
    return PREFIX + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)
