"""Which programs the desktop needs, and the sentences when they are not there."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_MANAGER = "icewm"
"""What is started when nothing else is configured."""

# Program -> the Debian package that has it, for the operator.
_NEEDED = {
    "vncserver": "tigervnc-standalone-server",
    "Xtigervnc": "tigervnc-standalone-server",
    "xauth": "xauth",
}
_KNOWN = {"icewm": "icewm", "xfce4-session": "xfce4"}

Find = Callable[[str], str | None]
"""Finds a program on the search path, as :func:`shutil.which` does."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Programs that are not there, and in which packages they would be."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]

    def for_user(self) -> str:
        """What the page says."""
        return (
            f"This environment has no desktop: {_list(self.programs)} {_is(self.programs)} missing "
            "on the machine. Choose another environment for a desktop; the notebook and its "
            "terminal have the same data."
        )

    def for_operator(self) -> str:
        """What the server's log says."""
        return (
            f"desktop: {_list(self.programs)} {_is(self.programs)} not on the PATH of the notebook "
            f"server; add {_list(self.packages)} to the environment's image (docs/desktop.md)"
        )


def missing(window_manager: str, find: Find) -> Missing | None:
    """What the desktop needs and ``find`` does not find; None if all is there.

    Args:
        window_manager: the command line to be started on the desktop.
        find: finds a program.
    """
    manager = shlex.split(window_manager)[0]
    needed = {**_NEEDED, manager: _KNOWN.get(manager, f"the package of {manager}")}
    absent = tuple(program for program in needed if find(program) is None)
    if not absent:
        return None
    return Missing(absent, tuple(dict.fromkeys(needed[program] for program in absent)))


def _list(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _is(words: tuple[str, ...]) -> str:
    return "is" if len(words) == 1 else "are"
