"""``vmm serve`` processes on one database with a stock of vacant machines.

The machines are real rows of the ledger and real machines of a simulated cloud, so that
the pool managers go on with their work beside the claims; their pool is as large as it
may be, so that no machine is made meanwhile.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import insert

from examples.demo.stack import free_ports, write_yaml
from vmm_core.catalogue import load
from vmm_core.clouds.base import CloudState
from vmm_core.clouds.simulated.records import Record
from vmm_core.model import Machine, MachineState, Size
from vmm_core.pools.inventory import Inventory
from vmm_core.signing import Signer
from vmm_core.store import Store
from vmm_core.store.tables import machines
from vmm_core.tokens import Scope, add_token

from ..processes import Program

SIZE = {"name": "small", "cpus": 4, "ram_gb": 8}
UP_S = 60


class Site:
    """A folder, a database, and services on it."""

    def __init__(self, folder: Path, database: str, *, stock: int, replicas: int) -> None:
        """``database`` is the URL of an empty one."""
        folder.mkdir(mode=0o700, parents=True)
        self.ports = free_ports(replicas)
        self._folder = folder
        self._database = database
        self._stock = stock
        self._machine_url = f"http://127.0.0.1:{self.ports[0]}"
        self._catalogue = folder / "environments.yaml"
        write_yaml(self._catalogue, self._what_is_offered())
        self.token = add_token(folder / "tokens.yaml", "hub", (Scope.LEASE_ANY, Scope.READ))
        self._services = [Program(f"vmm-{number}", folder) for number in range(replicas)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, all services answer and have a full stock."""
        asyncio.run(self._fill())
        vmm = str(Path(sys.executable).with_name("vmm"))
        options = [f"--catalogue={self._catalogue}", f"--database={self._database}"]
        options += ["--tokens-file=tokens.yaml", "--key-file=key.pem"]
        options += [f"--machine-url={self._machine_url}", "--VMM.agent_grace_s=1e9"]
        try:
            for service, port in zip(self._services, self.ports, strict=True):
                service.start([vmm, "serve", *options, f"--port={port}"])
            for service, port in zip(self._services, self.ports, strict=True):
                service.wait(lambda port=port: self._full(port), UP_S)  # type: ignore[misc]
            yield
        finally:
            for service in self._services:
                service.stop()

    async def _fill(self) -> None:
        """Write the stock into the ledger and into the cloud's file."""
        key = Signer.load_or_create(self._folder / "key.pem").public_pem
        catalogue = load(self._catalogue)
        inventory = await Inventory.open(catalogue, service_url=self._machine_url, public_key=key)
        (facts,) = inventory.facts()
        await inventory.close()
        store = Store(self._database)
        await store.open()
        rows, records = [], []
        for number in range(self._stock):
            name = f"vmm-{number:06}"
            now = store.now()
            machine = Machine(
                id=name,
                pool=facts.name,
                cloud="sim",
                location="here",
                environment="ready",
                size=Size(**SIZE),  # type: ignore[arg-type]
                state=MachineState.VACANT,
                fingerprint=facts.fingerprint,
                cloud_id=f"sim-{uuid.uuid4().hex[:12]}",
                address="127.0.0.1",
                ports={8888: 8888},
                agent_lost_at=now,
                created_at=now,
                changed_at=now,
            )
            values = machine.model_dump(mode="json", include={"size", "ports"})
            plain = machine.model_dump(exclude={"lease", "size", "ports"})
            rows.append({**plain, **values, "vacant_at": now, "agent_ready_at": now})
            record = Record(
                id=str(machine.cloud_id),
                name=name,
                owner=store.installation,
                cpus=4,
                ports=(8888,),
                before=CloudState.RUNNING,
            )
            values = asdict(record)
            del values["_shown"]
            records.append(values)
        async with store.transactions.write() as tx:
            await tx.connection.execute(insert(machines), rows)
        await store.close()
        (self._folder / "cloud.json").write_text(json.dumps(records))

    def _full(self, port: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", "/vmm/api/v1/pools", headers=headers)
            (pool,) = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return bool(pool["machines"].get("vacant") == self._stock)

    def _what_is_offered(self) -> dict[str, object]:
        options = {
            "sizes": [SIZE],
            "agents": False,
            "state_file": str(self._folder / "cloud.json"),
        }
        cloud = {"name": "sim", "kind": "simulated", "location": "here", "options": options}
        pool = {"environment": "ready", "cloud": "sim", "size": "small"}
        return {
            "locations": [{"name": "here", "title": "Here"}],
            "clouds": [cloud],
            "environments": [{"name": "ready", "title": "Ready machines"}],
            "pools": [{**pool, "ready": self._stock, "maximum": self._stock}],
        }
