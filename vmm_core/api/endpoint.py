"""The one handler that serves every route of the table.

In order: the method and the token are checked when the headers are there, and
the body is kept only if they are good and it is not too large; then body and
query are checked by the route's models; then the route runs. Whatever goes
wrong leaves as a problem. Bodies are neither logged nor repeated in errors,
because sessions carry their users' tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from ..errors import BadRequest, NotAllowed, VmmError
from ..logs import about
from ..model import LeaseEvent
from ..tokens import Caller
from .handlers import ProblemHandler, authenticate
from .openapi import adapter
from .problems import BodyTooLarge, WrongMethod, bad_request_of
from .routes import Answer, Call, Route, Services

KEEP_ALIVE_S = 15.0
"""A silent event stream sends a comment this often, for the proxies in between."""

_ANYBODY = Caller("", frozenset())


@stream_request_body
class Endpoint(ProblemHandler):
    """All methods of one path."""

    caller = _ANYBODY
    name = "none"
    """Of the route; there is none for a wrong method."""

    def initialize(self, services: Services, routes: Mapping[str, Route[Any, Any]]) -> None:
        """Take the services and the routes of this path, by method."""
        self._services = services
        self._routes = routes
        self._body = bytearray()
        self._refusal: VmmError | None = None
        self._follower: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Check what the headers tell.

        A refusal is kept until the body has gone by: an answer that comes before
        would close the connection under the caller's hands.
        """
        try:
            self._route = self._permitted()
        except VmmError as error:
            self._refusal = error

    def data_received(self, chunk: bytes) -> None:
        """Collect the body, or let it go by if it is refused."""
        if self._refusal is not None:
            return
        self._body += chunk
        if len(self._body) > self._route.body_limit:
            self._body.clear()
            self._refusal = BodyTooLarge(
                f"the body is larger than the {self._route.body_limit} bytes that are taken here"
            )

    def on_connection_close(self) -> None:
        """Nobody listens any more."""
        if self._follower is not None:
            self._follower.cancel()

    async def _answer(self, **path: str) -> None:
        with about(lease=path.get("lease"), machine=path.get("machine"), pool=path.get("pool")):
            await self._run(path)

    get = post = delete = put = patch = head = options = _answer

    def _permitted(self) -> Route[Any, Any]:
        """The route, if there is one and the caller may take it."""
        route = self._routes.get(self.request.method or "")
        if route is None:
            raise WrongMethod(self.request.path, tuple(sorted(self._routes)))
        self.name = route.name
        if route.scopes is not None:
            self.caller = authenticate(self, self._services.tokens)
        if route.scopes and not route.scopes & self.caller.scopes:
            raise NotAllowed(
                f"the token {self.caller.name!r} may not do this: it needs the scope "
                f"{' or '.join(sorted(route.scopes))}"
            )
        return route

    async def _run(self, path: Mapping[str, str]) -> None:
        if self._refusal is not None:
            raise self._refusal
        route = self._route
        call = Call(
            caller=self.caller,
            path=path,
            query=self._checked_query(route.query),
            body=self._checked_body(route.body),
            headers=self.request.headers,
        )
        if route.follow is not None:
            await self._send_events(await route.follow(self._services, call))
        elif route.run is not None:
            self._send(await route.run(self._services, call))

    def _checked_body(self, model: type[BaseModel]) -> BaseModel:
        try:
            return model.model_validate_json(bytes(self._body) or b"{}")
        except ValidationError as error:
            raise bad_request_of(error, "body") from None

    def _checked_query(self, model: type[BaseModel]) -> BaseModel:
        lists = _lists_of(model)
        fields: dict[str, str | list[str]] = {}
        for name in self.request.query_arguments:
            values = self.get_query_arguments(name)
            if name in lists:
                fields[name] = values
            elif len(values) == 1:
                fields[name] = values[0]
            else:
                raise BadRequest(f"the query is wrong: {name} can be given once only")
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            raise bad_request_of(error, "query") from None

    def _send(self, answer: Answer) -> None:
        self.set_status(answer.status)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.finish(adapter(self._route.answers[answer.status]).dump_json(answer.body))

    async def _send_events(self, events: AsyncIterator[LeaseEvent]) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")  # nginx: pass events on at once
        self._follower = asyncio.create_task(self._follow(events))
        await asyncio.wait([self._follower])
        if not self._follower.cancelled():
            self._follower.result()

    async def _follow(self, events: AsyncIterator[LeaseEvent]) -> None:
        step = asyncio.ensure_future(anext(events, None))
        try:
            await self.flush()
            while True:
                await asyncio.wait([step], timeout=KEEP_ALIVE_S)
                if not step.done():
                    self.write(": still here\n\n")
                elif (event := step.result()) is None:
                    break
                else:
                    self.write(f"id: {event.number}\ndata: {event.model_dump_json()}\n\n")
                    step = asyncio.ensure_future(anext(events, None))
                await self.flush()
            self.finish("event: end\ndata: {}\n\n")
        except StreamClosedError:
            pass
        finally:
            step.cancel()
            await asyncio.wait([step])


@cache
def _lists_of(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a query that may be given more than once."""
    properties = adapter(model).json_schema().get("properties", {})
    return frozenset(
        name
        for name, schema in properties.items()
        if any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
    )
