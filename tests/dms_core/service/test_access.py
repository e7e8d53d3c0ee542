"""Users kept apart by the service, shown with plain HTTP requests."""

from __future__ import annotations

import logging
import shutil

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dms_core.access.identity import Tokens, key_at
from dms_core.model import Entry, Page, Token
from dms_core.problems import CONTENT_TYPE
from dms_core.rest import API

from .conftest import Ask, Service


async def put(ask: Ask, user: str, path: str, data: bytes) -> None:
    async with ask("PUT", f"/content{path}", user) as answer:
        assert answer.status == 201
    async with ask("PATCH", f"/content{path}?offset=0", user, data=data) as answer:
        assert answer.status == 200


async def listed(ask: Ask, user: str, path: str) -> list[str]:
    async with ask("GET", f"/entries{path}?scan", user) as answer:
        assert answer.status == 200
        page = Page.model_validate_json(await answer.read())
    return [entry.path for entry in page.entries]


async def test_two_users_are_kept_apart(ask: Ask) -> None:
    await put(ask, "alice", "/home/alice/secret", b"alice's")
    await put(ask, "bob", "/home/bob/secret", b"bob's")
    assert await listed(ask, "alice", "/home") == ["/home/alice"]
    assert await listed(ask, "bob", "/home") == ["/home/bob"]
    for method, resource, more in (
        ("GET", "/entries/home/bob", {}),
        ("GET", "/entries/home/bob?scan", {}),
        ("GET", "/entries/home/bob/secret", {}),
        ("GET", "/content/home/bob/secret", {}),
        ("HEAD", "/content/home/bob/secret", {}),
        ("GET", "/space/home/bob", {}),
        ("PUT", "/content/home/bob/new", {}),
        ("PUT", "/entries/home/bob/new", {}),
        ("PATCH", "/content/home/bob/secret?offset=0", {"data": b"x"}),
        ("PATCH", "/entries/home/bob/secret", {"json": {"size": 0}}),
        ("PATCH", "/entries/home/bob/secret", {"json": {"mode": 0o777}}),
        ("POST", "/commit/home/bob/secret", {}),
        ("DELETE", "/entries/home/bob/secret", {}),
        ("POST", "/rename", {"json": {"path": "/home/bob/secret", "to": "/home/alice/x"}}),
        ("POST", "/rename", {"json": {"path": "/home/alice/secret", "to": "/home/bob/x"}}),
    ):
        async with ask(method, resource, "alice", **more) as answer:
            assert answer.status == 404, resource
    async with ask("GET", "/content/home/bob/secret", "bob") as answer:
        assert await answer.read() == b"bob's"
    assert await listed(ask, "bob", "/home/bob") == ["/home/bob/secret"]


async def test_members_share_an_experiment_and_others_do_not_see_it(ask: Ask) -> None:
    number = "/rb/SANS2D/RBNumber/RB1310123"
    await put(ask, "alice", f"{number}/note", b"for bob")
    async with ask("GET", f"/content{number}/note", "bob") as answer:
        assert await answer.read() == b"for bob"
    async with ask("GET", f"/content{number}/note", "carol") as answer:
        assert answer.status == 404
    assert await listed(ask, "alice", "/rb/SANS2D/RBNumber") == [number]
    assert await listed(ask, "carol", "/rb") == ["/rb/LOQ"]


async def test_the_archive_is_for_all_to_read_and_for_none_to_write(
    ask: Ask, service: Service
) -> None:
    file = service.folder / "archive/NDXSANS2D/run.nxs"
    file.write_bytes(b"neutrons")
    for user in ("alice", "stranger", "root"):
        async with ask("GET", "/content/archive/NDXSANS2D/run.nxs", user) as answer:
            assert await answer.read() == b"neutrons"
        async with ask("PATCH", "/content/archive/NDXSANS2D/run.nxs?offset=0", user) as answer:
            assert answer.status == 405
            assert (await answer.json(content_type=None))["type"] == "urn:dms:error:read-only"
        async with ask("DELETE", "/entries/archive/NDXSANS2D/run.nxs", user) as answer:
            assert answer.status == 405
    assert file.read_bytes() == b"neutrons"


