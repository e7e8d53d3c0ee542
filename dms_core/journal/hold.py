"""A file that says that this journal has files which are nowhere else.

Who keeps the machine (the VMM's agent) looks whether it is there, and what it
says, before the machine is given up. It appears before a change is accepted and
goes when the service has everything.
"""

from __future__ import annotations

import threading
from pathlib import Path

from .. import errors
from ..model import CacheState
from .journal import Journal


class HoldFile:
    """The file of one journal. Methods may be called from any thread.

    Args:
        file: where it is; its folder is made if it is not there. None: there is none.
        journal: whose unsent files are told.
        user: whose files they are.
    """

    def __init__(self, file: Path | None, journal: Journal, user: str) -> None:
        self._file = file
        self._journal = journal
        self._user = user
        self._lock = threading.Lock()
        self._said = ""

    @property
    def is_kept(self) -> bool:
        """Whether there is such a file at all: then somebody waits for its end."""
        return self._file is not None

    def update(self) -> None:
        """Let the file say what is so now.

        Raises:
            DmsError: it cannot be written.
        """
        if self._file is None:
            return
        with self._lock:
            text = self._text()
            if text == self._said:
                return
            try:
                self._write(self._file, text)
            except OSError as error:
                raise errors.DmsError(
                    f"{self._file}, which keeps this machine, cannot be written "
                    f"({error.strerror}); make room on its disk."
                ) from None
            self._said = text

    def raised(self) -> None:
        """A file has become unsent: see that ours is there."""
        if not self._said:
            self.update()

    @staticmethod
    def _write(file: Path, text: str) -> None:
        if not text:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}")
        draft.write_text(text + "\n")
        draft.replace(file)

    def _text(self) -> str:
        unsent = self._journal.unsent()
        if not unsent:
            return ""
        size = sum(file.size for file in unsent)
        what = "1 file" if len(unsent) == 1 else f"{len(unsent)} files"
        text = f"{what} ({size:,} bytes) of {self._user} not sent yet"
        stuck = [file for file in unsent if file.state is CacheState.STUCK]
        if stuck:
            text += f", {len(stuck)} stuck: {stuck[0].failure}"
        return text
