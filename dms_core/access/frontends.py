"""Frontends: the programs (a hub, the VMM) that may ask for users' tokens.

Their tokens are random; the file keeps only the SHA-256 of each::

    - {name: hub, sha256: 9f86d08…, scopes: [issue]}

``dms token NAME`` adds one. The file is read again when it changes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from ruamel.yaml import YAML

from ..errors import ConfigError, NotAllowed, NotAuthenticated
from ..model import Name
from ..yaml_file import YamlFile

log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What a frontend may do."""

    ISSUE = "issue"  # have tokens made for users


class Frontend(BaseModel):
    """One row of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]


class Frontends:
    """The frontends in ``file``; none without one.

    Raises:
        ConfigError: the file is wrong at the start. Later, the last good one stays.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._seen = _stamp(file)
        self._known = _read(file)

    def check(self, token: str, scope: Scope) -> str:
        """The name of the frontend that holds ``token``.

        Raises:
            NotAuthenticated: nobody does.
            NotAllowed: it lacks the scope.
        """
        self._refresh()
        digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
        # All are compared, so that the time tells nothing.
        found = [row for row in self._known if hmac.compare_digest(row.sha256, digest)]
        if not found:
            raise NotAuthenticated(
                "The frontend token is not known; make one with: dms token NAME --file FILE"
            )
        if scope not in found[0].scopes:
            raise NotAllowed(f"The frontend {found[0].name} lacks the scope {scope}; add it.")
        return found[0].name

    def _refresh(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._known = _read(self._file)
        except ConfigError as error:
            log.warning("%s The frontends before this change stay known.", error)


def add(file: Path, name: str, scopes: list[Scope]) -> str:
    """Add a frontend to ``file`` (made if needed, 0600) and return its token, this once.

    Raises:
        ConfigError: the file is wrong, or has that name already.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,61}[a-z0-9]|[a-z0-9]", name):
        raise ConfigError(
            f"{name!r} cannot be a frontend's name; use lower case letters, digits and ._-"
        )
    known = _read(file) if file.exists() else ()
    if any(row.name == name for row in known):
        raise ConfigError(f"{file}: there is a frontend {name!r}; remove its row or choose another")
    token = f"dms_{secrets.token_urlsafe(32)}"
    row = Frontend(
        name=name, sha256=hashlib.sha256(token.encode()).hexdigest(), scopes=tuple(scopes)
    )
    yaml = YAML()
    rows = (yaml.load(file.read_text()) if file.exists() else None) or []
    rows.append(row.model_dump(mode="json"))
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            yaml.dump(rows, out)
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigError(f"{file}: cannot be written ({error.strerror}).") from None
    return token


def _read(file: Path | None) -> tuple[Frontend, ...]:
    if file is None:
        return ()
    return YamlFile(file).checked(tuple[Frontend, ...])


def _stamp(file: Path | None) -> tuple[int, int] | None:
    try:
        info = file.stat() if file else None
    except OSError:
        return None
    return (info.st_ino, info.st_mtime_ns) if info else None
