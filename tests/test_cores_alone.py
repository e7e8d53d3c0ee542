"""Each core works without the other and without Jupyter: installed so, and used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import CHECKOUT

UV = Path(sys.executable).with_name("uv")
PACKAGES = ("dms_core", "vmm_core", "jupyter_daaas_data", "jupyterhub_daaas_spawner")
JUPYTER = "anywidget ipykernel ipywidgets jupyter notebook nbformat"
# What a provider, a driver or a conformance suite may need, each named by an extra.
EXTRAS = (
    "asyncpg azure fsspec fuse hypothesis keystoneauth1 ldap3 mfusepy openstack pytest requests "
    "urllib3"
)

IMPORT_ALL = f"""\
import importlib, importlib.metadata, pkgutil, sys
core, other = sys.argv[1:]
package = importlib.import_module(core)
modules = [one.name for one in pkgutil.walk_packages(package.__path__, core + ".", onerror=str)]
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {EXTRAS.split()!r}:
            raise
strangers = tuple({JUPYTER.split()!r}) + (other,)
assert not [name for name in sys.modules if name.startswith(strangers)]
installed = [one.name.lower() for one in importlib.metadata.distributions()]
assert not [one for one in installed if one.startswith(strangers) and one != "jupyter-daaas"]
print(len(modules))
"""
CATALOGUE = """\
locations: [{name: lab, title: The lab}]
clouds: [{name: here, kind: simulated, location: lab}]
environments: [{name: sans, title: SANS}]
pools: [{environment: sans, cloud: here, size: small, ready: 1, maximum: 2}]
"""
VOLUMES = """\
storages:
  - {name: disk, kind: posix, options: {folder: data, read_only: true}}
volumes:
  - {name: archive, policy: archive, storage: disk}
membership: membership.yaml
"""


@dataclass(frozen=True)
class Installed:
    """A base install in an environment of its own."""

    folder: Path

    @property
    def packages(self) -> Path:
        [found] = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """``pip install jupyter-daaas`` from this checkout, without any extra."""
    if not UV.exists():
        pytest.skip("needs uv beside Python: pip install uv")
    folder = tmp_path_factory.mktemp("base") / "venv"
    for command in (
        ["venv", "--quiet", "--python", sys.executable, folder],
        ["pip", "install", "--quiet", "--python", folder, CHECKOUT],
    ):
        done = subprocess.run([UV, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return Installed(folder)


@pytest.fixture
def alone(base: Installed, request: pytest.FixtureRequest) -> Iterator[Installed]:
    """The install with only one core in it; the rest is put back afterwards."""
    aside = base.folder / "aside"
    aside.mkdir()
    for package in PACKAGES:
        if package != request.param:
            shutil.move(base.packages / package, aside / package)
    yield base
    for package in aside.iterdir():
        shutil.move(package, base.packages / package.name)
    aside.rmdir()


@pytest.mark.parametrize("alone", ["vmm_core"], indirect=True)
def test_the_vmm_alone(alone: Installed) -> None:
    assert int(alone.run("python", "-c", IMPORT_ALL, "vmm_core", "dms_core")) > 20
    assert "machines" in alone.run("vmm", "--help")
    (alone.folder / "catalogue.yaml").write_text(CATALOGUE)
    assert "catalogue.yaml" in alone.run("vmm", "check", "catalogue.yaml")


@pytest.mark.parametrize("alone", ["dms_core"], indirect=True)
def test_the_dms_alone(alone: Installed) -> None:
    assert int(alone.run("python", "-c", IMPORT_ALL, "dms_core", "vmm_core")) > 20
    assert "One tree" in alone.run("dms", "--help")
    (alone.folder / "data").mkdir()
    (alone.folder / "volumes.yaml").write_text(VOLUMES)
    (alone.folder / "membership.yaml").write_text("experiments: {}\n")
    assert "it serves /archive" in alone.run("dms", "check", "volumes.yaml")


def test_the_install_carries_the_widgets_files(base: Installed) -> None:
    ours = CHECKOUT / "jupyter_daaas_data" / "widgets" / "static"
    theirs = base.packages / "jupyter_daaas_data" / "widgets" / "static"
    assert sorted(one.name for one in theirs.iterdir()) == sorted(
        one.name for one in ours.iterdir()
    )
