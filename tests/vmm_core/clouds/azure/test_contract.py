"""The checkers of the contract bite: what they let pass is really Azure's."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.rest import HttpRequest

from vmm_core.clouds.azure import AzureCloud

from . import openapi_contract
from .conftest import OpenCloud, machine
from .contract import Exchange, answer_violations, request_violations
from .fake import FakeAzure

needs_specs = pytest.mark.skipif(
    not openapi_contract.at_hand(),
    reason="Microsoft's OpenAPI files are not here: set DAAAS_AZURE_SPECS",
)


async def talk(azure: FakeAzure, cloud: AzureCloud) -> list[Exchange]:
    """Everything the cloud ever says to Azure, and hears."""
    azure.account.sizes["Standard_D2s_v5"].zones = ("1",)
    azure.account.keep_disks = True
    for name in ("vmm-1", "vmm-2", "vmm-3"):
        await cloud.create(machine(name))
    await cloud.create(machine("vmm-1"))
    await cloud.limits()
    for _ in range(4):
        await cloud.list_owned("vmm-a")
    if cloud.abilities.suspend:
        await cloud.suspend("vmm-2")
        await cloud.resume("vmm-2")
    if cloud.abilities.console:
        await cloud.console("vmm-2")
    await cloud.delete("vmm-1")
    return azure.exchanges


def mutations(value: Any) -> Iterator[tuple[str, Any]]:
    """Copies of ``value``, each wrong in one place."""
    for path in list(_places(value)):
        inner = _at(value, path)
        if "tags" in path or path[-1:] in (("nextLink",), ("$skiptoken",)):
            continue
        changes: list[Any] = [["wrong"] if isinstance(inner, dict) else {"wrong": 1}]
        if isinstance(inner, str):
            changes = [17, {"wrong": 1}]
        if isinstance(inner, dict):
            changes.append({**inner, "surprise": "x"})
        for change in changes:
            if not path:
                continue
            mutant = copy.deepcopy(value)
            _at(mutant, path[:-1])[path[-1]] = change
            yield f"{path} -> {json.dumps(change)[:60]}", mutant


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from _places(item, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def one_of_each(exchanges: list[Exchange]) -> list[Exchange]:
    """The longest exchange of each operation and status."""
    found: dict[tuple[str, int], Exchange] = {}
    for each in exchanges:
        key = (each.operation.name, each.status)
        if key not in found or len(str(each.answer)) > len(str(found[key].answer)):
            found[key] = each
    return list(found.values())


@pytest.mark.parametrize("own_models_only", [True, pytest.param(False, marks=needs_specs)])
async def test_whatever_is_changed_is_caught(
    azure: FakeAzure,
    open_cloud: OpenCloud,
    monkeypatch: pytest.MonkeyPatch,
    own_models_only: bool,
) -> None:
    cloud = open_cloud(zone="1", public_address=True, hibernate=True, boot_diagnostics=True)
    exchanges = one_of_each(await talk(azure, cloud))
    if own_models_only:
        monkeypatch.setattr("tests.vmm_core.clouds.azure.contract._documented", lambda _: None)
    tried, missed = 0, []
    for each in exchanges:
        assert not list(request_violations(each.operation, each.query, each.body))
        assert not list(answer_violations(each.operation, each.status, each.answer))
        known = each.operation.gives or each.status >= 400
        if each.answer is not None and (known or not own_models_only):
            if each.operation.name == "get operation":
                continue
            for what, mutant in mutations(each.answer):
                tried += 1
                if not list(answer_violations(each.operation, each.status, mutant)):
                    missed.append(f"{each.operation.name} {each.status} answer {what}")
        if each.body is not None:
            for what, mutant in mutations(each.body):
                tried += 1
                if not list(request_violations(each.operation, each.query, mutant)):
                    missed.append(f"{each.operation.name} request {what}")
    assert missed == []
    assert tried > 500
    assert {each.operation.name for each in exchanges} >= {
        "put machine",
        "get machine",
        "delete machine",
        "deallocate machine",
        "start machine",
        "boot diagnostics",
        "list machines",
        "list statuses",
        "list sizes",
        "list usages",
        "list disks",
        "list interfaces",
        "list addresses",
        "delete disk",
    }


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, {"location": "uksouth"}),
        ({"api-version": "2019-01-01"}, {"location": "uksouth"}),
        ({"api-version": "2026-04-01", "forse": "true"}, {"location": "uksouth"}),
        ({"api-version": "2026-04-01"}, {}),
        ({"api-version": "2026-04-01"}, None),
        ({"api-version": "2026-04-01"}, {"location": "uksouth", "id": "read-only"}),
    ],
)
def test_a_wrong_request_is_caught(query: dict[str, str], body: Any) -> None:
    from .operations import OPERATIONS

    (put,) = [each for each in OPERATIONS if each.name == "put machine"]
    assert list(request_violations(put, query, body))
    assert not list(request_violations(put, {"api-version": "2026-04-01"}, {"location": "uksouth"}))


@pytest.mark.parametrize(
    ("request_line", "body", "status"),
    [
        ("PUT {machines}/vmm-1?api-version=2026-04-01", {"location": "uksouth", "x": 1}, 400),
        ("PUT {machines}/vmm-1?api-version=2020-01-01", {"location": "uksouth"}, 400),
        ("GET {machines}?api-version=2026-04-01&$expand=instanceView", None, 400),
        ("GET {machines}?api-version=2026-04-01&$top=1", None, 400),
        ("PATCH {machines}/vmm-1?api-version=2026-04-01", {"tags": {}}, 404),
    ],
)
async def test_the_fake_refuses_what_azure_would(
    azure: FakeAzure, cloud: AzureCloud, request_line: str, body: Any, status: int
) -> None:
    await cloud.limits()
    assert cloud._opened is not None
    group = f"/subscriptions/{azure.account.id}/resourceGroups/daaas"
    machines = f"{group}/providers/Microsoft.Compute/virtualMachines"
    method, url = request_line.format(machines=machines).split(" ")
    response = await cloud._opened.send(HttpRequest(method, url, json=body))
    assert response.status_code == status
    assert not azure.account.machines
    assert azure.violations or "$expand" in url  # that one is forbidden by prose only
    azure.violations.clear()


@needs_specs
def test_microsofts_own_examples_pass() -> None:
    tried = 0
    for operation in openapi_contract.operations():
        for path in operation.examples():
            example = json.loads(path.read_text(encoding="utf-8-sig"))
            query, body = operation.example_request(example["parameters"])
            assert list(operation.request(query, body)) == [], path
            for status, answer in example["responses"].items():
                assert list(operation.answer(int(status), answer.get("body"))) == [], path
            tried += 1
    assert tried >= 70
