"""A user of a running JupyterHub, without a browser: pages, REST calls, progress events."""

from __future__ import annotations

import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Self

import requests
from bs4 import BeautifulSoup

from .waiting import until

TIMEOUT_S = 60.0
wait_until = partial(until, within_s=TIMEOUT_S, every_s=0.1)
"""Waiting for what a hub does, which takes its time and is asked by a request."""


class HubUser:
    """Logged in at the hub at ``url``, with a REST token of their own."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url = url
        self.name = name
        self._http = requests.Session()
        self._background = ThreadPoolExecutor()
        page = self.get("/hub/login")
        answer = self._http.post(
            f"{url}/hub/login",
            data={"username": name, "password": password, "_xsrf": _field(page, "_xsrf")},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        token = self._http.post(
            f"{url}/hub/api/users/{name}/tokens",
            headers={"X-XSRFToken": _xsrf_of(self.get("/hub/home"))},
            json={},
            timeout=TIMEOUT_S,
        )
        token.raise_for_status()
        self._token = token.json()["token"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._background.shutdown()
        self._http.close()

    def get(self, path: str) -> BeautifulSoup:
        """A page, after redirects, whatever its status."""
        answer = self._http.get(self.url + path, timeout=TIMEOUT_S)
        return BeautifulSoup(answer.text, "html.parser")

    def submit(self, page: BeautifulSoup, **fields: str) -> requests.Response:
        """Send the spawn page's form as a browser would, with ``fields`` picked."""
        form = page.find(id="spawn_form")
        picked = {box["name"]: box["value"] for box in form.find_all("input", checked=True)}
        return self._http.post(
            self.url + form["action"],
            files={name: (None, value) for name, value in (picked | fields).items()},
            timeout=TIMEOUT_S,
        )

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A call of the hub's REST API below ``/hub/api/users/NAME``."""
        return requests.request(
            method,
            f"{self.url}/hub/api/users/{self.name}{path}",
            headers={"Authorization": f"token {self._token}"},
            json=body,
            timeout=TIMEOUT_S,
        )

    def start(self, server: str = "", **options: object) -> requests.Response:
        """Ask for a server by REST."""
        return self.api("POST", _server(server), {"user_options": options})

    def begin(self, server: str = "", **options: object) -> Future[requests.Response]:
        """Ask for a server by REST and return while it starts: the hub answers after 10 s."""
        future = self._background.submit(self.start, server, **options)
        wait_until(
            lambda: future.done() or self.server(server), f"{self.name}/{server} is starting"
        )
        return future

    def stop(self, server: str = "") -> None:
        """Stop a server, or a start, and wait until the hub has none."""
        self.api("DELETE", _server(server)).raise_for_status()
        wait_until(lambda: self.server(server) is None, f"{self.name}/{server} is stopped")

    def server(self, server: str = "") -> dict[str, Any] | None:
        """The hub's model of a server that runs or starts; None if there is none."""
        model: dict[str, Any] = self.api("GET", "").json()
        found: dict[str, Any] | None = model["servers"].get(server)
        return found if found and not found.get("stopped") else None

    def wait_ready(self, server: str = "") -> dict[str, Any]:
        """The model of a server once it is ready."""
        wait_until(
            lambda: (found := self.server(server)) and found["ready"],
            f"{self.name}/{server} is ready",
        )
        found = self.server(server)
        assert found is not None
        return found

    def events(self, server: str = "") -> list[dict[str, Any]]:
        """All events of a start, as its progress page gets them, once it is over."""
        with requests.get(
            f"{self.url}/hub/api/users/{self.name}{_server(server)}/progress",
            headers={"Authorization": f"token {self._token}"},
            stream=True,
            timeout=TIMEOUT_S,
        ) as answer:
            lines = list(answer.iter_lines())
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]

    def notebook(self, method: str, path: str, server: str = "") -> requests.Response:
        """A call of the notebook server's own REST API."""
        prefix = f"/user/{self.name}/{server}" if server else f"/user/{self.name}"
        return requests.request(
            method,
            f"{self.url}{prefix}{path}",
            headers={"Authorization": f"token {self._token}"},
            timeout=TIMEOUT_S,
        )

    def notebook_answers(self, server: str = "") -> bool:
        """Whether the notebook server itself answers through the proxy."""
        answer = self.notebook("GET", "/api", server)
        return answer.ok and "version" in answer.json()


def _server(name: str) -> str:
    return f"/servers/{name}" if name else "/server"


def _field(page: BeautifulSoup, name: str) -> str:
    return str(page.find("input", attrs={"name": name})["value"])


def _xsrf_of(page: BeautifulSoup) -> str:
    found = re.search(r'xsrf_token: "([^"]*)"', str(page))
    assert found, "the page carries no XSRF token"
    return found[1]
