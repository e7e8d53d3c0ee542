"""What the desktop reads at its start: the menu, shortcuts and bookmarks, for the places there are.

Icewm's folder and the shortcuts are ours and are written anew each time;
bookmarks are only added to.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .places import HOME, Place
from .programs import Find

CONFIG = Path(__file__).parent / "config"


def menu(places: Iterable[Place], find: Find) -> str:
    """Icewm's root menu: terminal, the places, then the image's applications.

    Args:
        places: folders to open, in a terminal where there is no file manager.
        find: finds a program; what is not there is not offered.
    """
    terminal, files = find("xterm"), find("pcmanfm")
    lines = ['prog "Terminal" xterm xterm'] if terminal else []
    for place in places if files or terminal else ():
        path = _quoted(str(place.path))
        opener = f"pcmanfm {path}" if files else f"env -C {path} xterm"
        lines.append(f"prog {_quoted(place.name)} folder {opener}")
    if find("icewm-menu-fdo"):
        lines += ["separator", 'menuprog "Applications" folder icewm-menu-fdo']
    return "".join(f"{line}\n" for line in lines)


def write_icewm(folder: Path, places: Iterable[Place], find: Find) -> None:
    """Lay out icewm's folder: ours as shipped, and the menu."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copytree(CONFIG / "icewm", folder, dirs_exist_ok=True)
    (folder / "menu").write_text(menu(places, find))


def write_types(folder: Path) -> None:
    """Lay out a data folder of the desktop standards in which the archive's file types are known.

    Nothing happens where ``update-mime-database`` is missing: then there is no
    file manager either, which needs it.
    """
    packages = folder / "mime" / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONFIG / "daaas-types.xml", packages)
    with suppress(OSError, subprocess.TimeoutExpired):
        command = ["update-mime-database", str(folder / "mime")]
        subprocess.run(command, timeout=10, check=False)


def link_places(desktop: Path, places: Iterable[Place]) -> None:
    """Put a shortcut to each place on the desktop; one that the user removed comes back.

    Not a symbolic link: a file manager would show the link's path, not the data's.
    """
    desktop.mkdir(exist_ok=True)
    for place in places:
        icon = "user-home" if place.name == HOME else "folder-remote"
        lines = ("Type=Link", f"Name={place.name}", f"Icon={icon}", f"URL={_url(place.path)}")
        text = "\n".join(("[Desktop Entry]", *lines, ""))
        (desktop / f"{place.name}.desktop").write_text(text)


def bookmark_places(home: Path, places: Iterable[Place]) -> None:
    """Name the places in the side pane of file managers and of open and save dialogs."""
    for version in ("gtk-3.0", "gtk-4.0"):
        file = home / ".config" / version / "bookmarks"
        known = file.read_text() if file.exists() else ""
        wanted = [f"{_url(place.path)} {place.name}\n" for place in places]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(known + "".join(line for line in wanted if line not in known))


def _url(path: Path) -> str:
    return f"file://{quote(str(path))}"


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
