"""What all handlers of the REST service share: who calls, and how failures are told."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from .. import problems
from ..access.directory import Directory
from ..access.frontends import Frontends
from ..access.guarded import Guarded
from ..access.identity import Tokens
from ..errors import BadRequest, DmsError, NotAuthenticated
from ..namespace import Namespace
from ..transfer.places import Places

log = logging.getLogger("dms_core.service")

_M = TypeVar("_M", bound=BaseModel)
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


@dataclass(frozen=True)
class Parts:
    """What the service is made of."""

    namespace: Namespace
    membership: Directory
    tokens: Tokens
    frontends: Frontends
    places: Places = field(default_factory=Places)


class Handler(RequestHandler):
    """One request. ``self.tree`` is the tree as its user may see it."""

    needs_user = True

    def initialize(self, parts: Parts) -> None:
        """Called by tornado with what the application was made with."""
        self.parts = parts
        self.user = "-"

    async def prepare(self) -> None:
        """Check the token before anything else."""
        if self.needs_user:
            self.user = self.parts.tokens.verify(self.bearer()).user
            await self.parts.membership.load(self.user)
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
        if not 0 <= value < 1 << 63:
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
        if isinstance(error, NotAuthenticated):
            self.set_header("WWW-Authenticate", "Bearer")
        if isinstance(error, DmsError):
            self.tell(problems.problem(error))
        else:
            self.tell(phrase(HTTPStatus(status_code)))

    def tell(self, problem: Mapping[str, object]) -> None:
        """Answer with a problem."""
        self.set_status(int(str(problem["status"])))
        self.set_header("Content-Type", problems.CONTENT_TYPE)
        self.finish(json.dumps(problem))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what nobody foresaw is worth a traceback."""
        if isinstance(value, DmsError | HTTPError | StreamClosedError):
            return
        log.error("%s %s failed", self.request.method, self.request.path, exc_info=(typ, value, tb))  # type: ignore[arg-type]


def phrase(status: HTTPStatus) -> dict[str, object]:
    """The problem that is no more than its HTTP status."""
    detail = f"{status.description or status.phrase}."
    return {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}


class NoSuchResource(Handler):
    """Everything that is not in the API."""

    needs_user = False

    async def prepare(self) -> None:
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
