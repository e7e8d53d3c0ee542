"""What is asked for wrongly is refused in one sentence; what is answered is as documented."""

import json
import re

import pytest
from openapi_schema_validator import OAS31Validator

from vmm_core import __version__
from vmm_core.api.models import PREFIX
from vmm_core.api.openapi import document
from vmm_core.api.table import ROUTES
from vmm_core.model import MachineState

from ..service import eventually

DOCUMENT = document(ROUTES)


def check(answer, method, path):
    """Validate an answer against what the document says of its operation."""
    responses = DOCUMENT["paths"][PREFIX + path][method.lower()]["responses"]
    media = answer.headers["Content-Type"].partition(";")[0]
    schema = responses[str(answer.status)]["content"][media]["schema"]
    OAS31Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.body)


async def test_answers_are_as_documented(as_):
    operator, hub = as_("operator"), as_("hub")
    for path in ("/health", "/environments", "/locations", "/offers", "/pools", "/machines"):
        answer = await operator("GET", path)
        assert answer.status == 200
        check(answer, "GET", path)
    made = await hub("POST", "/leases", json={"owner": "alice"})
    check(made, "POST", "/leases")
    check(await hub("GET", "/leases"), "GET", "/leases")
    check(await hub("GET", f"/leases/{made.body['id']}"), "GET", "/leases/{lease}")
    check(await hub("GET", "/leases/none"), "GET", "/leases/{lease}")
    check(await hub("POST", "/leases", json={"x": 1}), "POST", "/leases")
    check(await hub("POST", "/leases", json={"needs": {"cpus": 1e9}}), "POST", "/leases")
    check(await hub("DELETE", f"/leases/{made.body['id']}"), "DELETE", "/leases/{lease}")


async def test_the_document_is_served_to_anybody(as_):
    answer = await as_(None)("GET", "/openapi.json")
    assert answer.body == json.loads(json.dumps(DOCUMENT))
    assert answer.body["info"]["version"] == __version__


async def test_the_catalogue_is_shown(as_):
    alice = as_("alice")
    names = [item["name"] for item in (await alice("GET", "/environments")).body]
    assert names == ["mantid", "gpu"]
    assert [item["name"] for item in (await alice("GET", "/locations")).body] == ["ral"]


async def test_offers_are_filtered_by_the_query(as_):
    alice = as_("alice")
    everything = (await alice("GET", "/offers")).body
    gpus = (await alice("GET", "/offers?gpus=1&locations=ral&cpus=4.5")).body
    assert [item["size"]["name"] for item in everything] == ["small", "gpu"]
    assert [item["size"]["name"] for item in gpus] == ["gpu"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("cpus=many", "cpus"),
        ("cpus=-1", "cpus"),
        ("cpu=4", "cpu"),
        ("gpus=1&gpus=2", "gpus can be given once"),
        ("environment=No+Such", "environment"),
        ("environment=mantd", "'mantid'"),
        ("locations=ral&locations=mars", "'mars'"),
    ],
)
async def test_a_wrong_query_is_named(as_, query, says):
    answer = await as_("alice")("GET", f"/offers?{query}")
    assert answer.status == 400
    assert says in answer.body["detail"]


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            '"x"',
            '{"needs": 1}',
            '{"needs": {"cpus": "x"}}',
            '{"owner": ""}',
        ),
        '{"needs": {"ram_gb": Infinity}}',
        '{"needs": {"cpus": NaN}}',
        f'{{"needs": {{"gpus": {10**400}}}}}',
        r'{"needs": {"gpu_model": "V100\u0000"}}',
    ],
)
async def test_a_wrong_body_is_refused(as_, body):
    answer = await as_("alice")("POST", "/leases", data=body.encode())
    if body == "":  # nothing asked for is anything
        assert answer.status in (201, 202)
        return
    assert answer.status == 400
    assert answer.body["detail"].startswith("the body is wrong: ")
    assert "\n" not in answer.body["detail"]


@pytest.mark.parametrize(
    "wrong",
    ['"timeout_s": NaN', '"timeout_s": Infinity', '"timeout_s": 1e9', '"port": 65536'],
)
async def test_a_session_that_no_clock_or_machine_can_have_is_refused(as_, wrong):
    good = '"user": "alice", "program": {"argv": ["true"]}, "health_path": "/", "port": 8888'
    body = f"{{{good}, {wrong}}}"  # of a name that is given twice, the last counts
    answer = await as_("alice")("POST", "/leases/l-none/bind", data=body.encode())
    assert answer.status == 400
    assert wrong.split('"')[1] in answer.body["detail"]
    answer = await as_("alice")("POST", "/leases/l-none/bind", data=f"{{{good}}}".encode())
    assert answer.status == 404


@pytest.mark.parametrize("key", ["a b", "x" * 256, "\u00e9"])
async def test_a_wrong_idempotency_key_is_refused(as_, key):
    answer = await as_("alice")("POST", "/leases", json={}, headers={"Idempotency-Key": key})
    assert answer.status == 400
    assert (await as_("alice")("GET", "/leases")).body == []


async def test_a_body_that_is_too_large_is_refused_with_or_without_its_length(as_):
    async def chunks():
        for _ in range(20):
            yield b"x" * 10_000

    for data in (b"x" * 200_000, chunks()):
        answer = await as_("alice")("POST", "/leases", data=data)
        assert answer.status == 413
        assert answer.body["type"].endswith(":body-too-large")
    assert (await as_("alice")("GET", "/environments")).status == 200


async def test_no_body_is_read_from_a_stranger(as_):
    answer = await as_(None)("POST", "/leases", data=b"x" * 3_000_000)
    assert answer.status == 401


async def test_unknown_paths_and_methods_are_problems(as_):
    unknown = await as_("alice")("GET", "/machine")
    assert unknown.status == 404
    assert f"{PREFIX}/machine" in unknown.body["detail"]
    wrong = await as_("alice")("PUT", "/leases", json={})
    assert wrong.status == 405
    assert wrong.headers["Allow"] == "GET, POST"
    assert wrong.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("what", ["leases", "reservations"])
@pytest.mark.parametrize("name", ["%ff", "..%2f..", "a%00b", "'"])
async def test_odd_names_do_no_harm(as_, what, name):
    answer = await as_("alice")("GET", f"/{what}/{name}")
    assert answer.status in (400, 404)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_pools_tell_what_there_is(as_):
    async def look():
        return (await as_("operator")("GET", "/pools")).body[0]

    pool = await eventually(look, lambda pool: pool["machines"].get(MachineState.VACANT) == 1)
    assert pool["name"] == "mantid@sim/small"
    machines = (await as_("operator")("GET", "/machines")).body
    assert [machine["pool"] for machine in machines] == ["mantid@sim/small"]


async def test_an_error_of_the_service_says_nothing_of_it_to_the_caller(as_, service, caplog):
    store = service._pools._store
    await store.close()
    answer = await as_("alice")("GET", "/leases")
    assert answer.status in (500, 503)
    assert "Traceback" not in json.dumps(answer.body)
    assert not re.search(r"sqlite|\.py", json.dumps(answer.body)) or answer.status == 503
    await store.open()
    assert (await as_("alice")("GET", "/leases")).status == 200
