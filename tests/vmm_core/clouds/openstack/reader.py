"""What a user reads who asks a service for a machine of a cloud with these options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmm_core.client import VmmClient
from vmm_core.errors import Impossible
from vmm_core.model import Needs
from vmm_core.tokens import Scope, add_token

from ....support.messages import says
from ...service import eventually, serving, settings_in

READ_S = 120
"""On a loaded machine, for a cloud to refuse what a user waits for."""


async def user_reads(folder: Path, options: Mapping[str, Any], size: str, promised: str) -> str:
    """The sentence that ``promised`` is of, or the last other one that was read."""
    catalogue = {
        "locations": [{"name": "ral", "title": "RAL"}],
        "clouds": [{"name": "ral", "kind": "openstack", "location": "ral", "options": options}],
        "environments": [{"name": "mantid", "title": "Mantid workbench"}],
        "pools": [{"environment": "mantid", "cloud": "ral", "size": size, "ready": 0}],
    }
    file = folder / "environments.yaml"
    file.write_text(json.dumps(catalogue, indent=1, default=str))  # JSON is YAML
    token = add_token(folder / "tokens.yaml", "hub", (Scope.LEASE_ANY,))
    settings = settings_in(folder, delete_machines_on_stop=True)
    said = ""
    async with serving(settings, READ_S) as service, VmmClient(service.url, token) as client:

        async def ask() -> str:
            nonlocal said
            try:
                lease = await client.acquire(Needs(), owner="alice", key="1")
            except Impossible as error:
                said = str(error)
            else:
                said = lease.explanation.summary
            return said

        with suppress(AssertionError):  # the last is for the test to judge
            await eventually(ask, lambda text: says(promised, text), READ_S)
        for lease in await client.leases(owner="alice"):
            await client.release(lease.id)
    return said
