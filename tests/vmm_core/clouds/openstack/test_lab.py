"""The lab that these tests stand on: two side by side, and an end that leaves nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ....conftest import CHECKOUT
from ....support import leftovers
from ....support.openstack_lab import STOP_S, Lab

pytestmark = [pytest.mark.openstack, pytest.mark.root, pytest.mark.timeout(600)]

START = """
import signal
from tests.support.openstack_lab import Lab
lab = Lab("a1:loc-a:2:2048:20:0:0:0")
lab.start()
print(lab.folder, lab.bridge, flush=True)
signal.pause()
"""


def test_a_second_lab_ends_with_whoever_started_it(openstack_lab: Lab) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", START], cwd=CHECKOUT, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None
    with starter.stdout:
        folder, bridge = starter.stdout.readline().decode().split()
        assert bridge != openstack_lab.bridge
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    end = time.monotonic() + STOP_S
    while left := [*leftovers.everything(Path(folder)), *_bridge(bridge)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)
    with openstack_lab.connect() as admin:
        assert admin.compute.find_flavor(Lab.flavor) is not None, "the first one goes on"


def _bridge(name: str) -> list[str]:
    return [name] if Path("/sys/class/net", name).exists() else []
