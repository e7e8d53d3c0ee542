"""What all handlers of the REST service share: who calls, and how failures are told."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from .. import problems
from ..access.frontends import Frontends
from ..access.guarded import Guarded
from ..access.identity import Tokens
from ..access.membership import MembershipFile
from ..errors import BadRequest, DmsError, NotAuthenticated
from ..namespace import Namespace

log = logging.getLogger("dms_core.service")

_M = TypeVar("_M", bound=BaseModel)
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    namespace: Namespace
    membership: MembershipFile
    tokens: Tokens
    frontends: Frontends


class Handler(RequestHandler):
    """One request. ``self.tree`` is the tree as its user may see it."""

    needs_user = True

    def initialize(self, parts: Parts) -> None:
        """Called by tornado with what the application was made with."""
        self.parts = parts
        self.user = "-"

    def prepare(self) -> None:
        """Check the token before anything else."""
        if self.needs_user:
            self.user = self.parts.tokens.verify(self.bearer()).user
            self.tree = Guarded(self.parts.namespace, self.parts.membership, self.user)

    def bearer(self) -> str:
        """The token of the request.

        Raises:
            NotAuthenticated: there is none.
        """
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("No token came; send 'Authorization: Bearer TOKEN'.")
        return token

    def body(self, model: type[_M]) -> _M:
        """The request's body as ``model``.

        Raises:
            BadRequest: it is none.
        """
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise BadRequest(f"{where}: {first['msg']}; correct the request.") from None

    def number(self, name: str, default: int | None = None, *, base: int = 10) -> int:
        """A number in the query, not negative.

        Raises:
            BadRequest: it is missing and has no default, or is none.
        """
        text = self.get_query_argument(name, None)
        if text is None and default is not None:
            return default
        try:
            value = int(text or "", base)
        except ValueError:
            value = -1
        if value < 0 or text is None or not text.isdigit():
            raise BadRequest(f"The query needs {name}= as a number, not {text!r}.")
        return value

    def answer(self, value: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer with a model."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(value.model_dump_json())

    def set_default_headers(self) -> None:
        """No cache in between may keep what was made for one user."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def compute_etag(self) -> None:
        """Versions are the storage's; tornado need not hash what it sends."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell a failure as an RFC 9457 problem."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, DmsError):
            told = problems.problem(error)
        else:
            phrase = HTTPStatus(status_code).phrase
            detail = getattr(error, "log_message", None) if status_code < 500 else None
            told = {
                "type": "about:blank",
                "title": phrase,
                "status": status_code,
                "detail": detail or f"{phrase}: {self.request.method} {self.request.path}",
            }
        self.set_status(int(str(told["status"])))
        if isinstance(error, NotAuthenticated):
            self.set_header("WWW-Authenticate", "Bearer")
        self.set_header("Content-Type", problems.CONTENT_TYPE)
        self.finish(json.dumps(told))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what nobody foresaw is worth a traceback."""
        if isinstance(value, DmsError | HTTPError | StreamClosedError):
            return
        log.error("%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb))  # type: ignore[arg-type]


class NoSuchResource(Handler):
    """Everything that is not in the API."""

    needs_user = False

    def prepare(self) -> None:
        """Refuse it."""
        raise HTTPError(HTTPStatus.NOT_FOUND)


def log_request(handler: RequestHandler) -> None:
    """One line a request: no token and no query is in it."""
    status = handler.get_status()
    level = logging.INFO
    if status >= 500:
        level = logging.WARNING
    elif status == HTTPStatus.PARTIAL_CONTENT:
        level = logging.DEBUG  # blocks of files: far too many
    request = handler.request
    log.log(
        level,
        "%d %s %s %s %s %.1f ms",
        status,
        request.method,
        request.path,
        getattr(handler, "user", "-"),
        request.remote_ip,
        1000 * request.request_time(),
    )
