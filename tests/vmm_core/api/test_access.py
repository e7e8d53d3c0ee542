"""Who may do what, for every route there is."""

import pytest

from vmm_core.api.table import ROUTES
from vmm_core.tokens import Scope

HOLDER = {
    Scope.READ: "watcher",
    Scope.LEASE: "alice",
    Scope.LEASE_ANY: "hub",
    Scope.OPERATE: "operator",
}


def path_of(route):
    return route.path.replace("{lease}", "l-none")


async def test_every_route_but_health_needs_a_token(as_):
    nobody = as_(None)
    for route in ROUTES:
        answer = await nobody(route.method, path_of(route))
        if route.scopes is None:
            assert answer.status == 200
            continue
        assert answer.status == 401, route.name
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body["type"].endswith(":not-authenticated")


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer wrong", "Bearer vmm_\u00e9"]
)
async def test_what_is_no_known_token_is_refused(as_, value):
    answer = await as_(None)("GET", "/environments", headers={"Authorization": value})
    assert answer.status == 401


async def test_every_route_refuses_tokens_without_its_scopes(as_):
    for route in ROUTES:
        for scope, holder in HOLDER.items():
            if not route.scopes or scope in route.scopes:
                continue
            answer = await as_(holder)(route.method, path_of(route))
            assert answer.status == 403, (route.name, holder)
            assert holder in answer.body["detail"]
            for wanted in route.scopes:
                assert wanted in answer.body["detail"]


async def test_a_plain_token_leases_for_itself_only(as_):
    answer = await as_("alice")("POST", "/leases", json={"owner": "bob"})
    assert answer.status == 403
    assert "lease:any" in answer.body["detail"]
    assert (await as_("alice")("POST", "/leases", json={"owner": "alice"})).status in (201, 202)


async def test_a_lease_is_seen_by_its_owner_its_frontend_and_operators(as_):
    made = await as_("hub")("POST", "/leases", json={"owner": "alice"})
    path = f"/leases/{made.body['id']}"
    for holder in ("alice", "hub", "operator"):
        assert (await as_(holder)("GET", path)).body["owner"] == "alice"
        assert len((await as_(holder)("GET", "/leases")).body) == 1
    assert (await as_("bob")("GET", "/leases")).body == []


async def test_anothers_lease_cannot_be_told_from_none(as_):
    made = await as_("alice")("POST", "/leases", json={})
    theirs, none = made.body["id"], "l-0000000000000000"
    for method, tail in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        seen = await as_("bob")(method, f"/leases/{theirs}{tail}")
        unseen = await as_("bob")(method, f"/leases/{none}{tail}")
        assert seen.status == unseen.status == 404
        assert seen.body["detail"].replace(theirs, none) == unseen.body["detail"]
    assert (await as_("alice")("GET", f"/leases/{theirs}")).body["ended_at"] is None


async def test_operators_release_but_do_not_start_sessions(as_):
    made = await as_("alice")("POST", "/leases", json={})
    path = f"/leases/{made.body['id']}"
    session = {
        "user": "alice",
        "program": {"argv": ["true"]},
        "port": 8888,
        "health_path": "/",
    }
    assert (await as_("operator")("POST", f"{path}/bind", json=session)).status == 403
    assert (await as_("operator")("DELETE", path)).body["state"] == "released"


@pytest.mark.parametrize(
    "extra",
    [
        {"daemons": [{"name": "d", "program": {"argv": ["id"]}}]},
        {"files": [{"path": "/etc/x", "content": ""}]},
    ],
)
async def test_a_plain_token_gets_nothing_done_as_root(as_, extra):
    made = await as_("alice")("POST", "/leases", json={})
    session = {
        "user": "alice",
        "program": {"argv": ["true"]},
        "port": 8888,
        "health_path": "/",
        **extra,
    }
    answer = await as_("alice")("POST", f"/leases/{made.body['id']}/bind", json=session)
    assert answer.status == 403
    assert "lease:any" in answer.body["detail"]
