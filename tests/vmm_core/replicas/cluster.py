"""Several ``vmm serve`` processes on one database, to kill, freeze and stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from vmm_core.client import VmmClient
from vmm_core.errors import VmmError
from vmm_core.model import Lease, LeaseState, Machine, MachineState, Needs
from vmm_core.store import Store
from vmm_core.store.records import Replica

from ...support.servers import free_port
from ..agents import WAIT_S
from ..service import Site, eventually

CATALOGUE = """\
locations:
  - {{name: ral, title: Rutherford Appleton Laboratory}}
clouds:
  - name: sim
    kind: simulated
    location: ral
    options:
      state_file: {state_file}
      agents: {agents}
      sizes: [{{name: small, cpus: 2, ram_gb: 8}}]
environments:
  - {{name: mantid, title: Mantid workbench}}
pools:
  - {{environment: mantid, cloud: sim, size: small, ready: {ready}, maximum: {maximum}}}
"""
POOL = "mantid@sim/small"
MANTID = Needs(environment="mantid")


class Process:
    """One ``vmm serve``; it may be started again, at the same port."""

    def __init__(self, site: Site, database: str, number: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = site.folder / f"serve-{number}.log"
        self._site = site
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, machine_url: str) -> None:
        """Run it; return when it answers."""
        settings = {
            "catalogue": self._site.catalogue,
            "database": self._database,
            "tokens-file": self._site.tokens_file,
            "key-file": self._site.folder / "vmm-key.pem",
            "port": self.port,
            "machine-url": machine_url,
        }
        self._run([f"--{name}={value}" for name, value in settings.items()])
        await eventually(self._answers, within_s=60)

    def _run(self, arguments: list[str]) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vmm_core.cli", "serve", *arguments],
                cwd=self._site.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with suppress(VmmError):
            async with VmmClient(self.url, self._site.tokens["alice"]) as vmm:
                await vmm.environments()
                return True
        return False

    def client(self, name: str = "hub") -> VmmClient:
        """A client of this process."""
        return VmmClient(self.url, self._site.tokens[name])

    def kill(self) -> None:
        """``kill -9``; fine if it is gone already."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(WAIT_S)

    def freeze(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, WAIT_S)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)


class Cluster:
    """The processes, and a look at their ledger."""

    def __init__(self, site: Site, store: Store, processes: Sequence[Process]) -> None:
        self.site = site
        self.store = store
        self.processes = list(processes)

    def at(self, url: str) -> Process:
        """The process at a URL."""
        return next(each for each in self.processes if each.url == url)

    def others(self, url: str) -> list[Process]:
        """The processes that are not at a URL."""
        return [each for each in self.processes if each.url != url]

    async def replicas(self) -> list[Replica]:
        """Those that the ledger knows of."""
        return await self.store.replicas.all()

    async def holder(self) -> Process:
        """The process that works the pool."""

        async def held() -> str:
            query = "SELECT url FROM pool_locks JOIN replicas ON replicas.id = pool_locks.holder"
            async with self.store.transactions.read() as tx:
                rows = await tx.connection.exec_driver_sql(query)
                return str(rows.scalar() or "")

        return self.at(await eventually(held))

    async def vacant(self, count: int, within_s: float = WAIT_S) -> list[Machine]:
        """The vacant machines, once there are so many with their agents connected."""

        async def look() -> list[Machine]:
            found = await self.store.machines.all()
            return [m for m in found if m.state is MachineState.VACANT and m.replica]

        return await eventually(look, lambda seen: len(seen) == count, within_s)

    async def acquired(self, process: Process, owner: str = "alice", key: str = "k") -> Lease:
        """A lease that holds a machine, asked of one process."""
        async with process.client() as vmm:
            lease = await vmm.acquire(owner=owner, key=key, needs=MANTID)
            return await eventually(
                lambda: vmm.lease(lease.id), lambda seen: seen.state is LeaseState.ACQUIRED
            )


@asynccontextmanager
async def cluster_of(
    folder: Path,
    database: str,
    count: int,
    *,
    ready: int = 2,
    maximum: int = 4,
    agents: bool = False,
    machine_url: str = "http://127.0.0.1:1",
) -> AsyncIterator[Cluster]:
    """So many processes that answer; none is left after the ``with``."""
    site = Site(folder)
    site.catalogue.write_text(
        CATALOGUE.format(
            state_file=site.state_file,
            ready=ready,
            maximum=maximum,
            agents="true" if agents else "false",
        )
    )
    processes = [Process(site, database, number) for number in range(count)]
    async with AsyncExitStack() as stack:
        for each in processes:
            stack.callback(each.kill)
            stack.callback(each.thaw)
        await asyncio.gather(*(each.start(machine_url) for each in processes))
        store = Store(database)
        await store.open()
        stack.push_async_callback(store.close)
        yield Cluster(site, store, processes)
