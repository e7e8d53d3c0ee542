import json
from datetime import UTC, datetime

import pytest

from dms_core.mount import MountConfig
from jupyterhub_daaas_spawner.session import DataMount, build_session, listening_address
from vmm_core.model import Machine, MachineState

from .examples import SMALL

DATA = DataMount(service="http://dms:8450", token="alices", cache_gb=5, driver="auto")
ENV = {
    "JUPYTERHUB_SERVICE_URL": "http://:8888/user/alice/",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
    "JUPYTERHUB_API_TOKEN": "secret",
}


def machine(root="/", address="127.0.0.1"):
    now = datetime.now(UTC)
    return Machine(
        id="m1",
        pool="p",
        cloud="c",
        location="isis",
        environment="mantid",
        size=SMALL,
        state=MachineState.ACQUIRED,
        fingerprint="f",
        address=address,
        root=root,
        created_at=now,
        changed_at=now,
    )


def session(**changes):
    arguments = {
        "user": "alice@facility.org",
        "account": "alice",
        "machine": machine(),
        "command": ["jupyterhub-singleuser", "--debug"],
        "env": ENV,
        "bind_ip": "",
        "port": 8888,
        "data": DATA,
        "timeout_s": 30,
    }
    return build_session(**(arguments | changes))


def test_the_mount_config_is_one_that_the_mount_accepts():
    [file] = session().files
    config = MountConfig.model_validate_json(file.content)
    assert config.user == "alice"
    assert config.token == "alices"
    assert str(config.mountpoint) == "/data"
    assert config.cache.limit_gb == 5


def test_only_root_reads_the_token_and_no_argument_holds_one():
    made = session()
    assert [(file.mode, file.owner) for file in made.files] == [(0o600, "root")]
    argv = [*made.program.argv, *made.daemons[0].program.argv]
    assert not any("alices" in word or "secret" in word for word in argv)


def test_the_daemon_reads_the_file_and_is_up_when_mounted():
    made = session()
    [daemon] = made.daemons
    assert made.files[0].path in daemon.program.argv
    assert daemon.program.entry == "dms_core.cli:main"
    assert (daemon.mountpoint, daemon.socket) == ("/data", "/run/dms/control.sock")


def test_notebooks_are_with_the_data_and_home_is_left_to_the_machine():
    made = session()
    assert made.user == "alice"
    assert made.program.env["JUPYTERHUB_ROOT_DIR"] == "/data/home/alice@facility.org"
    assert made.program.cwd is None
    assert "HOME" not in made.program.env
    assert made.program.env["DMS_SOCKET"] == "/run/dms/control.sock"
    assert made.health_path == "/user/alice/api"


def test_the_stock_server_is_forked_and_another_command_is_executed():
    assert session().program.entry == "jupyterhub.singleuser:main"
    assert session().program.argv[:2] == ("jupyterhub-singleuser", "--debug")
    assert session(command=["my-server"]).program.entry is None


def test_a_site_may_choose_the_folder():
    made = session(env=ENV | {"JUPYTERHUB_ROOT_DIR": "/data"})
    assert made.program.env["JUPYTERHUB_ROOT_DIR"] == "/data"


def test_a_machine_below_another_root_has_everything_there():
    made = session(machine=machine(root="/var/m1/"))
    paths = json.loads(made.files[0].content)
    assert paths["mountpoint"] == made.daemons[0].mountpoint == "/var/m1/data"
    assert made.program.env["JUPYTERHUB_ROOT_DIR"].startswith("/var/m1/data/home/")


def test_without_the_dms_there_is_no_mount_and_files_are_at_home():
    made = session(data=None)
    assert (made.files, made.daemons) == ((), ())
    assert "JUPYTERHUB_ROOT_DIR" not in made.program.env
    assert "DMS_SOCKET" not in made.program.env


@pytest.mark.parametrize(
    ("address", "listens"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("localhost", "127.0.0.1"),
        ("10.0.0.7", "0.0.0.0"),
        ("2001:db8::7", "::"),
        ("vm7.facility.org", "0.0.0.0"),
    ],
)
def test_a_machine_listens_where_it_is_dialled(address, listens):
    assert listening_address(machine(address=address)) == listens


def test_the_notebook_server_is_told_where_to_listen():
    url = session().program.env["JUPYTERHUB_SERVICE_URL"]
    assert url == "http://127.0.0.1:8888/user/alice/"
    url = session(bind_ip="::", port=9999).program.env["JUPYTERHUB_SERVICE_URL"]
    assert url == "http://[::]:9999/user/alice/"
