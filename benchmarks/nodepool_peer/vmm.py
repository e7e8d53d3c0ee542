"""Our side: ``vmm serve`` as a process of its own over a simulated cloud, asked over HTTP.

The simulated cloud's machines boot at once and answer at once, as Nodepool's
fake ones do: on neither side does a hand-over speak to a machine elsewhere.
The pool is refilled while it is asked, on both sides.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from examples.demo.stack import free_ports, write_yaml
from vmm_core.tokens import Scope, add_token

from ..processes import Program
from .pace import asked

REFILL_S = 180
API = "/vmm/api/v1"


class Vmm:
    """One service with one pool; each caller's connection stays open, as a frontend's does."""

    def __init__(self, folder: Path, database: str, *, ready: int) -> None:
        """``database`` is a URL, ``{folder}`` in it stands for the folder."""
        self._folder = folder
        self._database = database.format(folder=folder)
        self._ready = ready
        (self._port,) = free_ports(1)
        self._service = Program("vmm", folder)
        self._token = ""
        self._free: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._held: list[str] = []

    def start(self) -> None:
        """Start it and wait until its pool is full."""
        self._folder.mkdir(mode=0o700, parents=True)
        write_yaml(self._folder / "environments.yaml", self._catalogue())
        tokens = self._folder / "tokens.yaml"
        self._token = add_token(tokens, "benchmark", (Scope.LEASE, Scope.READ))
        vmm = str(Path(sys.executable).with_name("vmm"))
        options = ["--catalogue=environments.yaml", f"--tokens-file={tokens}"]
        options += [f"--port={self._port}", f"--database={self._database}"]
        self._service.start([vmm, "serve", *options])
        self._service.wait(self._full, REFILL_S)

    def stop(self) -> None:
        """End it."""
        with suppress(Empty):
            while True:
                self._free.get_nowait().close()
        self._service.stop()

    def ask(self, *, requests: int, at_once: int, seed: int) -> list[dict[str, float]]:
        """See :func:`.pace.asked`; the time of each request in ms, until the answer is there."""
        return asked(self._ask, requests=requests, at_once=at_once, seed=seed)

    def settle(self) -> None:
        """Release all leases; return once the pool is full and nothing else goes on."""
        for lease in self._held:
            self._call("DELETE", f"/leases/{lease}")
        self._held.clear()
        self._service.wait(self._full, REFILL_S)

    def _ask(self) -> dict[str, float]:
        body = json.dumps({"needs": {"environment": "ready"}}).encode()
        connection = self._connection()
        began = time.monotonic()
        status, lease = self._exchange(connection, "POST", "/leases", body)
        ended = time.monotonic()
        self._free.put(connection)
        if status != 201 or lease["state"] != "acquired":
            raise SystemExit(f"no machine from stock: {status} {lease}")
        self._held.append(lease["id"])
        return {"fulfilled": 1000 * (ended - began)}

    def _full(self) -> bool:
        try:
            (pool,) = self._call("GET", "/pools")
        except (OSError, http.client.HTTPException):
            return False
        machines = {state: count for state, count in pool["machines"].items() if count}
        return machines == {"vacant": self._ready}

    def _call(self, method: str, path: str) -> Any:
        connection = self._connection()
        status, answer = self._exchange(connection, method, path)
        self._free.put(connection)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b""
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body:
            headers["Content-Type"] = "application/json"
        connection.request(method, API + path, body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def _connection(self) -> http.client.HTTPConnection:
        try:
            return self._free.get_nowait()
        except Empty:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            connection.connect()
            return connection

    def _catalogue(self) -> dict[str, object]:
        size = {"name": "small", "cpus": 4, "ram_gb": 8}
        cloud = {"name": "sim", "kind": "simulated", "location": "here"}
        pool = {"environment": "ready", "cloud": "sim", "size": "small"}
        return {
            "locations": [{"name": "here", "title": "Here"}],
            "clouds": [{**cloud, "options": {"sizes": [size]}}],
            "environments": [{"name": "ready", "title": "Ready machines"}],
            "pools": [{**pool, "ready": self._ready, "maximum": 500}],
        }
