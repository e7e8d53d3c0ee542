"""Bearer tokens of the API: who calls, and what they may do.

The tokens file is a YAML list of ``{name, sha256, scopes}``, with ``groups`` where its
holder is a user who is in some: a plain token's groups are from there, never from the
caller, while a frontend says its users' with each request. The file holds no token,
only hashes; ``vmm token NAME`` appends an entry and prints the token once. The
service reads the file again when it changes, so that adding or removing an entry
needs no restart.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import io
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from .errors import BadRequest
from .model import GroupName, Noun

log = logging.getLogger(__name__)


class Scope(StrEnum):
    """What a token may do. Every token may see environments, locations and offers."""

    READ = "read"  # see pools, too
    LEASE = "lease"  # lease machines for the token's own name
    LEASE_ANY = "lease:any"  # a frontend: lease machines for its users
    OPERATE = "operate"  # see every machine and lease, release any


class TokenEntry(Noun):
    """One entry of the tokens file."""

    name: str = Field(pattern=r"^[^\s/]{1,255}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    groups: tuple[GroupName, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from."""

    name: str
    scopes: frozenset[Scope]
    groups: tuple[str, ...] = ()
    """That it is in, by the tokens file."""

    def may_act_for(self, owner: str) -> bool:
        """Whether the caller may lease for ``owner``."""
        return Scope.LEASE_ANY in self.scopes or (Scope.LEASE in self.scopes and owner == self.name)


def sha256_of(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokensFile:
    """The tokens in one file, as they are now."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            BadRequest: it is missing or wrong; the message gives file and line.
        """
        self._path = path
        self._seen = self._stamp()
        self._entries = read_tokens(path)

    def caller(self, token: str) -> Caller | None:
        """Who holds ``token``; None if nobody does."""
        self._refresh()
        digest = sha256_of(token)
        found = None
        for entry in self._entries:  # always all of them: time tells nothing
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return Caller(found.name, frozenset(found.scopes), found.groups) if found else None

    def _refresh(self) -> None:
        """Take a changed file; a broken one is reported once and the last good one kept."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._entries = read_tokens(self._path)
        except BadRequest as error:
            log.error("%s; going on with the tokens read before", error)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read_tokens(path: Path) -> list[TokenEntry]:
    """The entries of a tokens file.

    Raises:
        BadRequest: it is missing or wrong; the message gives file and line.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise BadRequest(
            f"there is no tokens file {path}: make one with "
            f"`vmm token NAME --scope lease --tokens-file {path}`"
        ) from None
    except OSError as error:
        raise BadRequest(f"the tokens file {path} cannot be read: {error.strerror}") from None
    return _entries(path, _parse(path, text))


def add_token(
    path: Path, name: str, scopes: tuple[Scope, ...], groups: tuple[str, ...] = ()
) -> str:
    """Append an entry for ``name`` to the file (made 0600 if missing) and return its new token.

    A name may have several tokens, so that one can be replaced without a gap.

    Raises:
        BadRequest: the file is wrong or cannot be written; it stays as it was.
    """
    token = f"vmm_{secrets.token_urlsafe(32)}"
    try:
        entry = TokenEntry(name=name, sha256=sha256_of(token), scopes=scopes, groups=groups)
    except ValidationError as error:
        if error.errors()[0]["loc"][0] == "groups":
            raise BadRequest(
                "a group's name has up to 255 characters, and none that cannot be printed"
            ) from None
        raise BadRequest(
            f"{name!r} cannot be a token's name: up to 255 characters without spaces and slashes"
        ) from None
    try:
        with _locked(path.parent):
            text = path.read_text() if path.exists() else ""
            rows = _parse(path, text)
            _entries(path, rows)
            rows.append(entry.model_dump(mode="json", exclude_defaults=True))
            _replace(path, rows)
    except OSError as error:
        raise BadRequest(f"the tokens file {path} cannot be written: {error.strerror}") from None
    return token


def _parse(path: Path, text: str) -> CommentedSeq:
    try:
        rows = YAML().load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise BadRequest(f"{path}{line}: {problem}: correct the YAML") from None
    if rows is None:
        return CommentedSeq()
    if not isinstance(rows, CommentedSeq):
        raise BadRequest(f"{path}:1: write a list of entries with name, sha256 and scopes")
    return rows


def _entries(path: Path, rows: CommentedSeq) -> list[TokenEntry]:
    entries = []
    for number, row in enumerate(rows):
        try:
            entries.append(TokenEntry.model_validate(row))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "entry"
            line = rows.lc.item(number)[0] + 1
            raise BadRequest(
                f"{path}:{line}: {field}: {first['msg']}; an entry has name, sha256 "
                f"(64 hex digits) and scopes (of {', '.join(Scope)})"
            ) from None
    return entries


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the lock is the folder's, because the file is replaced."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, rows: CommentedSeq) -> None:
    text = io.StringIO()
    YAML().dump(rows, text)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
