"""What of the user's is on this machine and nowhere else yet, as its daemons say.

A daemon says so by a file in ``run/vmm/hold``: its text is for people. While
there is one, the machine is not deleted after the session.
"""

from __future__ import annotations

from pathlib import Path

from ..model import HOLD_FOLDER

_LONGEST = 1000


class Holds:
    """The folder of one machine.

    Args:
        root: folder that stands for ``/``, ending in a slash.
    """

    def __init__(self, root: str) -> None:
        self._folder = Path(root, HOLD_FOLDER)

    def prepare(self) -> None:
        """Make the folder, where only root writes."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def reason(self) -> str:
        """All that is held, in words; empty if nothing is."""
        said = []
        for file in sorted(self._folder.glob("*")):
            try:
                text = " ".join(file.read_text(errors="replace").split())
            except FileNotFoundError:
                continue
            except OSError as error:
                text = f"unreadable: {error.strerror}"
            said.append(text or file.name)
        return "; ".join(said)[:_LONGEST]
