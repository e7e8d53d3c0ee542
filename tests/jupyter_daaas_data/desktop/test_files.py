"""Places, menu, shortcuts and bookmarks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jupyter_daaas_data.desktop import files, programs
from jupyter_daaas_data.desktop.places import Place, find_places

from ..world import World

PLACES = [Place("home", Path("/data/home/al ice")), Place("archive", Path("/data/archive"))]


def find(*there: str) -> programs.Find:
    return lambda name: f"/usr/bin/{name}" if name in there else None


@pytest.mark.mount
def test_the_places_are_the_volumes_of_the_mount(world: World) -> None:
    mount = world.mountpoint
    volumes = {path.name for path in mount.iterdir()}
    assert "archive" in volumes
    first, *others = find_places(mount / "archive")
    assert first == Place("home", mount / "archive")
    assert {place.name for place in others} == volumes - {"archive"}


def test_without_a_mount_the_only_place_is_the_servers_folder(tmp_path: Path) -> None:
    assert find_places(tmp_path) == [Place("home", tmp_path)]


def test_the_menu_offers_what_is_there() -> None:
    menu = files.menu(PLACES, find("xterm", "pcmanfm", "icewm-menu-fdo"))
    assert menu.splitlines() == [
        'prog "Terminal" xterm xterm',
        'prog "home" folder pcmanfm "/data/home/al ice"',
        'prog "archive" folder pcmanfm "/data/archive"',
        "separator",
        'menuprog "Applications" folder icewm-menu-fdo',
    ]
    assert files.menu(PLACES[1:], find("xterm")).splitlines() == [
        'prog "Terminal" xterm xterm',
        'prog "archive" folder env -C "/data/archive" xterm',
    ]
    assert files.menu(PLACES, find()) == ""


def test_shortcuts_and_bookmarks_name_the_paths_of_the_mount(tmp_path: Path) -> None:
    bookmarks = tmp_path / ".config" / "gtk-3.0" / "bookmarks"
    bookmarks.parent.mkdir(parents=True)
    bookmarks.write_text("file:///my/own mine\n")
    for _ in range(2):  # a second desktop of the same home adds nothing
        files.link_places(tmp_path / "Desktop", PLACES)
        files.bookmark_places(tmp_path, PLACES)
    assert bookmarks.read_text().splitlines() == [
        "file:///my/own mine",
        "file:///data/home/al%20ice home",
        "file:///data/archive archive",
    ]
    shortcut = (tmp_path / "Desktop" / "home.desktop").read_text()
    assert "URL=file:///data/home/al%20ice\n" in shortcut


def test_icewm_gets_our_theme_and_the_menu(tmp_path: Path) -> None:
    files.write_icewm(tmp_path / "icewm", [], find("xterm"))
    assert (tmp_path / "icewm" / "menu").read_text() == 'prog "Terminal" xterm xterm\n'
    assert (tmp_path / "icewm" / "themes" / "daaas" / "default.theme").exists()
    assert (tmp_path / "icewm" / "preferences").exists()


@pytest.mark.skipif(shutil.which("update-mime-database") is None, reason="needs shared-mime-info")
def test_runs_are_known_by_their_names(tmp_path: Path) -> None:
    files.write_types(tmp_path)
    assert ":application/x-nexus:*.nxs" in (tmp_path / "mime" / "globs2").read_text()
    assert (tmp_path / "mime" / "mime.cache").stat().st_size > 0


def test_what_is_missing_depends_on_the_window_manager() -> None:
    there = find("vncserver", "Xtigervnc", "xauth", "icewm")
    assert programs.missing("icewm", there) is None
    absent = programs.missing("xfce4-session --display :1", there)
    assert absent is not None
    assert absent.for_user().startswith("This environment has no desktop: xfce4-session is missing")
    assert "add xfce4 to the environment's image" in absent.for_operator()
