"""The OpenAPI 3.1 document, made from the route table and its models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from .. import __version__
from .examples import example_of
from .models import PREFIX, Problem
from .problems import PROBLEM_MEDIA
from .routes import Nothing, Route

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{model}"


def adapter(kind: Any) -> TypeAdapter[Any]:
    """The one adapter of a type, used to write answers and to describe them."""
    return _adapter(kind)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def document(routes: Iterable[Route[Any, Any]]) -> Json:
    """The document of these routes."""
    routes = tuple(routes)
    schemas, definitions = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Virtual Machine Manager",
            "version": __version__,
            "summary": "Analysis machines, ready before anyone asks",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_Schemas = Mapping[tuple[Any, JsonSchemaMode], Json]


def _schemas(routes: tuple[Route[Any, Any], ...]) -> tuple[_Schemas, Json]:
    """A schema for every type that comes in or goes out, and what they refer to."""
    wanted: dict[tuple[Any, JsonSchemaMode], TypeAdapter[Any]] = {
        (Problem, "serialization"): adapter(Problem)
    }
    for route in routes:
        wanted[route.body, "validation"] = adapter(route.body)
        wanted[route.query, "validation"] = adapter(route.query)
        for kind in route.answers.values():
            wanted[kind, "serialization"] = adapter(kind)
    found, rest = TypeAdapter.json_schemas(
        [(kind, mode, made) for (kind, mode), made in wanted.items()], ref_template=_REFERENCE
    )
    return found, rest.get("$defs", {})


def _operation(route: Route[Any, Any], schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path(route), *_headers(route), *_query(route, schemas)],
        "responses": {**_answers(route, schemas), **_problems(route, schemas)},
        "security": [] if route.scopes is None else [{"token": []}],
    }
    if route.scopes:
        operation["description"] = f"Needs one of the scopes: {', '.join(sorted(route.scopes))}."
    if route.body is not Nothing:
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": schemas[route.body, "validation"],
                    "example": example_of(route.body),
                }
            },
        }
    return operation


def _path(route: Route[Any, Any]) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _headers(route: Route[Any, Any]) -> list[Json]:
    return [
        {"name": name, "in": "header", "description": what, "schema": {"type": "string"}}
        for name, what in route.headers.items()
    ]


def _query(route: Route[Any, Any], schemas: _Schemas) -> list[Json]:
    schema = adapter(route.query).json_schema(ref_template=_REFERENCE)
    return [
        {
            "name": name,
            "in": "query",
            "description": field.get("description", ""),
            "schema": {key: value for key, value in field.items() if key != "description"},
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _answers(route: Route[Any, Any], schemas: _Schemas) -> Json:
    media = "text/event-stream" if route.follow else "application/json"
    return {
        str(status): {
            "description": _MEANING[status],
            "content": {
                media: {
                    "schema": _sent(route, schemas[kind, "serialization"]),
                    "example": _example(route, kind),
                }
            },
        }
        for status, kind in route.answers.items()
    }


def _sent(route: Route[Any, Any], schema: Json) -> Json:
    """The schema of an answer, or of each event of a stream."""
    if not route.follow:
        return schema
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    each = {"id": {"type": "string"}, "data": data}
    last = {"event": {"const": "end"}, "data": {"const": "{}"}}
    return {
        "oneOf": [
            {"type": "object", "properties": event, "required": sorted(event)}
            for event in (each, last)
        ]
    }


def _example(route: Route[Any, Any], kind: Any) -> Json:
    """An answer, or an event of a stream."""
    example = example_of(kind)
    if not route.follow:
        return example  # type: ignore[no-any-return]
    return {"id": str(example["number"]), "data": json.dumps(example)}


_MEANING = {200: "Done", 201: "Made", 202: "Accepted, and waiting"}


def _problems(route: Route[Any, Any], schemas: _Schemas) -> Json:
    by_status: dict[int, list[str]] = {}
    for error in route.refusals():
        by_status.setdefault(error.status, []).append((error.__doc__ or "").splitlines()[0])
    return {
        str(status): {
            "description": " ".join(dict.fromkeys(meanings)),
            "content": {PROBLEM_MEDIA: {"schema": schemas[Problem, "serialization"]}},
        }
        for status, meanings in sorted(by_status.items())
    }
