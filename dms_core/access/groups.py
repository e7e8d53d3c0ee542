"""Names of groups as memberships, by patterns such as ``rb-{instrument}-{number}``: pure.

``{instrument}`` and ``{number}`` stand for one or more letters, digits and
``_.+-`` (a number has no ``-``); upper and lower case are the same, as in LDAP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .rules import Memberships

_FIELDS = {
    "instrument": r"(?P<instrument>[A-Za-z0-9_][A-Za-z0-9_.+-]*)",
    "number": r"(?P<number>[A-Za-z0-9_][A-Za-z0-9_.+]*)",
}
Case = Literal["keep", "upper", "lower"]


@dataclass(frozen=True)
class Patterns:
    """Which groups mean what, and what the folders of what they name are called.

    Raises:
        ValueError: a pattern is wrong; the message says how.
    """

    experiments: tuple[str, ...] = ("rb-{instrument}-{number}",)
    scientists: tuple[str, ...] = ("scientists-{instrument}",)
    administrators: tuple[str, ...] = ("dms-administrators",)
    case: Case = "keep"
    """Of the folders: ``rb-sans2d-rb1310123`` is ``SANS2D/RBNumber/RB1310123`` with ``upper``."""
    number_folder: str = "{number}"
    """``RB{number}`` where the groups leave the letters out."""

    def __post_init__(self) -> None:
        for pattern in self.experiments:
            _compiled(pattern, {"instrument", "number"})
        for pattern in self.scientists:
            _compiled(pattern, {"instrument"})
        for pattern in self.administrators:
            _compiled(pattern, set())
        if self.number_folder.count("{number}") != 1:
            raise ValueError(f"{self.number_folder!r} needs {{number}} once")

    def memberships(self, user: str, groups: Iterable[str]) -> Memberships:
        """What ``user`` belongs to who is in ``groups``; names that fit no pattern mean nothing."""
        names = set(groups)
        experiments = {
            (self._cased(found["instrument"]), self._numbered(found["number"]))
            for found in _matches(names, self.experiments, {"instrument", "number"})
        }
        instruments = {
            self._cased(found["instrument"])
            for found in _matches(names, self.scientists, {"instrument"})
        }
        return Memberships(
            user,
            administrator=bool(_matches(names, self.administrators, set())),
            instruments=frozenset(instruments),
            experiments=frozenset(experiments),
        )

    def _cased(self, name: str) -> str:
        return {"keep": name, "upper": name.upper(), "lower": name.lower()}[self.case]

    def _numbered(self, number: str) -> str:
        return self.number_folder.replace("{number}", self._cased(number))


def _matches(
    names: Iterable[str], patterns: Iterable[str], fields: set[str]
) -> list[re.Match[str]]:
    compiled = [_compiled(pattern, fields) for pattern in patterns]
    tried = (one.fullmatch(name) for name in names for one in compiled)
    return [match for match in tried if match is not None]


def _compiled(pattern: str, fields: set[str]) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w*)\}", pattern)
    named = pieces[1::2]
    if sorted(named) != sorted(fields):
        wanted = " and ".join(f"{{{name}}}" for name in sorted(fields)) or "no field"
        raise ValueError(f"the pattern {pattern!r} needs {wanted}, once each, and no other")
    if any(not between for between in pieces[2:-1:2]):
        raise ValueError(f"the pattern {pattern!r} needs something between its fields")
    expression = "".join(
        _FIELDS[piece] if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return re.compile(expression, re.IGNORECASE)
