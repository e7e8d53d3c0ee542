"""What every handler of the API has in common: JSON, problems, bearer tokens."""

from __future__ import annotations

import logging
from typing import Any

from tornado.web import HTTPError, RequestHandler

from ..errors import NotAuthenticated, NotFound, VmmError
from ..tokens import Caller, TokensFile
from .models import PREFIX
from .problems import PROBLEM_MEDIA, WrongMethod, problem_of, problem_of_status

log = logging.getLogger(__name__)


class ProblemHandler(RequestHandler):
    """Answers in JSON, and with problems when it cannot."""

    def set_default_headers(self) -> None:
        """Nothing here is for caches, or for guessing at."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """None: what may not be kept needs no name."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The problem of the exception in ``exc_info``."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, VmmError):
            problem = problem_of(error)
        else:
            problem = problem_of_status(status_code)
        self.set_status(problem.status)
        self.set_header("Content-Type", PROBLEM_MEDIA)
        if isinstance(error, NotAuthenticated):
            self.set_header("WWW-Authenticate", "Bearer")
        if isinstance(error, WrongMethod):
            self.set_header("Allow", ", ".join(error.allowed))
        self.finish(problem.model_dump_json())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Only what is a bug or a failure of ours is worth a traceback."""
        if not isinstance(value, VmmError | HTTPError):
            log.error("%s %s", self.request.method, self.request.path, exc_info=(typ, value, tb))


class UnknownPath(ProblemHandler):
    """Every path that is not in the table."""

    def prepare(self) -> None:
        """Refuse any method."""
        raise NotFound(
            f"there is no {self.request.path} here: {PREFIX}/openapi.json lists what there is"
        )


def bearer_token(handler: RequestHandler) -> str:
    """The token of the request.

    Raises:
        NotAuthenticated: there is none.
    """
    kind, _, token = handler.request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise NotAuthenticated(
            "a token is needed: send `Authorization: Bearer TOKEN`, made by `vmm token NAME`"
        )
    return token.strip()


def authenticate(handler: RequestHandler, tokens: TokensFile) -> Caller:
    """Who sent the request.

    Raises:
        NotAuthenticated: no token, or one that nobody holds.
    """
    caller = tokens.caller(bearer_token(handler))
    if caller is None:
        raise NotAuthenticated(
            "the service does not know this token: make one with `vmm token NAME` "
            "where the service runs"
        )
    return caller
