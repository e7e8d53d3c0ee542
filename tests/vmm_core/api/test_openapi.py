"""The document is valid OpenAPI 3.1, and says what the routes do."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from vmm_core.api.models import PREFIX
from vmm_core.api.openapi import document
from vmm_core.api.problems import PROBLEM_MEDIA
from vmm_core.api.table import ROUTES

DOCUMENT = document(ROUTES)
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_the_document_is_valid():
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_is_plain_json():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_routes_and_document_agree():
    assert set(OPERATIONS) == {(route.method, PREFIX + route.path) for route in ROUTES}
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_answers_or_follows_and_lists_its_answers(route):
    operation = OPERATIONS[route.method, PREFIX + route.path]
    assert (route.run is None) != (route.follow is None)
    told = {str(status) for status in route.answers}
    told |= {str(error.status) for error in route.refusals()}
    assert set(operation["responses"]) == told
    assert ("401" in told) == (route.scopes is not None) == bool(operation["security"])
    assert "403" in told or not route.scopes
    in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", route.path))
    assert "404" in told or not in_path


def test_every_reference_leads_somewhere():
    text = json.dumps(DOCUMENT)
    schemas = DOCUMENT["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert name in schemas
    assert {"Lease", "Machine", "Session", "Problem", "LeaseRequest"} <= set(schemas)


def contents():
    """Every body and answer that has an example."""
    for (method, path), operation in OPERATIONS.items():
        told = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for what, part in told.items():
            for media, content in part.get("content", {}).items():
                if media != PROBLEM_MEDIA:
                    yield pytest.param(content, id=f"{method} {path} {what}")


@pytest.mark.parametrize("content", list(contents()))
def test_every_body_and_answer_has_an_example_that_keeps_its_schema(content):
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(content["example"])
