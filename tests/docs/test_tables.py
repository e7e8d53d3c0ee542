"""What the documentation's tables name is there, and the pages say what their data say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from docs.tables import HERE, load, messages, what_works

from ..conftest import CHECKOUT
from ..support.messages import FOLDER, rows

PARTS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def proofs() -> Iterator[str]:
    for area in load(HERE / "what-works.yaml").values():
        for row in area:
            yield from row["proof"]


def functions(source: str) -> set[str]:
    """Names of the tests in a module, ``Class::test`` for those of a class."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}::{n.name}" for n in node.body if hasattr(n, "name")}
    return found


def missing(proof: str) -> str:
    """What of ``path``, ``path::test`` or ``make target`` is not there; empty if all is."""
    if proof.startswith("make "):
        target = proof.split()[1]
        there = re.search(rf"^{re.escape(target)}:", (CHECKOUT / "Makefile").read_text(), re.M)
        return "" if there else f"the Makefile has no target {target}"
    path, _, name = proof.partition("::")
    if not (CHECKOUT / path).exists():
        return f"there is no {path}"
    if name and name not in functions((CHECKOUT / path).read_text()):
        return f"{path} has no {name}"
    return ""


@pytest.mark.parametrize("proof", sorted(set(proofs())))
def test_every_proof_is_there(proof: str) -> None:
    assert missing(proof) == ""


def test_a_proof_that_is_not_there_is_seen() -> None:
    here = "tests/docs/test_tables.py"
    assert all(map(missing, ["tests/none.py", f"{here}::test_none", "make none"]))


@pytest.mark.parametrize("part", PARTS)
def test_every_sentence_has_its_test(part: str) -> None:
    """The test is there, and its module asks for the row."""
    for row in rows(part):
        assert missing(row.test) == "", row.situation
        source = (CHECKOUT / row.test.partition("::")[0]).read_text()
        assert row.situation in source, f"{row.test} does not ask for {row.situation!r}"


def test_the_pages_are_up_to_date() -> None:
    """`make docs` writes them."""
    assert (HERE / "what-works.md").read_text() == what_works()
    assert (HERE / "messages.md").read_text() == messages()
