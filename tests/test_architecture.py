"""The import rules of docs/architecture.md, held against the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import CHECKOUT

PACKAGES = ("dms_core", "jupyter_daaas_data", "jupyterhub_daaas_spawner", "vmm_core")
JUPYTER = ("ipywidgets", "jupyter", "jupyter_core", "jupyter_server", "jupyterhub", "jupyterlab")

# Modules that decide: no clock, no loop, no file, no network.
PURE = (
    *("vmm_core/allocation", "vmm_core/pools/plan.py", "vmm_core/pools/sizing"),
    *("vmm_core/pools/reconcile.py", "vmm_core/pools/backoff.py", "dms_core/access/rules.py"),
    *("dms_core/cache/eviction.py", "jupyterhub_daaas_spawner/options.py"),
    *("dms_core/transfer/agreement.py", "dms_core/access/groups.py"),
    *("jupyterhub_daaas_spawner/settle.py", "jupyterhub_daaas_spawner/session.py"),
)
PURE += ("jupyter_daaas_data/widgets/rows.py", "jupyter_daaas_data/widgets/rates.py")
PURE += ("dms_core/transfer/away.py", "vmm_core/model/cron.py", "vmm_core/calendars/ical.py")
PURE += ("vmm_core/lifetimes/activity.py", "vmm_core/agent/ssh/commands.py")
PURE += ("vmm_core/topcat/answers.py",)
PURE += ("vmm_core/lifetimes/rules.py", "vmm_core/lifetimes/beside.py", "vmm_core/sharing.py")
PURE += tuple(
    f"vmm_core/pools/{name}.py"
    for name in (
        *("ageing", "budget", "choices", "filling", "snapshot", "tally", "trimming"),
        *("troubles", "work"),
    )
)
PURE += tuple(
    f"vmm_core/clouds/azure/{name}.py"
    for name in ("errors", "machines", "names", "request", "sizes")
)
EFFECTS = ("asyncio", "os", "pathlib", "random", "socket", "subprocess", "threading", "time")


def sources(*places: str) -> Iterator[Path]:
    for place in places:
        path = CHECKOUT / place
        found = [path] if path.is_file() else sorted(path.rglob("*.py"))
        assert found, place
        yield from (one for one in found if "node_modules" not in one.parts)


def imports(path: Path) -> set[str]:
    """Absolute names of all modules that the file imports, wherever in it."""
    package = path.relative_to(CHECKOUT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def within(names: set[str], *modules: str) -> set[str]:
    """Those of ``names`` that are one of ``modules`` or below one, but for whole packages."""
    names = names - set(PACKAGES)
    return {name for name in names if any(f"{name}.".startswith(f"{m}.") for m in modules)}


def offenders(places: tuple[str, ...], *modules: str) -> dict[str, set[str]]:
    found = {str(path): within(imports(path), *modules) for path in sources(*places)}
    return {path: names for path, names in found.items() if names}


@pytest.mark.parametrize(("core", "other"), [("vmm_core", "dms_core"), ("dms_core", "vmm_core")])
def test_a_core_knows_neither_the_other_nor_jupyter(core: str, other: str) -> None:
    assert offenders((core,), other, *JUPYTER, *(p for p in PACKAGES if "core" not in p)) == {}


@pytest.mark.parametrize("face", ["jupyter_daaas_data", "jupyterhub_daaas_spawner"])
def test_a_face_uses_only_the_public_parts_of_the_cores(face: str) -> None:
    public = [f"{core}.{part}" for core in ("dms_core", "vmm_core") for part in ("client", "model")]
    public += [f"{core}.errors" for core in ("dms_core", "vmm_core")]
    for path in sources(face):
        names = within(imports(path), "dms_core", "vmm_core")
        assert names == within(names, *public), path


def test_sql_is_in_the_store_only() -> None:
    for path in sources(*PACKAGES):
        if not path.is_relative_to(CHECKOUT / "vmm_core/store"):
            assert not within(imports(path), "sqlalchemy", "alembic"), path
        own = [CHECKOUT / f"dms_core/{one}.py" for one in ("cache/index", "journal/records")]
        if path not in own:
            assert not within(imports(path), "sqlite3"), path


def test_what_decides_what_a_far_server_said_is_pure() -> None:
    said = ("dms_core/movers/gridftp/replies.py", "dms_core/movers/http/answers.py")
    assert offenders(said, *EFFECTS) == {}


def test_the_ldap_library_is_in_its_directory_only() -> None:
    for path in sources("dms_core"):
        if path.name not in ("ldap_client.py", "ldap_told.py"):
            assert not within(imports(path), "ldap3"), path


def test_the_fuse_library_is_in_its_driver_only() -> None:
    for path in sources("dms_core"):
        if path != CHECKOUT / "dms_core/fuse/library.py":
            assert not within(imports(path), "fuse", "mfusepy"), path


def test_what_is_unsent_cannot_be_named_by_what_evicts() -> None:
    for path in sources("dms_core/cache", "dms_core/transfer", "dms_core/storage"):
        assert not within(imports(path), "dms_core.journal"), path


def test_dms_urls_are_a_room_that_nobody_else_enters() -> None:
    lower = ("client", "errors", "fs", "model", "paths", "storage")
    for path in sources("dms_core/fs"):
        names = within(imports(path), "dms_core")
        assert names == within(names, *(f"dms_core.{one}" for one in lower)), path
    for path in sources(*PACKAGES):
        if not path.is_relative_to(CHECKOUT / "dms_core/fs"):
            assert not within(imports(path), "dms_core.fs"), path


def test_the_widget_library_is_in_the_widgets_only() -> None:
    for path in sources(*PACKAGES):
        if not path.is_relative_to(CHECKOUT / "jupyter_daaas_data/widgets"):
            assert not within(imports(path), "anywidget", "ipywidgets"), path


def test_azures_sdk_is_in_its_cloud_only() -> None:
    for path in sources(*PACKAGES):
        if not path.is_relative_to(CHECKOUT / "vmm_core/clouds/azure"):
            assert not within(imports(path), "azure", "msal"), path


def test_ssh_and_x_are_each_in_one_place_of_the_agent() -> None:
    for path in sources(*PACKAGES):
        if path != CHECKOUT / "vmm_core/agent/ssh/endpoint.py":
            assert not within(imports(path), "asyncssh"), path
        if path != CHECKOUT / "vmm_core/agent/display.py":
            assert not within(imports(path), "Xlib"), path


def test_what_replicas_say_to_each_other_knows_neither_the_api_nor_the_managers() -> None:
    lower = ("agent.protocol", "errors", "model", "pools.agents", "replicas", "signing", "store")
    for path in sources("vmm_core/replicas"):
        names = within(imports(path), "vmm_core")
        assert names == within(names, *(f"vmm_core.{one}" for one in lower)), path


def test_what_decides_has_no_effects() -> None:
    assert offenders(PURE, *EFFECTS) == {}


def test_a_provider_knows_its_base_and_nothing_else_of_the_house() -> None:
    allowed = ("vmm_core.clouds", "vmm_core.model", "vmm_core.linux", "vmm_core.processes")
    for path in sources("vmm_core/clouds"):
        names = within(imports(path), *PACKAGES)
        assert names == within(names, *allowed, "vmm_core.errors"), path
    nouns = ("dms_core.model", "dms_core.errors", "dms_core.paths", "dms_core.plugins")
    for path in sources("dms_core/storage"):
        names = within(imports(path), *PACKAGES)
        assert names == within(names, "dms_core.storage", *nouns, "dms_core.rest"), path
    for path in sources("dms_core/movers"):
        names = within(imports(path), *PACKAGES)
        sample = ("dms_core.storage.conformance",) if path.name == "conformance.py" else ()
        assert names == within(names, "dms_core.movers", *nouns, *sample), path


def test_the_desktops_start_script_waits_for_no_large_import() -> None:
    room = "jupyter_daaas_data/desktop"
    places = tuple(f"{room}/{name}.py" for name in ("session", "files", "places", "programs"))
    assert offenders(places, "dms_core", "traitlets", "tornado", "asyncio", *JUPYTER) == {}
