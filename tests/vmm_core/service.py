"""A whole service for tests: real store, pools, leases and API over a simulated cloud.

The simulated cloud keeps its machines in a file; :class:`Site` reads there what
each was given at creation and runs a :class:`WireAgent` for it, as a booted
machine would.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiohttp

from vmm_core.agent.protocol import UserData
from vmm_core.model import Program, Session
from vmm_core.service import Service, Settings
from vmm_core.tokens import Scope, add_token

from .agents import WAIT_S, HungUpError, WireAgent

T = TypeVar("T")

CATALOGUE = """\
locations:
  - {{name: ral, title: Rutherford Appleton Laboratory}}
clouds:
  - name: sim
    kind: simulated
    location: ral
    options:
      state_file: {state_file}
      agents: false
      sizes:
        - {{name: small, cpus: 2, ram_gb: 8}}
        - {{name: gpu, cpus: 8, ram_gb: 32, gpus: 1, gpu_model: V100}}
environments:
  - {{name: mantid, title: Mantid workbench, software: [mantid], instruments: [SANS2D]}}
  - {{name: gpu, title: GPU notebooks}}
pools:
  - {{environment: mantid, cloud: sim, size: small, ready: 1, maximum: 2}}
  - {{environment: gpu, cloud: sim, size: gpu, ready: 0, maximum: 1}}
"""

SESSION = Session(
    user="alice",
    program=Program(argv=("jupyterhub-singleuser",), env={"JUPYTERHUB_API_TOKEN": "s3cret"}),
    port=8888,
    health_path="/api",
)


class Site:
    """A folder with everything that a service needs, and the machines of its cloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_file = folder / "machines.json"
        self.catalogue = folder / "environments.yaml"
        self.catalogue.write_text(CATALOGUE.format(state_file=self.state_file))
        self.tokens_file = folder / "vmm-tokens.yaml"
        self.tokens = {
            name: add_token(self.tokens_file, name, scopes)
            for name, scopes in {
                "alice": (Scope.LEASE,),
                "bob": (Scope.LEASE,),
                "hub": (Scope.LEASE_ANY,),
                "watcher": (Scope.READ,),
                "operator": (Scope.OPERATE,),
            }.items()
        }
        self.agents: dict[str, asyncio.Task[None]] = {}
        self.boots = True
        self._reconnect: dict[str, str] = {}

    def token_file(self, name: str) -> Path:
        """A file with the token of ``name``."""
        path = self.folder / f"{name}.token"
        path.write_text(self.tokens[name])
        return path

    def settings(self, **changes: object) -> Settings:
        return settings_in(self.folder, **{"tokens_file": self.tokens_file, **changes})

    @asynccontextmanager
    async def machines(self) -> AsyncIterator[None]:
        """Inside, every machine of the cloud runs an agent once it is there."""
        booting = asyncio.create_task(self._boot())
        try:
            yield
        finally:
            tasks = [booting, *self.agents.values()]
            for task in tasks:
                task.cancel()
            _, alive = await asyncio.wait(tasks, timeout=WAIT_S)
            assert not alive
            self.agents.clear()

    async def _boot(self) -> None:
        while True:
            given = {}
            with suppress(FileNotFoundError):
                given = {
                    data.machine: data
                    for record in json.loads(self.state_file.read_text())
                    if (data := UserData.model_validate_json(record["user_data"]))
                }
            for machine in self.agents.keys() - given.keys():
                self.agents.pop(machine).cancel()
            for machine in given.keys() - self.agents.keys() if self.boots else ():
                self.agents[machine] = asyncio.create_task(self._run_agent(given[machine]))
            await asyncio.sleep(0.02)

    async def _run_agent(self, data: UserData) -> None:
        while True:
            token = self._reconnect.get(data.machine, data.enrolment_token)
            with suppress(aiohttp.ClientError, HungUpError):
                async with WireAgent(data.service, data.machine, token) as agent:
                    await agent.greet()
                    self._reconnect[data.machine] = agent.reconnect_token
                    await agent.serve(data.public_key, port=SESSION.port)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running(site: Site, **changes: object) -> AsyncIterator[Service]:
    """A service of the site in this process; its machines run agents."""
    async with site.machines(), serving(site.settings(**changes)) as service:
        yield service


def settings_in(folder: Path, **changes: object) -> Settings:
    """What a service is told that has everything in ``folder``, unless changed."""
    values: dict[str, object] = {
        "catalogue": folder / "environments.yaml",
        "database": f"sqlite+aiosqlite:///{folder}/vmm.sqlite",
        "tokens_file": folder / "tokens.yaml",
        "key_file": folder / "vmm-key.pem",
        **changes,
    }
    return Settings(**values)  # type: ignore[arg-type]


@asynccontextmanager
async def serving(settings: Settings, within_s: float = WAIT_S) -> AsyncIterator[Service]:
    """A service in this process; stopped in order, and within a time, also after a failure."""
    service = Service(settings)
    stop = asyncio.Event()
    try:
        await service.start()
        running = asyncio.create_task(service.run(stop))
        try:
            yield service
        finally:  # machines that go with it are deleted then
            stop.set()
            await asyncio.wait_for(running, within_s)
    finally:
        await service.close()


async def eventually(
    look: Callable[[], Awaitable[T]], good: Callable[[T], bool] = bool, within_s: float = WAIT_S
) -> T:
    """What ``look`` sees once it is ``good``."""
    deadline = time.monotonic() + within_s
    while not good(seen := await look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {within_s} s"
        await asyncio.sleep(0.02)
    return seen
