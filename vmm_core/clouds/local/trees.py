"""Removes trees of files: a machine's, and those of machines whose making was interrupted."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def sweep(parent: Path, older_than_s: float = 600) -> None:
    """Remove drafts of machines whose making was interrupted before they had a name."""
    for pattern in (".new-*", ".gone-*"):
        for path in parent.glob(pattern):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > older_than_s:
                    remove_tree(path)


def remove_tree(path: Path) -> None:
    """``rm -rf``, also through folders that overlayfs left without permissions.

    Raises:
        OSError: something could not be deleted.
    """

    def open_up(function: Callable[..., Any], name: str, failure: Any) -> None:
        error = failure[1]
        if isinstance(error, FileNotFoundError):
            return
        if not isinstance(error, PermissionError):
            raise error
        parent = Path(name).parent
        parent.chmod(0o700)
        if stat.S_ISDIR(os.lstat(name).st_mode):
            Path(name).chmod(0o700)
            shutil.rmtree(name, onerror=open_up)
        else:
            Path(name).unlink()

    shutil.rmtree(path, onerror=open_up)
