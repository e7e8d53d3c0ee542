"""The hub's groups of a user go to the VMM with each request."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from jupyterhub_daaas_spawner.hold import Hold
from jupyterhub_daaas_spawner.spawner import DaaasSpawner
from vmm_core.client import VmmClient
from vmm_core.model import Needs

from ..vmm_core.service import Site, running

STAFF_ONLY = "title: Mantid workbench, groups: [staff]"


@pytest.mark.asyncio
async def test_a_user_gets_what_the_hubs_groups_let_them_use(tmp_path):
    site = Site(tmp_path)
    catalogue = site.catalogue.read_text()
    site.catalogue.write_text(catalogue.replace("title: Mantid workbench", STAFF_ONLY))
    async with running(site) as service:

        def connect() -> VmmClient:
            return VmmClient(service.url, site.tokens["hub"])

        hold = Hold(connect, "alice", "", logging.getLogger("test"))
        lease = await hold.acquire(Needs(environment="mantid"), ("beam", "staff"))
        assert (lease.owner, lease.group) == ("alice", "staff")
        async with connect() as vmm:
            assert {each.environment.name for each in await vmm.offers(groups=["beam"])} == {"gpu"}
        await hold.give_back()


def test_a_users_groups_are_the_hubs():
    spawner = DaaasSpawner.__new__(DaaasSpawner)
    groups = [SimpleNamespace(name="staff"), SimpleNamespace(name="beam")]
    spawner.user = SimpleNamespace(groups=groups)
    assert spawner._groups() == ("beam", "staff")
