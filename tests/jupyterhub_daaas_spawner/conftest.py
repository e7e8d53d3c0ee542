"""A real hub on real services, for this package's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from examples.demo.stack import Settings, Stack

from ..support.hub import HubUser

USERS = ("alice", "bob", "d.smith@facility.org")


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("hub")
    settings = Settings(state=folder / "state", data=folder / "data", events_gb=0.001, users=USERS)
    stack = Stack(settings)
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
