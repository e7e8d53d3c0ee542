"""What people read when something is wrong, as promised in ``docs/messages``.

One YAML file for each part, with a row for each situation::

    - situation: wrong address
      user: "The archive cannot be reached now; …"
      operator: "gridftp gsiftp://…: nobody listens there (…); correct the url."
      test: tests/dms_core/movers/test_gridftp.py::test_wrong_address

``…`` stands for what differs from case to case. The test that a row names asks
for the row here and compares, so that the page shows what is really said.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "docs" / "messages"


class Row(NamedTuple):
    """The sentences of one situation."""

    situation: str
    user: str
    operator: str
    test: str


@cache
def rows(part: str) -> list[Row]:
    """All rows of a part, in the file's order."""
    text = (FOLDER / f"{part}.yaml").read_text()
    return [Row(**row) for row in YAML(typ="safe").load(text)]


def expected(part: str, situation: str) -> Row:
    """One row; fails if the page has none of that name."""
    found = [row for row in rows(part) if row.situation == situation]
    assert len(found) == 1, f"docs/messages/{part}.yaml has {len(found)} rows for {situation!r}"
    return found[0]


def says(promised: str, said: str) -> bool:
    """Whether ``said`` is the promised sentence, ``…`` standing for anything."""
    return re.fullmatch(".+?".join(map(re.escape, promised.split("…"))), said, re.S) is not None
