"""Which service, mount and token a dms:// URL means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dms_core.errors import BadRequest, NotAuthenticated
from dms_core.fs.place import LocalMount, Service, place_of

SESSION = {"DMS_URL": "https://dms.example.org/", "DMS_TOKEN_FILE": "/run/token"}
OURS = Service("https://dms.example.org", token_file=Path("/run/token"))


def test_without_a_host_it_is_the_sessions_service_else_its_mount() -> None:
    assert place_of("", SESSION) == OURS
    assert place_of("", {}) == LocalMount()
    assert place_of("", SESSION, socket="/run/other.sock") == LocalMount(Path("/run/other.sock"))


def test_the_sessions_token_goes_to_the_sessions_service_only() -> None:
    assert place_of("dms.example.org", SESSION) == OURS
    with pytest.raises(NotAuthenticated, match="is not this session's service"):
        place_of("elsewhere.example", SESSION)
    with pytest.raises(NotAuthenticated, match="is not this session's service"):
        place_of("", SESSION, url="http://dms.example.org")  # would go in the clear
    with pytest.raises(NotAuthenticated, match="set DMS_TOKEN_FILE"):
        place_of("", {"DMS_URL": "https://dms.example.org"})


def test_a_token_that_is_given_goes_where_the_url_says() -> None:
    found = place_of("elsewhere.example:8443", SESSION, token_file="/home/me/token")
    assert found == Service("https://elsewhere.example:8443", token_file=Path("/home/me/token"))
    assert place_of("127.0.0.1:8001", {}, token="t") == Service("http://127.0.0.1:8001", "t")
    assert place_of("[::1]:8001", {}, token="t") == Service("http://[::1]:8001", "t")
    assert "secret" not in repr(place_of("127.0.0.1", {}, token="secret"))


def test_two_places_are_one_too_many() -> None:
    with pytest.raises(BadRequest, match="only one"):
        place_of("a.example", {}, url="https://b.example")
