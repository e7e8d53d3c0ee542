"""Three processes behind nginx, as docs/replicas-of-the-vmm.md has it: a hub notices nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from vmm_core.client import VmmClient
from vmm_core.model import LeaseState

from ...conftest import CHECKOUT
from ...support.nginx import MISSING, PROGRAM
from ...support.servers import Server, running
from ..service import SESSION, eventually
from .cluster import MANTID, cluster_of
from .fleet import PORT, fleet_of

HEAD = """\
daemon off;
worker_processes 1;
pid {state}/nginx.pid;
error_log {state}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {state}/access.log;
  client_body_temp_path {state}/b; proxy_temp_path {state}/p; fastcgi_temp_path {state}/f;
  uwsgi_temp_path {state}/u; scgi_temp_path {state}/s;
{page}
}}
"""


class Balancer(Server):
    """The nginx of the page, in front of other addresses."""

    def __init__(self, state: Path, ports: Sequence[int]) -> None:
        assert PROGRAM is not None
        super().__init__([PROGRAM, "-c", str(state / "nginx.conf")], state / "output.log")
        page = (CHECKOUT / "docs/replicas-of-the-vmm.md").read_text()
        (block,) = re.findall(r"```nginx\n(.*?)```", page, re.S)
        server = re.search(r" *server vmm-1\S+ (.*;)\n *server vmm-2.*\n", block)
        assert server is not None
        servers = "".join(f"    server 127.0.0.1:{port} {server[1]}\n" for port in ports)
        block = block.replace(server[0], servers)
        block = block.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port}")
        (state / "nginx.conf").write_text(HEAD.format(state=state, page=block))

    @property
    def url(self) -> str:
        """The service."""
        return f"http://127.0.0.1:{self.port}"


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
async def test_a_hub_behind_a_balancer_works_while_processes_are_killed(tmp_path: Path, postgresql):
    url = await postgresql.empty_database()
    async with cluster_of(tmp_path, url, 3, ready=3, maximum=6) as cluster:
        ports = [each.port for each in cluster.processes]
        with running("nginx", lambda state: Balancer(state, ports)) as balancer:
            async with fleet_of(cluster.site.state_file, [balancer.url]) as fleet:
                await cluster.vacant(3)
                async with VmmClient(balancer.url, cluster.site.tokens["hub"]) as hub:
                    for number in range(3):
                        await one_user(hub, f"user{number}")
                    assert set(fleet.starts.values()) == {1}

                    # The process that does the bind is killed in the middle of it.
                    await cluster.vacant(3)
                    lease = await hub.acquire(MANTID, owner="alice", key="k")
                    fleet.asked.clear()
                    fleet.go.clear()
                    binding = asyncio.create_task(hub.bind(lease.id, SESSION))
                    await fleet.asked.wait()
                    cluster.processes[0].kill()
                    cluster.processes[1].kill()
                    fleet.go.set()
                    assert (await binding).port == PORT
                    assert fleet.starts[lease.id] == 1
                    await hub.release(lease.id)
                async with aiohttp.ClientSession() as http:
                    inside = f"{balancer.url}/vmm/internal/v1/machines/m/probe"
                    async with http.post(inside) as answer:
                        assert answer.status == 404


async def one_user(hub: VmmClient, owner: str) -> None:
    """What JupyterHub's spawner does from start to stop, each request at any process."""
    lease = await hub.acquire(MANTID, owner=owner, key="server")
    assert (await hub.acquire(MANTID, owner=owner, key="server")).id == lease.id
    stages = []

    async def follow() -> None:
        async for event in hub.events(lease.id):
            stages.append(event.stage)

    following = asyncio.create_task(follow())
    await eventually(lambda: hub.lease(lease.id), lambda seen: seen.state is LeaseState.ACQUIRED)
    handover = await hub.bind(lease.id, SESSION)
    assert handover.port == PORT
    await hub.release(lease.id)
    await following
    assert stages[0] == "requested"
    assert [each for each in stages if each in ("claimed", "ready", "released")] == [
        *("claimed", "ready", "released")
    ]
