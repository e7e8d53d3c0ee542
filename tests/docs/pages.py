"""The code blocks of a documentation page, so that tests run what people read."""

from __future__ import annotations

import re
import sys
from types import ModuleType

from ..conftest import CHECKOUT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of ``docs/PAGE`` in that language, in order."""
    text = (CHECKOUT / "docs" / page).read_text()
    return [code for found, code in _BLOCK.findall(text) if found == language]


def module(name: str, source: str, page: str) -> ModuleType:
    """A module made of a block of ``page``; registered, as pydantic looks annotations up there."""
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(source, page, "exec"), vars(made))  # the page itself is what is tested
    return made
