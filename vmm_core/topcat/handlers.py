"""The HTTP side: paths below ``/vmm/topcat``, which is ``vmmHost`` of the plugin's properties.

The plugin reads the body whatever the status is, so that is always JSON.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, ValidationError
from tornado.web import RequestHandler

from ..api.handlers import ProblemHandler
from ..api.problems import bad_request_of
from ..errors import BadRequest
from ..model import Noun
from .face import Face

BASE = "/vmm/topcat"

_LARGEST_INT = (1 << 31) - 1
_MOST_BODY = 4096


class Wanted(Noun):
    """The body of ``POST /machines``."""

    machine_type_id: int = Field(ge=0, le=_LARGEST_INT)


class _Call(ProblemHandler):
    """A call with TopCAT's name and password."""

    def initialize(self, face: Face) -> None:
        """Take what does the work."""
        self._face = face

    def prepare(self) -> None:
        """Refuse whoever is not TopCAT."""
        headers = self.request.headers
        self._face.caller(headers.get("VMM-User", ""), headers.get("VMM-Password", ""))

    def number(self) -> int:
        """The query's ``id``.

        Raises:
            BadRequest: there is none, or it is no number.
        """
        text = self.get_query_argument("id", "")
        if not (text.isascii() and text.isdecimal()) or int(text) > _LARGEST_INT:
            raise BadRequest("say which with ?id=NUMBER")
        return int(text)

    def say(self, answer: Any) -> None:
        """Send JSON, ``null`` included."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(answer))


class MachineTypes(_Call):
    """``/machinetypes``."""

    async def get(self) -> None:
        """All types, or a list of the one with this id; ``null`` if there is none."""
        if self.get_query_argument("id", None) is None:
            self.say(await self._face.machine_types())
        else:
            self.say(await self._face.machine_type(self.number()))


class Machines(_Call):
    """``/machines``."""

    async def post(self) -> None:
        """Acquire: the machine, or ``null`` if none is free."""
        if len(self.request.body) > _MOST_BODY:
            raise BadRequest('the body is too large: send {"machine_type_id": NUMBER}')
        try:
            wanted = Wanted.model_validate_json(self.request.body)
        except ValidationError as error:
            raise bad_request_of(error, "body") from None
        self.say(await self._face.acquire(wanted.machine_type_id))

    async def delete(self) -> None:
        """Release the machine with this id."""
        self.say(await self._face.delete(self.number()))


class Descriptions(_Call):
    """``/descriptions``."""

    async def get(self) -> None:
        """Name, text and logo of the type with this id."""
        self.say(await self._face.description(self.number()))


def routes(face: Face) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """For :meth:`tornado.web.Application.add_handlers`."""
    given = {"face": face}
    return [
        (f"{BASE}/machinetypes", MachineTypes, given),
        (f"{BASE}/machines", Machines, given),
        (f"{BASE}/descriptions", Descriptions, given),
    ]
