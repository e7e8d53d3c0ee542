"""What is wrong with a YAML file, told with its line and a remedy. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(names)}" if names else "none is defined"


def plain(node: object) -> Any:
    """The node without ruamel's own types."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return node


def line_of(node: CommentedMap, key: object) -> int:
    """The line of a key, counted from 1; the mapping's own if it has no such key."""
    return int(node.lc.key(key)[0] if key in node else node.lc.line) + 1


def line_at(node: CommentedMap, path: tuple[int | str, ...]) -> int:
    """The line of the innermost part of ``path`` that is in the file."""
    line = node.lc.line + 1
    here: object = node
    for step in path:
        if isinstance(here, CommentedMap) and step in here:
            line = line_of(here, step)
        elif isinstance(here, CommentedSeq) and isinstance(step, int) and step < len(here):
            line = here.lc.item(step)[0] + 1
        else:
            break
        here = here[step]
    return int(line)


def sentence(details: ErrorDetails, model: type[BaseModel], what: str) -> str:
    """One of pydantic's findings as a sentence with a remedy."""
    path = [str(step) for step in details["loc"]]
    key = ".".join(path)
    if details["type"] == "extra_forbidden":
        known = model.model_fields if len(path) == 1 else ()
        remedy = nearest(path[-1], known) if known else "remove it"
        return f"unknown key {key!r} in {what}: {remedy}"
    if details["type"] == "missing":
        return f"{what} has no {key!r}: add it"
    if details["type"] == "string_pattern_mismatch":
        return (
            f"{key} of {what} is {details['input']!r}: use lower case letters, digits, dots and "
            f"hyphens, at most 63"
        )
    message = details["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    where = f"{key} of {what}" if key else what
    given = details["input"]
    shown = f" is {given!r}" if isinstance(given, str | int | float | bool) else ""
    return f"{where}{shown}: {message}"
