"""Answers of a GridFTP server: what they say, and which of our errors that is. Pure.

Sources: RFC 959 (reply codes), RFC 3659 (facts of MLST), GFD.20 and GFD.47
(GridFTP), and what the Globus server writes for failed system calls
(``GridFTP-Errno``).
"""

from __future__ import annotations

import calendar
import re
from typing import NamedTuple

from ... import errors
from ...model import Entry, Kind
from ..base import version_of

_ERRNO = re.compile(r"GridFTP-Errno: (\d+)")
_BY_ERRNO = {
    2: (errors.NotFound, "does not exist; check the path"),
    20: (errors.NotAFolder, "is below a file; check the path"),
    21: (errors.IsAFolder, "is a folder; name a file"),
    13: (errors.NotAllowed, "may not be read by the account the server uses for the DMS"),
    1: (errors.NotAllowed, "may not be read by the account the server uses for the DMS"),
    36: (errors.BadRequest, "has a name that is too long for the server; check the path"),
    40: (errors.NotFound, "is a link to itself; tell its owner"),
}


class Reply(NamedTuple):
    """One answer, with the lines of its text."""

    code: int
    lines: list[str]

    @property
    def ok(self) -> bool:
        """Whether it is no refusal."""
        return self.code < 400

    @property
    def text(self) -> str:
        """In one line, for a message: the server's own words for what is wrong."""
        words = [line[4:].strip() if line[:3].isdigit() else line.strip() for line in self.lines]
        known = [word.split(": ", 1)[1] for word in words if word.startswith("GridFTP-Error-Str")]
        return f"{self.code} {known[0] if known else ' '.join(words)}"[:300]


def error_of(reply: Reply, path: str, url: str) -> errors.DmsError:
    """What a refusal about ``path`` means."""
    text = "\n".join(reply.lines)
    found = _ERRNO.search(text)
    if found and int(found[1]) in _BY_ERRNO:
        kind, words = _BY_ERRNO[int(found[1])]
        return kind(f"{path} {words}.")
    lower = text.lower()
    if "no such file" in lower or "not_found" in lower:
        return errors.NotFound(f"{path} does not exist; check the path.")
    if "not a directory" in lower:
        return errors.NotAFolder(f"{path} is below a file; check the path.")
    if "not allowed" in lower or "permission denied" in lower:
        return errors.NotAllowed(f"{path} may not be read by the account used for the DMS.")
    return errors.DmsError(f"{path} cannot be read: the server of {url} failed ({reply.text}).")


def entry_of(line: str, path: str) -> Entry | None:
    """The entry that a line of facts tells, at ``path``; None if it is none of ours."""
    facts = facts_of(line)[0]
    kind = {"file": Kind.FILE, "dir": Kind.FOLDER, "cdir": Kind.FOLDER}.get(facts.get("type", ""))
    if kind is None or "modify" not in facts:
        return None
    try:
        mtime_s = _seconds(facts["modify"])
        size = int(facts.get("size", "0")) if kind is Kind.FILE else 0
        mode = int(facts.get("unix.mode", "0444" if kind is Kind.FILE else "0555"), 8) & 0o777
    except ValueError:
        return None
    return Entry(
        path=path,
        kind=kind,
        id=path,
        version=version_of(size, mtime_s),
        size=size,
        mtime_ns=mtime_s * 10**9,
        mode=mode,
    )


def facts_of(line: str) -> tuple[dict[str, str], str]:
    """Facts (names in lower case) and name in a line such as `` Type=file;Size=3; a name``."""
    facts, _, name = line.removeprefix(" ").partition(" ")
    pairs = (fact.partition("=") for fact in facts.split(";") if fact)
    return {key.lower(): value for key, _, value in pairs}, name


def _seconds(modify: str) -> int:
    """``YYYYMMDDhhmmss`` in UTC as seconds since the epoch; quicker than strptime."""
    year, rest = int(modify[:4]), [int(modify[at : at + 2]) for at in range(4, 14, 2)]
    return calendar.timegm((year, *rest))
