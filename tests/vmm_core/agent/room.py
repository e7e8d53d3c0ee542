"""What the tests of a real agent on a real machine share: a VMM, a cloud, one machine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from vmm_core.agent.protocol import BindError, Bound, Hello, Ready
from vmm_core.clouds.base import CloudMachine, MachineSpec
from vmm_core.clouds.local.cloud import LocalCloud
from vmm_core.clouds.local.folder import Folder
from vmm_core.clouds.local.options import Options
from vmm_core.model import Program, Session
from vmm_core.processes import descendants

from ..clouds.local_machines import M1, SMALL, call, free_port, options, ways
from .service import Service

HERE = "tests.vmm_core.agent.sessions"
PRELOAD = (HERE,)


class Room:
    """A VMM, a cloud, and machines that are deleted in the end."""

    def __init__(self, folder: Path, way: str, port: int, service: Service) -> None:
        self.folder = folder
        self.way = way
        self.port = port
        self.service = service
        self.ports: tuple[int, ...] = ()
        command = Options.model_fields["command"].default
        chosen = options(folder, way, port, command=command)
        self.cloud = LocalCloud("here", chosen)

    async def machine(self, preload: tuple[str, ...] = PRELOAD, **more: object) -> CloudMachine:
        asked = MachineSpec(
            name=M1,
            owner="tests",
            image="default",
            size=SMALL,
            user_data=self.service.user_data(M1, preload, **more),
            ports=(self.port, *self.ports),
        )
        return await self.cloud.create(asked)

    async def ready(self, preload: tuple[str, ...] = PRELOAD, **more: object) -> CloudMachine:
        """A machine whose agent said ready; ``more`` is of its user data."""
        machine = await self.machine(preload, **more)
        try:
            await self.service.wait_for(Ready)
        except TimeoutError:
            pytest.fail(self.log())
        return machine

    async def bind(self, session: Session, lease: str = "lease-1") -> Bound | BindError:
        return await self.service.bind(M1, lease, session)

    async def root(self) -> str:
        return (await self.service.wait_for(Hello)).root

    def web(self, **more: object) -> Session:
        values: dict[str, object] = {
            "user": "alice",
            "program": Program(argv=("web", str(self.port)), entry=f"{HERE}:web"),
            "port": self.port,
            "health_path": "/health",
            **more,
        }
        return Session.model_validate(values)

    async def facts(self, machine: CloudMachine) -> dict[str, object]:
        body = await call(machine, self.port, b"GET /health HTTP/1.0\r\n\r\n")
        facts: dict[str, object] = json.loads(body)
        return facts

    def log(self) -> str:
        return (self.folder / M1 / "machine.log").read_text()

    def first_process(self) -> int:
        status = Folder(self.folder / M1).status()
        assert status is not None
        return status.processes[-1][0]

    def inside(self, path: str) -> Path:
        """Where a path of the machine is for us: for root only, the others may not look."""
        if path == "/proc/self/mountinfo":
            return Path(f"/proc/{self.first_process()}/mountinfo")
        return Path(f"/proc/{self.first_process()}/root") / path.lstrip("/")

    def named(self, name: str) -> list[int]:
        """Processes in the machine that are called so."""
        found = []
        for pid in descendants(self.first_process()):
            with suppress(OSError):  # it may have ended since it was listed
                if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    found.append(pid)
        return found


@pytest_asyncio.fixture(params=ways())
async def room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    service = Service()
    await service.start()
    with tempfile.TemporaryDirectory(prefix="vmm-agent-") as path:
        made = Room(Path(path) / "machines", request.param, free_port(), service)
        yield made
        for machine in await made.cloud.list_owned("tests"):
            await made.cloud.delete(machine.id)
        assert not made.folder.exists() or list(made.folder.iterdir()) == []
    await service.stop()
