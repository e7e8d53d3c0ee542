"""A real hub on real services, for this package's tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from examples.demo.stack import Settings, Stack

from ..support.hub import HubUser

USERS = ("alice", "bob", "d.smith@facility.org")
SILENT = "diamond"
"""A location whose cloud does not answer, from the service's start on."""
ONLY_THERE = "crystallography"
"""An environment of that location alone."""


def add_silent_cloud(catalogue: dict[str, Any], folder: Path, port: int) -> None:
    """A place where nobody listens at ``port``: one environment of its own, one of others."""
    (folder / "secret").write_text("s3cr3t")
    (folder / "secret").chmod(0o600)
    account = {
        "auth_url": f"http://127.0.0.1:{port}/v3",
        "credential_id": "c1",
        "credential_secret_file": str(folder / "secret"),
    }
    options = {**account, "zone": "a", "network": "n"}
    catalogue["locations"].append({"name": SILENT, "title": "Diamond Light Source"})
    catalogue["clouds"].append(
        {"name": "far", "kind": "openstack", "location": SILENT, "options": options}
    )
    catalogue["environments"].append({"name": ONLY_THERE, "title": "Crystallography"})
    catalogue["pools"] += [
        {"environment": name, "cloud": "far", "size": "m1.large"}
        for name in (ONLY_THERE, "sans-for-sans2d")
    ]


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("hub")
    with socket.socket() as nobody:  # bound and not listening: it refuses
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        stack = Stack(
            Settings(
                state=folder / "state",
                data=folder / "data",
                events_gb=0.001,
                users=USERS,
                change_catalogue=lambda found: add_silent_cloud(found, folder, port),
            )
        )
        stack.start()
        yield stack
        stack.stop()


@pytest.fixture
def log_in(stack: Stack) -> Iterator[Callable[[str], HubUser]]:
    """Logs a user in; whatever they started is stopped at the end."""
    with ExitStack() as users:

        def log_in(name: str) -> HubUser:
            user = users.enter_context(HubUser(stack.hub_url, name, stack.settings.password))
            users.callback(stop_all, user)
            return user

        yield log_in


def stop_all(user: HubUser) -> None:
    for server in user.api("GET", "").json()["servers"]:
        user.stop(server)


@pytest.fixture
def shots(artefacts: Path) -> Path:
    """Where this suite's screenshots go."""
    folder = artefacts / "spawner"
    folder.mkdir(exist_ok=True)
    return folder
