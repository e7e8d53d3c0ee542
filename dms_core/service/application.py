"""The REST service ``/dms/api/v1`` as a tornado application, and its server."""

from __future__ import annotations

from tornado.httpserver import HTTPServer
from tornado.web import Application

from ..rest import API
from .content import ContentHandler
from .entries import (
    CommitHandler,
    EntryHandler,
    RenameHandler,
    SpaceHandler,
    VolumesHandler,
)
from .handler import NoSuchResource, Parts, log_request
from .health import HealthHandler
from .tokens import RenewHandler, TokensHandler
from .where import WhereHandler

MAX_BODY_BYTES = 16 << 20
"""A request with a longer body is cut off; writes come in pieces."""


def application(parts: Parts) -> Application:
    """The service's routes."""
    shared = {"parts": parts}
    return Application(
        [
            (f"{API}/health", HealthHandler, shared),
            (f"{API}/volumes", VolumesHandler, shared),
            (f"{API}/entries(/.*)", EntryHandler, shared),
            (f"{API}/content(/.*)", ContentHandler, shared),
            (f"{API}/commit(/.*)", CommitHandler, shared),
            (f"{API}/space(/.*)", SpaceHandler, shared),
            (f"{API}/rename", RenameHandler, shared),
            (f"{API}/where", WhereHandler, shared),
            (f"{API}/tokens", TokensHandler, shared),
            (f"{API}/tokens/renew", RenewHandler, shared),
        ],
        default_handler_class=NoSuchResource,
        default_handler_args=shared,
        log_function=log_request,
    )


def server(parts: Parts) -> HTTPServer:
    """A server of :func:`application`, not listening yet, with its limits."""
    return HTTPServer(
        application(parts),
        max_body_size=MAX_BODY_BYTES,
        max_header_size=64 << 10,
        idle_connection_timeout=300,
        body_timeout=120,
    )
