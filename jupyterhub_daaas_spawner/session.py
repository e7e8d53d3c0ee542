"""What the VMM is asked to make of a machine: the account, the data mount, the notebook server.

One pure function, :func:`build_session`: everything it needs is an argument, so
that what reaches a machine can be read, and tested, in one place.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from vmm_core.model import HOLD_FOLDER, Daemon, File, Machine, Program, Session

NOTEBOOK_COMMAND = ("jupyterhub-singleuser",)
"""The hub's stock command; it has an entry that the agent can fork instead of executing it."""


@dataclass(frozen=True, slots=True)
class DataMount:
    """The user's data on the machine.

    Attributes:
        service: URL of the DMS, as dialled from the machine.
        token: the user's own, short-lived.
        cache_gb: room for the cache on the machine's disk, in 10^9 bytes.
        driver: how FUSE is spoken, ``auto`` or the name of a library.
    """

    service: str
    token: str
    cache_gb: float
    driver: str


def build_session(
    *,
    user: str,
    account: str,
    machine: Machine,
    command: Sequence[str],
    env: Mapping[str, str],
    bind_ip: str,
    port: int,
    data: DataMount | None,
    timeout_s: float,
) -> Session:
    """The session of ``user`` on ``machine``.

    Args:
        user: the hub's name of the user, who the user is for the DMS.
        account: the Unix account to make on the machine.
        machine: the one that was leased.
        command: the notebook server's, with its arguments.
        env: as the hub's ``Spawner.get_env`` gives it.
        bind_ip: what the notebook server listens on; "" finds it from the machine.
        port: where it listens, on the machine.
        data: None starts without the data mount.
        timeout_s: how long the notebook server may take to answer, in seconds.
    """
    root = machine.root.rstrip("/")
    environment = {name: str(value) for name, value in env.items() if value is not None}
    environment["JUPYTERHUB_SERVICE_URL"] = _service_url(
        environment["JUPYTERHUB_SERVICE_URL"], bind_ip or listening_address(machine), port
    )
    # Notebooks are kept with the data. What needs real file locks is not: HOME, and with
    # it Jupyter's and IPython's SQLite and sockets, is the agent's, on the machine's disk.
    argv = tuple(command)
    stock = argv[:1] == NOTEBOOK_COMMAND
    if data:
        home = f"{root}/data/home/{user}"
        environment.setdefault("JUPYTERHUB_ROOT_DIR", home)
        environment["DMS_SOCKET"] = f"{root}/run/dms/control.sock"
        argv += _lab_folders(home) if stock else ()
    return Session(
        user=account,
        files=(_mount_config(account, root, data),) if data else (),
        daemons=(_mount_daemon(root),) if data else (),
        program=Program(
            argv=argv,
            entry="jupyterhub.singleuser:main" if stock else None,
            env=environment,
        ),
        port=port,
        health_path=f"{environment.get('JUPYTERHUB_SERVICE_PREFIX', '/').rstrip('/')}/api",
        timeout_s=timeout_s,
    )


def listening_address(machine: Machine) -> str:
    """What a server on ``machine`` must listen on to be reached from outside.

    A machine that is dialled at a loopback address is one on this host, whose
    ports are relayed into it: there loopback is enough, and is safer.
    """
    try:
        address = ipaddress.ip_address(machine.address or "")
    except ValueError:
        return "127.0.0.1" if machine.address == "localhost" else "0.0.0.0"  # noqa: S104
    if address.is_loopback:
        return str(address)
    return "0.0.0.0" if address.version == 4 else "::"  # noqa: S104


def _lab_folders(home: str) -> tuple[str, ...]:
    """JupyterLab's settings and layout are kept with the user's data, so the next machine has them.

    They must be given: JupyterLab finds its own when it is imported, which on a
    machine is before there is a user.
    """
    folder = f"{home}/.jupyter/lab"
    return (
        f"--LabApp.user_settings_dir={folder}/user-settings",
        f"--LabApp.workspaces_dir={folder}/workspaces",
    )


def _service_url(url: str, ip: str, port: int) -> str:
    host = f"[{ip}]" if ":" in ip else ip
    return urlsplit(url)._replace(netloc=f"{host}:{port}").geturl()


def _mount_config(account: str, root: str, data: DataMount) -> File:
    """Who the user is for the DMS is in the token; the account is who owns the files here."""
    config = {
        "service": data.service,
        "mountpoint": f"{root}/data",
        "user": account,
        "token": data.token,
        "cache": {"folder": f"{root}/var/cache/dms", "limit_gb": data.cache_gb},
        "socket": f"{root}/run/dms/control.sock",
        "driver": data.driver,
        "journal": {"hold_file": f"{root}/{HOLD_FOLDER}/dms-mount"},
    }
    return File(path=_config_path(root), content=json.dumps(config), mode=0o600, owner="root")


def _config_path(root: str) -> str:
    return f"{root}/run/dms/mount.json"


def _mount_daemon(root: str) -> Daemon:
    return Daemon(
        name="dms-mount",
        program=Program(
            argv=("dms", "mount", "--config", _config_path(root), "--foreground"),
            entry="dms_core.cli:main",
        ),
        mountpoint=f"{root}/data",
        socket=f"{root}/run/dms/control.sock",
        timeout_s=20,
        stop_s=15,  # to send what was just saved
    )
