"""The way to a cloud when it is wrong, silent or broken: real connections, no OpenStack needed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from vmm_core.clouds.base import CloudError, OutcomeUnknown, Refused, Unreachable
from vmm_core.clouds.openstack.account import CHANGE_FACTOR, THREADS, Account
from vmm_core.clouds.openstack.cloud import OpenStackCloud
from vmm_core.clouds.openstack.options import Options

from ....support.messages import expected, says
from . import clouds_files
from .reader import user_reads

SOON_S = 0.3
Listener = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def listening(answer: Listener) -> AsyncIterator[str]:
    """The URL of a server that treats its callers so."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v3"
    finally:
        server.close()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.transport.abort()


async def no_keystone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that is taken and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v3"


@pytest_asyncio.fixture
async def cloud_at(tmp_path: Path) -> AsyncIterator[Callable[[str], OpenStackCloud]]:
    made: list[OpenStackCloud] = []

    def at(url: str) -> OpenStackCloud:
        made.append(OpenStackCloud("ral", options(tmp_path, url)))
        return made[-1]

    yield at
    for cloud in made:
        await cloud.close()


def options(folder: Path, url: str) -> Options:
    file = clouds_files.write(folder, url)
    return Options(
        cloud=clouds_files.NAME, clouds_file=file, zone="a", network="n", timeout_s=SOON_S
    )


async def told(cloud: OpenStackCloud) -> CloudError:
    """What an operator reads first: the sizes are asked when the service starts."""
    with pytest.raises(CloudError) as caught:
        await cloud.sizes()
    return caught.value


async def test_wrong_address(cloud_at: Callable[[str], OpenStackCloud], nobody: str) -> None:
    error = await told(cloud_at(nobody))
    assert type(error) is Unreachable
    assert says(expected("openstack", "wrong address").operator, str(error)), error


async def test_an_address_without_keystone(cloud_at: Callable[[str], OpenStackCloud]) -> None:
    async with listening(no_keystone) as url:
        error = await told(cloud_at(url))
    assert type(error) is Refused
    assert says(expected("openstack", "wrong address: no Keystone").operator, str(error)), error


async def test_slow(cloud_at: Callable[[str], OpenStackCloud]) -> None:
    async with listening(silence) as url:
        began = time.monotonic()
        error = await told(cloud_at(url))
        assert time.monotonic() - began < SOON_S * CHANGE_FACTOR
    assert type(error) is Unreachable
    assert says(expected("openstack", "slow").operator, str(error)), error


async def test_gone_in_the_middle(cloud_at: Callable[[str], OpenStackCloud]) -> None:
    async with listening(broken) as url:
        error = await told(cloud_at(url))
    assert type(error) is Unreachable
    assert says(expected("openstack", "gone").operator, str(error)), error


async def test_what_was_sent_and_not_answered_is_of_unknown_outcome(tmp_path: Path) -> None:
    for answer in (silence, broken):
        async with listening(answer) as url:
            account = Account("ral", options(tmp_path, url))
            with pytest.raises(OutcomeUnknown, match="looked up"):
                await account.call("make", lambda c: c.compute.get("/"), changes=True)
            account.close()


async def test_what_was_not_sent_has_changed_nothing(tmp_path: Path, nobody: str) -> None:
    account = Account("ral", options(tmp_path, nobody))
    with pytest.raises(Unreachable):
        await account.call("make", lambda c: c.compute.get("/"), changes=True)
    account.close()


async def test_calls_that_hang_take_no_more_threads_than_there_are(tmp_path: Path) -> None:
    release = threading.Event()
    account = Account("ral", options(tmp_path, "http://127.0.0.1:9/v3"))
    hanging = [
        asyncio.create_task(account.call("hang", lambda c: release.wait(), changes=True))
        for _ in range(THREADS + 2)
    ]
    done, _ = await asyncio.wait(hanging)
    kinds = [type(task.exception()) for task in done]
    assert kinds.count(OutcomeUnknown) == THREADS
    assert kinds.count(Unreachable) == 2  # they never began
    release.set()
    account.close()


@pytest.mark.parametrize(
    "situation", ["wrong address", "wrong address: no Keystone", "slow", "gone"]
)
async def test_what_a_user_reads(situation: str, tmp_path: Path, nobody: str) -> None:
    promised = expected("openstack", situation).user
    answers = {"wrong address: no Keystone": no_keystone, "slow": silence, "gone": broken}
    async with AsyncExitStack() as stack:
        url = nobody
        if situation in answers:
            url = await stack.enter_async_context(listening(answers[situation]))
        plain = options(tmp_path, url).model_dump(mode="json", exclude_unset=True)
        said = await user_reads(tmp_path, plain, "m1", promised)
    assert says(promised, said), said