RESOURCES = [
    ("GET", "/volumes"),
    ("GET", "/entries/"),
    ("GET", "/entries/archive?scan"),
    ("GET", "/content/archive/x"),
    ("PUT", "/content/home/alice/x"),
    ("PATCH", "/content/home/alice/x?offset=0"),
    ("PUT", "/entries/home/alice/x"),
    ("DELETE", "/entries/home/alice/x"),
    ("POST", "/commit/home/alice/x"),
    ("POST", "/rename"),
    ("GET", "/space/archive"),
    ("POST", "/tokens"),
    ("POST", "/tokens/renew"),
]


@pytest.mark.parametrize(("method", "resource"), RESOURCES)
async def test_nothing_goes_without_a_valid_token(
    ask: Ask, service: Service, method: str, resource: str
) -> None:
    expired = service.tokens.issue("alice", 10).token
    other_key = Tokens(Ed25519PrivateKey.generate(), clock=lambda: service.clock[0])
    head, claims, signature = service.token("alice").split(".")
    service.clock[0] += 10
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic YWxpY2U6YWxpY2U=",
        f"Bearer {expired}",
        f"Bearer {other_key.issue('alice').token}",
        f"Bearer {head}.{claims}.{signature[::-1]}",
        f"Bearer {head}.{claims}.",
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        async with ask(method, resource, headers=headers) as answer:
            assert answer.status == 401, authorization
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.content_type == CONTENT_TYPE
    assert list((service.folder / "home").iterdir()) == []


@pytest.mark.parametrize(
    "trick",
    [
        *("/home/alice/../bob/secret", "/home/alice/%2e%2e/bob/secret", "/../etc/passwd"),
        *("/home/%2E%2e/home/bob/secret", "/home/alice/..%2fbob/secret", "//etc/passwd"),
        *("/home//bob/secret", "/home/alice/./secret", "/home/alice/x%00", "/home/alice%00/x"),
        *("/home/alice/%2e", "/home/alice/%2e%2e", "/home/alice/", "/home/alice%2f"),
        *("/home/alice/%ff", "/home/alice/%ed%b3%bf", "/home/alice/x%2f%2fy"),
        "/home/alice/" + "x" * 300,
    ],
)
async def test_path_tricks_are_refused(ask: Ask, trick: str) -> None:
    await put(ask, "alice", "/home/alice/secret", b"alice's")
    await put(ask, "bob", "/home/bob/secret", b"bob's")
    for method, resource in (
        ("GET", f"/entries{trick}"),
        ("GET", f"/entries{trick}?scan"),
        ("GET", f"/content{trick}"),
        ("PUT", f"/content{trick}"),
        ("PUT", f"/entries{trick}"),
        ("PATCH", f"/content{trick}?offset=0"),
        ("DELETE", f"/entries{trick}"),
        ("POST", f"/commit{trick}"),
    ):
        async with ask(method, resource, "alice") as answer:
            assert answer.status == 400, (method, resource)
    body = {"path": "/home/alice/secret", "to": "/home/alice/../bob/taken"}
    async with ask("POST", "/rename", "alice", json=body) as answer:
        assert answer.status == 400
    assert await listed(ask, "alice", "/home/alice") == ["/home/alice/secret"]
    assert await listed(ask, "bob", "/home/bob") == ["/home/bob/secret"]


@pytest.mark.parametrize("target", ["../bob", "/etc", "../../..", "."])
async def test_links_lead_nowhere(ask: Ask, service: Service, target: str) -> None:
    await put(ask, "alice", "/home/alice/own", b"alice's")
    await put(ask, "bob", "/home/bob/secret", b"bob's")
    link = service.folder / "home/alice/link"
    link.symlink_to(target)
    async with ask("GET", "/entries/home/alice/link", "alice") as answer:
        entry = Entry.model_validate_json(await answer.read())
        assert (entry.kind, entry.target) == ("link", target)
    for resource in ("/entries/home/alice/link/secret", "/entries/home/alice/link?scan"):
        async with ask("GET", resource, "alice") as answer:
            assert answer.status == 409
    async with ask("PUT", "/content/home/alice/link/new", "alice") as answer:
        assert answer.status == 409
    async with ask("GET", "/content/home/alice/link", "alice") as answer:
        assert answer.status in (409, 501)


