"""Whether an exchange keeps both contracts: the SDK's models always, OpenAPI where at hand."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.mgmt.compute import models

from . import openapi_contract, sdk_contract
from .operations import Operation


@dataclass(frozen=True)
class Exchange:
    """One request with its answer."""

    operation: Operation
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    status: int
    answer: Any


def request_violations(operation: Operation, query: Mapping[str, str], body: Any) -> Iterator[str]:
    """What is wrong with a request."""
    if query.get("api-version") != operation.version:
        yield f"{operation.name}: api-version is {query.get('api-version')}"
    asked = {key: value for key, value in query.items() if key != "$skiptoken"}
    for name in asked.keys() - operation.query - {"api-version"}:
        yield f"{operation.name}: takes no {name}"
    if operation.takes is not None:
        for finding in sdk_contract.violations(body, operation.takes, sent=True):
            yield f"{operation.name}: {finding}"
    elif body is not None:
        yield f"{operation.name}: takes no body"
    if found := _documented(operation):
        yield from found.request(asked, body)


def answer_violations(operation: Operation, status: int, answer: Any) -> Iterator[str]:
    """What is wrong with an answer."""
    expected = operation.gives
    if status >= 400:
        expected = models.CloudError
        error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict) or not error.get("code"):
            yield f"{operation.name}: {status} without an error's code"
    elif status not in operation.statuses:
        yield f"{operation.name}: never answers {status}"
    elif operation.pages and not _is_page(answer):
        yield f"{operation.name}: the answer is no page"
        return
    items = answer["value"] if operation.pages and status < 400 else [answer]
    if expected is not None:
        for place, item in enumerate(items):
            for finding in sdk_contract.violations(item, expected, sent=False, where=f"${place}"):
                yield f"{operation.name}: {finding}"
    if found := _documented(operation):
        yield from found.answer(status, answer)


def _is_page(answer: Any) -> bool:
    if not isinstance(answer, dict) or set(answer) - {"nextLink"} != {"value"}:
        return False
    return isinstance(answer["value"], list) and isinstance(answer.get("nextLink", ""), str)


@functools.cache
def _documented(operation: Operation) -> openapi_contract.Operation | None:
    return _all_documented().get((operation.method, operation.path.lower()))


@functools.cache
def _all_documented() -> dict[tuple[str, str], openapi_contract.Operation]:
    if not openapi_contract.at_hand():
        return {}
    return {(each.method, each.path.lower()): each for each in openapi_contract.operations()}
