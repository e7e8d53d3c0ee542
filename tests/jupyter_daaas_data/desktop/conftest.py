"""One notebook server with a desktop for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .running import ABSENT, Server, server


@pytest.fixture(scope="module")
def desktop() -> Iterator[Server]:
    """A running notebook server, with the programs that a desktop needs."""
    if ABSENT is not None:
        pytest.skip(ABSENT.for_operator())
    with server() as running:
        yield running
