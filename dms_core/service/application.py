"""The REST service ``/dms/api/v1`` as a tornado application, and its server."""

from __future__ import annotations

from tornado.httpserver import HTTPServer
from tornado.web import Application

from .. import __version__
from ..rest import API
from .content import ContentHandler
from .entries import (
    CommitHandler,
    EntryHandler,
    RenameHandler,
    SpaceHandler,
    VolumesHandler,
)
from .handler import Handler, NoSuchResource, Parts, log_request
from .tokens import RenewHandler, TokensHandler

MAX_BODY_BYTES = 16 << 20
"""A request with a longer body is cut off; writes come in pieces."""


class HealthHandler(Handler):
    """``/health``, for balancers and operators; needs no token."""

    needs_user = False

    def get(self) -> None:
        """``ok``, or ``degraded`` while an old membership file is in force."""
        broken = bool(self.parts.membership.problem)
        self.finish(
            {
                "status": "degraded" if broken else "ok",
                "detail": "The membership file is broken; see the log." if broken else "",
                "version": __version__,
            }
        )


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
