"""A real service with TopCAT's face over local machines, and the plugin's two clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from vmm_core.service import Service, Settings
from vmm_core.tokens import Scope, add_token
from vmm_core.topcat.options import TopcatOptions

from ...support.servers import free_port
from ...support.topcat import make_key
from ..clouds.local_machines import ways
from ..service import serving, settings_in

CATALOGUE = """\
locations:
  - {{name: ral, title: Rutherford Appleton Laboratory}}
clouds:
  - name: here
    kind: local
    location: ral
    options: {options}
environments:
  - {{name: desk, title: Mantid desktop, description: For SANS2D, logo: "{logo}"}}
  - {{name: book, title: Notebooks}}
  - {{name: none, title: No pool}}
pools:
  - {{environment: desk, cloud: here, size: small, ready: 1, maximum: 1}}
  - {{environment: book, cloud: here, size: small, ready: 0, maximum: 1}}
"""


WAIT_S = 90
"""For a machine to be there, or to be gone."""


class Site:
    """A folder with everything that the service needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.way = ways()[0]
        self.logo = folder / "logo.png"
        self.key = make_key(folder, "id_rsa", "rsa")
        alone = self.way != "process"
        self.ssh_port = 22 if alone else free_port()
        self.vnc_port = 5907 if alone else free_port()
        self.catalogue = folder / "environments.yaml"
        options = {
            "folder": str(folder / "machines"),
            "isolation": self.way,
            "sizes": {"small": {"cpus": 1, "ram_gb": 0.5}},
            "stop_timeout_s": 5,
        }
        text = CATALOGUE.format(options=json.dumps(options), logo=self.logo)
        self.catalogue.write_text(f"{text}topcat: {self.options.model_dump_json()}\n")
        self.tokens_file = folder / "tokens.yaml"
        self.password = add_token(self.tokens_file, "topcat", (Scope.LEASE_ANY,))
        self.other = add_token(self.tokens_file, "hub", (Scope.LEASE_ANY,))

    @property
    def options(self) -> TopcatOptions:
        """The catalogue's section ``topcat``."""
        vnc = ["tigervncserver", ":7", "-fg", "-localhost", "yes", "-SecurityTypes", "None"]
        vnc += ["-rfbport", str(self.vnc_port), "-geometry", "320x200", "-depth", "24"]
        program = {"argv": [*vnc, "-xstartup", "/usr/bin/icewm"]}
        return TopcatOptions.model_validate(
            {
                "frontend": "topcat",
                "environments": ["desk", "none"],
                "groups": {"desk": "octopus"},
                "ssh": {
                    "user": "vmm",
                    "authorized_key": self.key.with_suffix(".pub").read_text(),
                    "port": self.ssh_port,
                    "desktop": {"program": program, "port": self.vnc_port},
                },
            }
        )

    def settings(self) -> Settings:
        return settings_in(self.folder, delete_machines_on_stop=True)


class VmmClient:
    """The plugin's ``VmmClient`` over its ``HttpClient``: the same paths, headers and bodies."""

    def __init__(self, http: aiohttp.ClientSession, host: str, user: str, password: str) -> None:
        self._http = http
        self._host = host
        self._headers = {"VMM-User": user, "VMM-Password": password}
        self._headers["Content-Type"] = "application/json"

    async def send(self, method: str, offset: str, body: str | None = None) -> tuple[int, str]:
        """Code and text: the plugin reads the text whatever the code is."""
        url = f"{self._host}/{offset}"
        async with self._http.request(method, url, headers=self._headers, data=body) as answer:
            return answer.status, await answer.text()

    async def get_machine_types(self) -> Any:
        return json.loads((await self.send("GET", "machinetypes"))[1])

    async def get_machine_type(self, number: int) -> dict[str, Any]:
        text = (await self.send("GET", f"machinetypes?id={number}"))[1]
        if text == "null":
            raise LookupError("Machine type doesn't seem to exist any more.")
        first: dict[str, Any] = json.loads(text)[0]
        return first

    async def acquire_machine(self, number: int) -> dict[str, Any]:
        text = (await self.send("POST", "machines", f'{{"machine_type_id": {number}}}'))[1]
        if text == "null":
            raise LookupError("No more machines of this type are available")
        machine: dict[str, Any] = json.loads(text)
        await self.get_machine_type(number)
        if machine["state"] != "acquired":
            raise LookupError("Machine not acquired.")
        return machine

    async def delete_machine(self, number: int) -> None:
        code, _ = await self.send("DELETE", f"machines?id={number}")
        if code != 200:
            raise LookupError(f"Could not delete machine with ID: {number}.")


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Service]:
    """The service of the site."""
    async with serving(site.settings(), WAIT_S) as service:
        yield service
