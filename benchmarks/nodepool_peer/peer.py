"""Nodepool as the benchmark uses it: a launcher with ready nodes, and a requestor."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from examples.demo.stack import last_line, write_yaml

from ..processes import Program
from . import install
from .zookeeper import ZooKeeper

MACHINES = 500
"""The fake cloud's quota, never reached."""
REFILL_S = 120


class Nodepool:
    """One launcher with its fake cloud, in the ZooKeeper given."""

    def __init__(
        self, folder: Path, zookeeper: ZooKeeper, *, ready: int, sleep_s: float | None = None
    ) -> None:
        """``ready`` nodes in stock; ``sleep_s`` between its looks for requests, if not its own."""
        self._folder = folder
        self._zookeeper = zookeeper
        self._ready = ready
        self._sleep_s = sleep_s
        self._launcher = Program("launcher", folder)
        self._client: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start both and wait until the stock is ready."""
        self._folder.mkdir(mode=0o700, parents=True)
        config, clouds = self._folder / "nodepool.yaml", self._folder / "clouds.yaml"
        write_yaml(config, self._configuration())
        account = dict.fromkeys(("username", "password", "project_name"), "fake")
        cloud = {"auth": {"auth_url": "http://127.0.0.1:9/", **account}}
        write_yaml(clouds, {"clouds": {"fake": cloud}})
        env = {"PYTHONPATH": str(install.CHECKOUT), "OS_CLIENT_CONFIG_FILE": str(clouds)}
        module = [str(install.PYTHON), "-m", "benchmarks.nodepool_peer.launcher"]
        options = ["--machines", str(MACHINES)]
        if self._sleep_s is not None:
            options += ["--sleep", str(self._sleep_s)]
        self._launcher.start([*module, str(config), *options], env)
        self._start_client()
        self.settle()

    def stop(self) -> None:
        """End both."""
        if self._client is not None:
            if self._client.stdin is not None:
                self._client.stdin.close()
            try:
                self._client.wait(10)
            except subprocess.TimeoutExpired:
                self._client.kill()
                self._client.wait(30)
            self._client = None
        self._launcher.stop()

    def ask(self, *, requests: int, at_once: int, seed: int) -> list[dict[str, float]]:
        """See :func:`.pace.asked`; the times of each request in ms."""
        answers: list[dict[str, float]] = self._do(
            "ask", requests=requests, at_once=at_once, seed=seed
        )
        return answers

    def settle(self) -> None:
        """Give all nodes back; return once the stock is full and nothing else goes on."""
        self._do("give-back")
        look: dict[str, int] = {}

        def full() -> bool:
            look.clear()
            look.update(self._do("look"))
            return look.get("ready", 0) >= self._ready and set(look) == {"ready"}

        self._launcher.wait(full, REFILL_S)

    def _do(self, what: str, **more: object) -> Any:
        client = self._client
        assert client is not None
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(json.dumps({"do": what, **more}) + "\n")
        client.stdin.flush()
        if line := client.stdout.readline():
            return json.loads(line)
        said = last_line((self._folder / "client.log").read_text())
        raise SystemExit(f"Nodepool's requestor ended: {said}")

    def _start_client(self) -> None:
        certificate, key = self._zookeeper.certificate, self._zookeeper.key
        module = [str(install.PYTHON), "-m", "benchmarks.nodepool_peer.client"]
        with (self._folder / "client.log").open("w") as log:
            self._client = subprocess.Popen(
                [*module, f"127.0.0.1:{self._zookeeper.port}", str(key), str(certificate)],
                cwd=install.CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _configuration(self) -> dict[str, object]:
        """A ``nodepool.yaml``: one label, one pool; no limits on how fast its cloud is asked."""
        certificate, key = str(self._zookeeper.certificate), str(self._zookeeper.key)
        label = {"name": "ready", "cloud-image": "fake", "flavor-name": "Fake", "min-ram": 8192}
        return {
            "zookeeper-servers": [{"host": "127.0.0.1", "port": self._zookeeper.port}],
            "zookeeper-tls": {"cert": certificate, "key": key, "ca": certificate},
            "labels": [{"name": "ready", "min-ready": self._ready}],
            "providers": [
                {
                    "name": "fake",
                    "driver": "fake",
                    "cloud": "fake",
                    "rate": 0.0001,
                    "cloud-images": [{"name": "fake", "image-name": "Fake Precise"}],
                    "pools": [{"name": "main", "max-servers": MACHINES, "labels": [label]}],
                }
            ],
        }
