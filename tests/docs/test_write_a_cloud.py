"""docs/write-a-cloud.md: its example passes the conformance suite, and a catalogue can name it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from ruamel.yaml import YAML

from vmm_core.clouds.base import Cloud, CloudMachine, CloudState, MachineSpec, NoCapacity
from vmm_core.clouds.conformance import CloudConformance
from vmm_core.model import Size

from ..support.servers import free_port
from .pages import blocks, module

PAGE = "write-a-cloud.md"

_SOURCE, _PROOF = blocks(PAGE, "python")
Rack = module("rack", _SOURCE, PAGE).Rack

SERVER = """
import http.server as web, sys
web.HTTPServer(("127.0.0.1", int(sys.argv[1])), web.BaseHTTPRequestHandler).serve_forever()
"""


async def dial(machine: CloudMachine, port: int) -> bool:
    """Whether it answers within a while: a program needs a moment to listen."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection(machine.address, machine.ports[port])
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
    return False


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def rack_options(tmp_path: Path, port: int) -> object:
    command = (sys.executable, "-c", SERVER, str(port))
    return Rack.Options(folder=tmp_path, room=2, command=command)


exec(compile(_PROOF, PAGE, "exec"), globals())


async def becomes(rack: Cloud, state: CloudState) -> CloudMachine:
    """The one machine of the tests once it is in that state."""
    for _ in range(400):
        (machine,) = await rack.list_owned("tests")
        if machine.state is state:
            return machine
        await asyncio.sleep(0.02)
    pytest.fail(f"{machine} does not become {state}")


class TestBeyondTheSuite:
    """What the page says in words."""

    @pytest_asyncio.fixture
    async def rack(self, rack_options: object):
        rack = Rack("rack", rack_options)
        yield rack
        for machine in await rack.list_owned("tests"):
            await rack.delete(machine.id)

    async def test_a_full_rack_says_so(self, rack, spec) -> None:
        await rack.create(spec("one"))
        await rack.create(spec("two"))
        with pytest.raises(NoCapacity, match="All 2 places of rack are taken"):
            await rack.create(spec("three"))

    async def test_one_whose_program_ends_is_failed(self, rack, spec) -> None:
        await rack.create(spec("one"))
        await becomes(rack, CloudState.RUNNING)
        (file,) = rack._options.folder.glob("*/pid")
        os.killpg(int(file.read_text()), signal.SIGKILL)
        assert (await becomes(rack, CloudState.FAILED)).reason == "its program ended"

    @pytest.fixture
    def spec(self, port: int):
        size = Size(name="slot", cpus=1, ram_gb=1)
        return lambda name: MachineSpec(name, "tests", "default", size, "{}", (port,))


def test_the_catalogue_of_the_page_has_valid_options() -> None:
    (text,) = blocks(PAGE, "yaml")
    (cloud,) = YAML(typ="safe").load(text)["clouds"]
    assert Rack.Options(**cloud["options"]).room == 4
    assert issubclass(globals()["TestRack"], CloudConformance)
