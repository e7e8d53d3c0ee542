"""Every route keeps what the OpenAPI document says, whatever it is sent: fuzzed by schemathesis.

What it checks of each answer: no server error, a status and a content type that the
document lists, a body of the listed schema, and that what contradicts the
document is refused. Identifiers of things that exist are mixed in.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi

from vmm_core.api.models import PREFIX
from vmm_core.api.openapi import document
from vmm_core.api.table import ROUTES
from vmm_core.service import Service
from vmm_core.tokens import Scope, add_token

from ..service import Site

SCHEMA = schemathesis.openapi.from_dict(document(ROUTES))
CHECKS = (
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "18"))
"""For each route; `make test-slow` tries many more."""
PATIENCE_S = 20


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """With somebody who may do everything."""
    site = Site(tmp_path)
    site.tokens["root"] = add_token(site.tokens_file, "root", tuple(Scope))
    return site


@pytest.fixture
async def known(service: Service, site: Site, http: aiohttp.ClientSession) -> dict[str, str]:
    """Names of things that there are, by the name of the path's parameter."""
    headers = {"Authorization": f"Bearer {site.tokens['root']}"}

    async def get(path: str) -> Any:
        async with http.get(service.url + PREFIX + path, headers=headers) as response:
            assert response.status == 200
            return await response.json()

    headers_of_lease = {"Authorization": f"Bearer {site.tokens['hub']}"}
    url = service.url + PREFIX + "/leases"
    async with http.post(url, headers=headers_of_lease, json={"owner": "alice"}) as response:
        lease = await response.json()
    async with http.delete(f"{url}/{lease['id']}", headers=headers_of_lease) as response:
        assert response.status == 200
    machines, pools = await get("/machines"), await get("/pools")
    return {
        "lease": lease["id"],
        "machine": machines[0]["id"] if machines else "vmm-000000000000",
        "pool": pools[0]["name"],
        "cloud": pools[0]["pool"]["cloud"],
        "user": "alice",
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_a_route_keeps_what_the_document_says(
    route: Any, service: Service, site: Site, known: dict[str, str]
):
    operation = SCHEMA[PREFIX + route.path][route.method]
    names = re.findall(r"{(\w+)}", route.path)

    @given(
        case=operation.as_strategy(),
        real=st.booleans(),
        holder=st.sampled_from(("root", "root", "hub")),
    )
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: schemathesis.Case, real: bool, holder: str) -> None:
        headers = {"Authorization": f"Bearer {site.tokens[holder]}"}
        if real:
            case.path_parameters.update({n: known[n] for n in names if n in known})
        answer = case.call(base_url=service.url, headers=headers, timeout=PATIENCE_S)
        case.validate_response(answer, checks=list(CHECKS))

    await asyncio.to_thread(fuzz)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_no_route_but_health_answers_a_stranger(
    route: Any, service: Service, http: aiohttp.ClientSession
):
    path = re.sub(r"{\w+}", "x", route.path)
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        async with http.request(
            route.method, service.url + PREFIX + path, headers=headers
        ) as response:
            assert (response.status == 401) == (route.scopes is not None), route.name
