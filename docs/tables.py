"""The two tables of the documentation that are kept as data: what works, and what people read.

``what-works.yaml`` and ``messages/*.yaml`` are written by hand, ``what-works.md``
and ``messages.md`` from them by ``make docs``; tests/docs holds that the pages
are up to date and that every test and command they name is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).parent


def load(path: Path) -> Any:
    """A YAML file's content."""
    return YAML(typ="safe").load(path.read_text())


def what_works() -> str:
    """The page: a table for each area, a row for each part of the design."""
    text = [
        "# What works",
        "",
        "One row for each part of the design: what proves it, and what that does not prove. A test",
        "keeps this page true to `what-works.yaml`, and what is named here existing.",
        "`make test` runs all tests but those that say otherwise.",
    ]
    for area, rows in load(HERE / "what-works.yaml").items():
        cells = [(row["part"], row["works"], _proofs(row["proof"]), row["not"]) for row in rows]
        text += ["", f"## {area}", "", *_table(("part", "works", "proven by", "not proven"), cells)]
    return "\n".join(text) + "\n"


def messages() -> str:
    """The page: for each provider, storage and mover, who reads what when something is wrong."""
    text = [
        "# What people read when something is wrong",
        "",
        "The user reads what to do next, the operator what to mend. `…` stands for what",
        "differs from case to case. Each row's test gets the sentences from the real thing.",
    ]
    for path in sorted((HERE / "messages").glob("*.yaml")):
        cells = [(row["situation"], row["user"], row["operator"]) for row in load(path)]
        title = path.stem.replace("-", " ")
        text += ["", f"## {title}", "", *_table(("situation", "user", "operator"), cells)]
    return "\n".join(text) + "\n"


def _proofs(proofs: Sequence[str]) -> str:
    return "<br>".join(f"`{proof}`" for proof in proofs)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
