"""The file that tells websockify which token leads where (its plugin TokenFile).

One line a token, ``TOKEN: host:port``; websockify reads it at each connection.
The tokens are secrets, so only root reads it.
"""

from __future__ import annotations

import os
from pathlib import Path


class TokenFile:
    """The tokens of one desktop.

    Args:
        path: of the file.
        target: ``host:port`` where VNC answers.
    """

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        self._target = target

    def prepare(self) -> None:
        """Make the file without tokens, unless it is there."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            self._write([])

    def add(self, token: str) -> None:
        """Let a token in; nothing if it is in."""
        self._write([*(one for one in self._tokens() if one != token), token])

    def remove(self, token: str) -> None:
        """Let a token in no more; nothing if it was not in."""
        self._write([one for one in self._tokens() if one != token])

    def _tokens(self) -> list[str]:
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.partition(":")[0] for line in lines if line]

    def _write(self, tokens: list[str]) -> None:
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600), "w") as file:
            file.write("".join(f"{token}: {self._target}\n" for token in tokens))
        draft.replace(self._path)
