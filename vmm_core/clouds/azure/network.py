"""Network interfaces and public addresses: their list and their end, by plain requests.

The SDK's part for the network is another large package; four requests of
Microsoft's documented API need less. They say which address a machine has and
what was left of one. Interfaces are made by Compute with the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from azure.core.exceptions import DecodeError, HttpResponseError
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat

from .connection import Connection
from .options import Options

API = "2023-04-01"
"""The version of the network's API that is spoken here."""

Kind = Literal["networkInterfaces", "publicIPAddresses"]

_MOST_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface."""

    name: str
    tags: Mapping[str, str]
    machine_id: str
    """Azure's id of the machine it is attached to; empty if to none."""
    private: str
    """Its first private address."""
    public_id: str
    """Azure's id of its public address; empty if it has none."""


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """A public address."""

    id: str
    name: str
    tags: Mapping[str, str]
    address: str


async def interfaces(connection: Connection, options: Options) -> list[Interface]:
    """All network interfaces of the resource group."""
    return [_interface(item) for item in await _list(connection, options, "networkInterfaces")]


async def public_addresses(connection: Connection, options: Options) -> list[PublicAddress]:
    """All public addresses of the resource group."""
    return [
        PublicAddress(
            id=_text(item.get("id")),
            name=_text(item.get("name")),
            tags=item.get("tags") or {},
            address=_text(_properties(item).get("ipAddress")),
        )
        for item in await _list(connection, options, "publicIPAddresses")
    ]


async def delete(connection: Connection, options: Options, kind: Kind, name: str) -> None:
    """Begin to delete one. What is gone already is no error."""
    request = HttpRequest("DELETE", f"{_folder(options, kind)}/{name}?api-version={API}")
    response = await connection.send(request)
    if response.status_code not in (200, 202, 204, 404):
        raise _error(response)


async def _list(connection: Connection, options: Options, kind: Kind) -> list[dict[str, Any]]:
    url: str | None = f"{_folder(options, kind)}?api-version={API}"
    found: list[dict[str, Any]] = []
    for _ in range(_MOST_PAGES):
        if not url:
            break
        response = await connection.send(
            HttpRequest("GET", url, headers={"Accept": "application/json"})
        )
        if response.status_code != 200:
            raise _error(response)
        try:
            page = response.json()
            found += page["value"]
            url = page.get("nextLink")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DecodeError("a list of Azure's cannot be read", response=response) from None
    return found


def _folder(options: Options, kind: Kind) -> str:
    return (
        f"/subscriptions/{options.subscription}/resourceGroups/{options.resource_group}"
        f"/providers/Microsoft.Network/{kind}"
    )


def _error(response: AsyncHttpResponse) -> HttpResponseError:
    return HttpResponseError(response=response, error_format=ARMErrorFormat)


def _interface(item: dict[str, Any]) -> Interface:
    properties = _properties(item)
    address = next(_addresses(properties), {})
    return Interface(
        name=_text(item.get("name")),
        tags=item.get("tags") or {},
        machine_id=_text((properties.get("virtualMachine") or {}).get("id")),
        private=_text(address.get("privateIPAddress")),
        public_id=_text((address.get("publicIPAddress") or {}).get("id")),
    )


def _addresses(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The settings of the interface's addresses, the primary one first."""
    settings = [_properties(each) for each in properties.get("ipConfigurations") or ()]
    yield from sorted(settings, key=lambda each: not each.get("primary"))


def _properties(item: dict[str, Any]) -> dict[str, Any]:
    return item.get("properties") or {}


def _text(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]*", value) else ""
