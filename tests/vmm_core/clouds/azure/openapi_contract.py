"""Holds requests and answers against Microsoft's own OpenAPI files, where they are at hand.

They are not part of this repository. They are looked for in the folder that
``DAAAS_AZURE_SPECS`` names, else beside the checkout; its layout is that of
Azure/azure-rest-api-specs. Bodies are validated as JSON schema, and beyond it:
fields that no schema has, and read-only fields in requests. What the SDK's
newer version of an API has and the files have not is named in ``NEWER``.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.conftest import CHECKOUT

FOLDER = (
    Path(os.environ.get("DAAAS_AZURE_SPECS") or CHECKOUT.parent / "shared/azure/specs")
    / "specification"
)
_COMPUTE = FOLDER / "compute/resource-manager/Microsoft.Compute"
_NETWORK = FOLDER / "network/resource-manager/Microsoft.Network/stable/2023-04-01"
FILES = (
    _COMPUTE / "ComputeRP/stable/2023-07-01/virtualMachine.json",
    _COMPUTE / "ComputeRP/stable/2023-07-01/computeRPCommon.json",
    _COMPUTE / "Skus/stable/2021-07-01/skus.json",
    _NETWORK / "networkInterface.json",
    _NETWORK / "publicIpAddress.json",
)
NEWER = (
    "networkInterfaceConfigurations[].tags",
    "publicIPAddressConfiguration.tags",
    "$.etag",
    "$.value[].etag",
)
"""Ends of the places of fields that are newer than the files."""


def at_hand() -> bool:
    """Whether the files are here."""
    return all(path.is_file() for path in FILES)


class Operation:
    """One operation of the files."""

    def __init__(self, file: Path, method: str, path: str) -> None:
        self._document = _document(file)
        self._file = file
        self.method = method
        self.path = path
        item = self._document["paths"][path]
        self._operation = item[method.lower()]
        self.parameters = [
            _resolve(each, file)[0]
            for each in (*item.get("parameters", ()), *self._operation.get("parameters", ()))
        ]

    def request(self, query: Mapping[str, str], body: Any) -> Iterator[str]:
        """What is wrong with a request."""
        known = {each["name"]: each for each in self.parameters if each["in"] == "query"}
        for name, value in query.items():
            if name not in known:
                yield f"{self.method} {self.path}: has no query parameter {name}"
            elif not _fits(value, known[name]):
                yield f"{self.method} {self.path}: {name}={value!r} is no {known[name]}"
        for name, parameter in known.items():
            if parameter.get("required") and name not in query:
                yield f"{self.method} {self.path}: lacks the query parameter {name}"
        bodies = [each for each in self.parameters if each["in"] == "body"]
        if bodies:
            yield from self._body(body, bodies[0]["schema"], sent=True)
        elif body is not None:
            yield f"{self.method} {self.path}: takes no body"

    def answer(self, status: int, body: Any) -> Iterator[str]:
        """What is wrong with an answer."""
        responses = self._operation["responses"]
        found = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
        if found is None:
            if status < 400:
                yield f"{self.method} {self.path}: never answers {status}"
        elif schema := _resolve(found, self._file)[0].get("schema"):
            yield from self._body(_without_nulls(body), schema, sent=False)
        elif body is not None:
            yield f"{self.method} {self.path}: {status} has no body"

    def examples(self) -> list[Path]:
        """Microsoft's examples of the operation that are at hand."""
        named = self._operation.get("x-ms-examples", {}).values()
        paths = [self._file.parent / each["$ref"] for each in named]
        return [path for path in paths if path.is_file()]

    def example_request(self, values: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
        """Query and body of an example."""
        query, body = {}, None
        for each in self.parameters:
            value = values.get(each["name"])
            if each["in"] == "body":
                body = value
            elif each["in"] == "query" and value is not None:
                query[each["name"]] = str(value).lower() if isinstance(value, bool) else str(value)
        return query, body

    def _body(self, body: Any, schema: dict[str, Any], *, sent: bool) -> Iterator[str]:
        validator = jsonschema.Draft4Validator(
            _absolute(schema, self._file),
            registry=_registry(),
            format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER,
        )
        for error in validator.iter_errors(body):
            yield f"{self.method} {self.path}: {error.json_path}: {error.message}"
        for finding in _unknown(body, schema, self._file, sent, "$"):
            yield f"{self.method} {self.path}: {finding}"


def operations() -> list[Operation]:
    """All operations of the files."""
    return [
        Operation(file, method.upper(), path)
        for file in FILES
        for path, item in _document(file)["paths"].items()
        for method in item
        if method != "parameters"
    ]


def _fits(value: str, parameter: Mapping[str, Any]) -> bool:
    if parameter["type"] == "boolean":
        return value in ("true", "false")
    closed = not parameter.get("x-ms-enum", {}).get("modelAsString")
    return not (closed and "enum" in parameter and value not in parameter["enum"])


def _without_nulls(body: Any) -> Any:
    """Azure answers null for what is not set, also in Microsoft's own examples."""
    if isinstance(body, list):
        return [_without_nulls(item) for item in body]
    if isinstance(body, dict):
        return {key: _without_nulls(item) for key, item in body.items() if item is not None}
    return body


def _unknown(body: Any, schema: Any, file: Path, sent: bool, where: str) -> Iterator[str]:
    """Fields that the schema does not have, and in requests those that only Azure sets."""
    schema, file = _resolve(schema, file)
    if isinstance(body, list):
        for item in body:
            yield from _unknown(item, schema.get("items", {}), file, sent, f"{where}[]")
    known = dict(_properties(schema, file))
    if not isinstance(body, dict):
        if known:
            yield f"{where}: is no object"
        return
    more = schema.get("additionalProperties")
    for name, value in body.items():
        place = f"{where}.{name}"
        if name in known:
            of, its_file = known[name]
            if sent and of.get("readOnly"):
                yield f"{place}: is read-only"
            yield from _unknown(value, of, its_file, sent, place)
        elif isinstance(more, dict):
            yield from _unknown(value, more, file, sent, place)
        elif known and not place.endswith(NEWER):
            yield f"{place}: is not in the schema"


def _properties(schema: Any, file: Path) -> Iterator[tuple[str, tuple[dict[str, Any], Path]]]:
    schema, file = _resolve(schema, file)
    for base in schema.get("allOf", ()):
        yield from _properties(base, file)
    for name, each in schema.get("properties", {}).items():
        yield name, (each, file)


def _resolve(node: dict[str, Any], file: Path) -> tuple[dict[str, Any], Path]:
    """What a ``$ref`` stands for, and its file."""
    while "$ref" in node:
        target, _, pointer = node["$ref"].partition("#")
        file = (file.parent / target).resolve() if target else file
        found: Any = _document(file)
        for step in pointer.strip("/").split("/"):
            found = found[step]
        node = found
    return node, file


def _absolute(schema: dict[str, Any], file: Path) -> dict[str, Any]:
    """The schema as if it were in no file: its references by address."""
    if "$ref" not in schema:
        return {
            key: _absolute(value, file) if isinstance(value, dict) else value
            for key, value in schema.items()
        }
    target, _, pointer = schema["$ref"].partition("#")
    return {"$ref": f"{((file.parent / target) if target else file).resolve().as_uri()}#{pointer}"}


@functools.cache
def _document(file: Path) -> dict[str, Any]:
    """A file; enumerations that Azure calls open are left out of it."""

    def opened(node: Any) -> Any:
        if isinstance(node, list):
            return [opened(item) for item in node]
        if not isinstance(node, dict):
            return node
        is_open = isinstance(node.get("x-ms-enum"), dict) and node["x-ms-enum"].get("modelAsString")
        return {key: opened(item) for key, item in node.items() if not (is_open and key == "enum")}

    document: dict[str, Any] = opened(json.loads(file.read_text(encoding="utf-8-sig")))
    return document


@functools.cache
def _registry() -> Registry[Any]:
    """All files, those they refer to included, read once."""
    files = [path for path in FOLDER.rglob("*.json") if "examples" not in path.parts]
    documents = {path: _document(path.resolve()) for path in files}
    return (
        Registry()
        .with_resources(
            (path.resolve().as_uri(), Resource.from_contents(each, default_specification=DRAFT4))
            for path, each in documents.items()
        )
        .crawl()
    )