async def test_only_frontends_have_tokens_made(ask: Ask, service: Service) -> None:
    for token in (service.token("alice"), "dms_guessed", service.frontend_token[:-1]):
        headers = {"Authorization": f"Bearer {token}"}
        async with ask("POST", "/tokens", headers=headers, json={"user": "bob"}) as answer:
            assert answer.status == 401
    headers = {"Authorization": f"Bearer {service.frontend_token}"}
    async with ask("POST", "/tokens", headers=headers, json={"user": "bob"}) as answer:
        assert answer.status == 201
        issued = Token.model_validate_json(await answer.read())
    assert service.tokens.verify(issued.token).user == "bob"
    async with ask("GET", "/entries/home/bob", headers=headers) as answer:
        assert answer.status == 401
    for wanted in ({"user": "../bob"}, {"user": ""}, {}, {"user": "bob", "lifetime_s": 1e9}):
        async with ask("POST", "/tokens", headers=headers, json=wanted) as answer:
            assert answer.status == 400


async def test_a_frontend_without_the_scope_has_none_made(ask: Ask, service: Service) -> None:
    file = service.folder / "frontends.yaml"
    fresh = file.with_suffix(".new")
    fresh.write_text(file.read_text().replace("- issue", "[]").replace("scopes:\n", "scopes: "))
    fresh.replace(file)
    headers = {"Authorization": f"Bearer {service.frontend_token}"}
    async with ask("POST", "/tokens", headers=headers, json={"user": "bob"}) as answer:
        assert answer.status == 403


async def test_a_token_is_renewed_over_http(ask: Ask, service: Service) -> None:
    old = service.tokens.issue("alice", 60)
    service.clock[0] += 59
    headers = {"Authorization": f"Bearer {old.token}"}
    async with ask("POST", "/tokens/renew", headers=headers) as answer:
        assert answer.status == 201
        fresh = Token.model_validate_json(await answer.read())
    service.clock[0] += 2
    headers = {"Authorization": f"Bearer {fresh.token}"}
    async with ask("GET", "/entries/home/alice", headers=headers) as answer:
        assert answer.status == 200
    assert fresh.renew_until_s == old.renew_until_s


async def test_tokens_stay_valid_over_a_restart(service: Service) -> None:
    token = service.token("alice")
    again = Tokens(key_at(service.folder / "key.pem"), clock=lambda: service.clock[0])
    assert again.verify(token).user == "alice"


async def test_leaving_an_experiment_ends_access_at_once(ask: Ask, service: Service) -> None:
    resource = "/content/rb/SANS2D/RBNumber/RB1310123/data.txt"
    async with ask("GET", resource, "alice") as answer:
        assert answer.status == 200
    file = service.folder / "membership.yaml"
    fresh = file.with_suffix(".new")
    fresh.write_text(file.read_text().replace("alice, ", ""))
    fresh.replace(file)
    async with ask("GET", resource, "alice") as answer:
        assert answer.status == 404
    async with ask("GET", resource, "bob") as answer:
        assert answer.status == 200


async def test_a_broken_membership_file_shows_in_health_and_changes_nothing(
    ask: Ask, service: Service
) -> None:
    file = service.folder / "membership.yaml"
    good = file.with_suffix(".good")
    shutil.copy(file, good)
    fresh = file.with_suffix(".new")
    fresh.write_text("experiments: [")
    fresh.replace(file)
    async with ask("GET", "/content/rb/SANS2D/RBNumber/RB1310123/data.txt", "alice") as answer:
        assert answer.status == 200
    async with ask("GET", "/health") as answer:
        told = await answer.json()
    assert told["status"] == "degraded"
    assert str(file) not in str(told)
    good.replace(file)
    async with ask("GET", "/entries/rb", "alice") as answer:
        assert answer.status == 200
    async with ask("GET", "/entries/rb/SANS2D", "alice") as answer:
        assert answer.status == 200
    async with ask("GET", "/health") as answer:
        assert (await answer.json())["status"] == "ok"


async def test_no_token_is_in_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    tokens = [service.frontend_token, service.token("alice"), "x" * 40]
    with caplog.at_level(logging.DEBUG):
        async with aiohttp.ClientSession() as session:
            for token in tokens:
                headers = {"Authorization": f"Bearer {token}"}
                for method, resource in RESOURCES:
                    url = f"{service.url}{API}{resource}"
                    async with session.request(method, url, headers=headers) as answer:
                        await answer.read()
    assert "GET /dms/api/v1/volumes alice" in caplog.text
    for token in tokens:
        assert token not in caplog.text
