"""The code blocks of a documentation page, so that tests run what people read."""

from __future__ import annotations

import re

from ..conftest import CHECKOUT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of ``docs/PAGE`` in that language, in order."""
    text = (CHECKOUT / "docs" / page).read_text()
    return [code for found, code in _BLOCK.findall(text) if found == language]
