"""Who may ask, and that what is described is what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from openapi_spec_validator import validate
from ruamel.yaml import YAML

import jupyter_daaas_data
from jupyter_daaas_data.routes import PREFIX, ROUTES

from .conftest import Call

OPENAPI = Path(jupyter_daaas_data.__file__).parent / "openapi.yaml"
VERBS = ("get", "put", "post", "patch", "delete")
EVERY_CALL = [
    ("GET", "mount"),
    ("GET", "status"),
    ("GET", "transfers"),
    ("DELETE", "transfers/1"),
    ("GET", "experiments"),
    ("POST", "prefetch"),
    ("POST", "pin"),
    ("POST", "unpin"),
    ("POST", "evict"),
    ("GET", "contents/archive"),
    ("PUT", "contents/archive"),
    ("POST", "contents/archive"),
    ("PATCH", "contents/archive"),
    ("DELETE", "contents/archive"),
    ("GET", "contents/archive/checkpoints"),
    ("POST", "contents/archive/checkpoints"),
]


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    """No mount is needed to be turned away."""
    return tmp_path / "none.sock"


class NobodyMay(Authorizer):
    """A site's authorizer that knows the extension's resource, and closes it."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "dms"


async def test_strangers_are_turned_away(call: Call) -> None:
    for method, route in EVERY_CALL:
        code, _ = await call(method, route, headers={"Authorization": "token wrong"})
        assert code == 403, (method, route)


async def test_the_authorizer_is_asked(call: Call, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings["authorizer"] = NobodyMay(parent=jp_serverapp)
    for method, route in EVERY_CALL:
        code, answer = await call(method, route)
        assert code == 403, (method, route)
        assert "dms" in answer["message"]


def test_every_route_and_verb_is_tried_above() -> None:
    tried = {(_handler(f"/{route}"), method.lower()) for method, route in EVERY_CALL}
    assert tried == {(handler, verb) for _, handler in ROUTES for verb in _verbs(handler)}


def test_description_and_routes_agree() -> None:
    described = YAML(typ="safe").load(OPENAPI)
    validate(described)
    found = {
        (_handler(path.replace("{path}", "archive/x").replace("{id}", "1")), verb)
        for path, operations in described["paths"].items()
        for verb in VERBS
        if verb in operations
    }
    assert found == {(handler, verb) for _, handler in ROUTES for verb in _verbs(handler)}


def _handler(route: str) -> type:
    """The first handler whose pattern fits, as the server chooses."""
    return next(handler for pattern, handler in ROUTES if re.fullmatch(pattern, f"{PREFIX}{route}"))


def _verbs(handler: type) -> set[str]:
    """The verbs that the handler's own class defines."""
    return {verb for verb in VERBS if verb in vars(handler)}
