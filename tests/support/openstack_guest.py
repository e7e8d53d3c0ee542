"""The lab's boot hook: makes an OpenStack server's guest really run on this host.

    openstack_guest.py LAB BRIDGE GATEWAY/BITS start|stop UUID FOLDER

Nova's hypervisor calls it (see the lab's README). A guest is a machine of our
local cloud (namespaces, overlay root, cgroups, supervisor) with a virtual cable
to the lab's bridge, on the address that Neutron allotted. Its agent gets the
server's own user data, so that nothing reaches it but through OpenStack.
Guests are in ``LAB/machines``; :func:`stop_all` ends what is there.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vmm_core.clouds.base import CloudMachine, CloudState, MachineSpec
from vmm_core.clouds.local import LocalCloud, host, planning
from vmm_core.clouds.local.folder import Folder
from vmm_core.clouds.local.namespaces import Way
from vmm_core.clouds.local.options import LocalSize, Options, Overcommit

RAM_GB = 4.0
CABLES = 4
"""Most addresses of a guest."""
_MANY = 10_000.0


class GuestError(Exception):
    """The guest could not be started; the text says why."""


def options(lab: Path) -> Options:
    """What the lab's guests have of this host."""
    here = host.look()
    size = LocalSize(cpus=here.cpus, ram_gb=min(RAM_GB, here.ram_gb / 2))
    return Options(
        folder=lab / "machines",
        sizes={"guest": size},
        isolation="namespaces",
        overcommit=Overcommit(cpus=_MANY, ram=_MANY),  # Nova keeps the books
        hide=(lab,),
    )


def guests(lab: Path) -> LocalCloud:
    """The local cloud whose machines are the lab's guests."""
    return LocalCloud("openstack-lab", options(lab))


async def start(lab: Path, bridge: str, gateway: str, uuid: str, folder: Path) -> None:
    """Start the guest of a server, unless it runs; undone if it cannot.

    Raises:
        GuestError: it does not run.
    """
    cloud = guests(lab)
    size = (await cloud.sizes())["guest"].size
    spec = MachineSpec(
        name=uuid,
        owner="openstack-lab",
        image="default",
        size=size,
        user_data=(folder / "user_data").read_text(),
        ports=(),
    )
    machine = await _create(cloud, options(lab), spec)
    try:
        if machine.state is not CloudState.RUNNING:
            raise GuestError(f"guest {uuid} does not run: {machine.reason}")
        status = Folder(lab / "machines" / uuid).status()
        assert status is not None
        inside = status.processes[0][0]  # in the guest's network, on the host for the rest
        for number, address in enumerate((folder / "addresses").read_text().split()):
            _plug(inside, f"eth{number}", cable(uuid, number), bridge, address, gateway)
    except Exception:
        await cloud.delete(uuid)
        raise


async def _create(cloud: LocalCloud, options: Options, spec: MachineSpec) -> CloudMachine:
    """A machine whose only way out is its cable: nothing is relayed to the VMM for it."""
    options.folder.mkdir(mode=0o700, exist_ok=True)
    record = planning.plan(spec, options, host.look(), Way.NAMESPACES)
    with suppress(FileExistsError):
        Folder.create(options.folder, replace(record, reach=()))
    return await cloud.create(spec)


async def stop(lab: Path, uuid: str) -> None:
    """End the guest of a server and all that was its; fine if there is none."""
    await guests(lab).delete(uuid)
    for number in range(CABLES):  # the kernel removes them too, a moment later
        with suppress(GuestError):
            _ip("link", "delete", cable(uuid, number))


async def stop_all(lab: Path) -> None:
    """End every guest of the lab."""
    for folder in sorted((lab / "machines").glob("[!.]*")):
        await stop(lab, folder.name)


def cable(uuid: str, number: int) -> str:
    """The host's end of a guest's virtual cable."""
    return f"osg{uuid.replace('-', '')[:10]}{number}"


def _plug(inside: int, name: str, cable: str, bridge: str, address: str, gateway: str) -> None:
    router, _, bits = gateway.partition("/")
    _ip("link", "add", cable, "type", "veth", "peer", "name", name, "netns", str(inside))
    # A new address of the host, also a link's own, breaks a browser's requests: none comes.
    _ip("link", "set", cable, "addrgenmode", "none")
    _ip("link", "set", cable, "master", bridge, "up")
    _ip("address", "add", f"{address}/{bits}", "dev", name, inside=inside)
    _ip("link", "set", name, "up", inside=inside)
    if name == "eth0":
        _ip("route", "add", "default", "via", router, inside=inside)


def _ip(*arguments: str, inside: int | None = None) -> None:
    enter = ["nsenter", "--target", str(inside), "--net"] if inside is not None else []
    done = subprocess.run(
        [*enter, "ip", *arguments], capture_output=True, text=True, check=False, timeout=20
    )
    if done.returncode:
        raise GuestError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def main(arguments: list[str]) -> int:
    """Do what the hypervisor says; the reason of a failure stays in FOLDER/failed."""
    lab, bridge, gateway, verb, uuid, folder = arguments
    try:
        if verb == "start":
            asyncio.run(start(Path(lab), bridge, gateway, uuid, Path(folder)))
        else:
            asyncio.run(stop(Path(lab), uuid))
    except Exception as error:
        Path(folder, "failed").write_text(f"{verb}: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
