"""The widgets' JavaScript and CSS, put together from the files in ``static``.

A widget's module reaches the browser as text and cannot import its neighbours,
so what it imports from ``./`` is written before it, once each.
"""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.M)


def module(name: str) -> str:
    """The ES module ``name`` with all that it imports from beside it."""
    seen: list[str] = []
    return _with_imports(name, seen)


def styles(*names: str) -> str:
    """The style sheets ``names``, one after the other."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


def _with_imports(name: str, seen: list[str]) -> str:
    seen.append(name)
    text = (STATIC / name).read_text(encoding="utf-8")
    before = [
        _EXPORT.sub("", _with_imports(one, seen))
        for one in _IMPORT.findall(text)
        if one not in seen
    ]
    return "\n".join([*before, _IMPORT.sub("", text)])
