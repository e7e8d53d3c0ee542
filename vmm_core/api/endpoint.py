"""The one handler that serves every route of the table.

In order: the method, the token and the body's size are checked before the body
is read; then the body and the query are checked by the route's models; then the
route runs. Whatever goes wrong leaves as a problem. Bodies are neither logged
nor repeated in errors, because sessions carry their users' tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

from ..errors import BadRequest, NotAllowed
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

    SUPPORTED_METHODS = ("GET", "POST", "DELETE")
    caller = _ANYBODY

    def initialize(self, services: Services, routes: Mapping[str, Route[Any, Any]]) -> None:
        """Take the services and the routes of this path, by method."""
        self._services = services
        self._routes = routes
        self._body = bytearray()
        self._follower: asyncio.Task[None] | None = None

    def prepare(self) -> None:
        """Check everything that the headers tell, before the body is read."""
        route = self._routes.get(self.request.method or "")
        if route is None:
            allowed = ", ".join(sorted(self._routes))
            self.set_header("Allow", allowed)
            raise WrongMethod(f"{self.request.path} takes {allowed} only")
        self._route = route
        if route.scopes is not None:
            self.caller = authenticate(self, self._services.tokens)
        if route.scopes and not route.scopes & self.caller.scopes:
            raise NotAllowed(
                f"the token {self.caller.name!r} may not do this: it needs the scope "
                f"{' or '.join(sorted(route.scopes))}"
            )
        length = self.request.headers.get("Content-Length", "0")
        if length.isdecimal() and int(length) > route.body_limit:
            self._refuse_body()

    def data_received(self, chunk: bytes) -> None:
        """Collect the body, as far as it is allowed to go."""
        if len(self._body) + len(chunk) > self._route.body_limit:
            self._refuse_body()
        self._body += chunk

    def on_connection_close(self) -> None:
        """Nobody listens any more."""
        if self._follower is not None:
            self._follower.cancel()

    async def get(self, **path: str) -> None:
        """Run the route."""
        await self._run(path)

    async def post(self, **path: str) -> None:
        """Run the route."""
        await self._run(path)

    async def delete(self, **path: str) -> None:
        """Run the route."""
        await self._run(path)

    async def _run(self, path: Mapping[str, str]) -> None:
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
        schema = adapter(model).json_schema().get("properties", {})
        fields: dict[str, str | list[str]] = {}
        for name in self.request.query_arguments:
            values = self.get_query_arguments(name)
            if schema.get(name, {}).get("type") == "array":
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

    def _refuse_body(self) -> None:
        raise BodyTooLarge(f"the body is larger than the {self._route.body_limit} bytes allowed")
