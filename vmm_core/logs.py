"""Logs of the service: every line names the machine, lease and pool that it is about.

What a task works on is said once, with :func:`about`; every line that is logged
inside carries it, whichever part logs it. Lines are for people, or JSON objects,
one a line, for what collects them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TextIO

NAMES = ("replica", "request", "user", "lease", "machine", "pool", "cloud")
"""What a line may be about, in the order in which lines for people have it."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(**names: str | None) -> Iterator[None]:
    """Let every line in the block, and in tasks that begin there, say what it is about.

    Args:
        **names: some of :data:`NAMES`; None leaves what is around.
    """
    if unknown := names.keys() - set(NAMES):
        raise ValueError(f"a line is about {', '.join(NAMES)}, not {', '.join(sorted(unknown))}")
    said = {name: value for name, value in names.items() if value is not None}
    token = _about.set({**_about.get(), **said})
    try:
        yield
    finally:
        _about.reset(token)


def told() -> Mapping[str, str]:
    """What lines are about here, in the order of :data:`NAMES`."""
    said = _about.get()
    return {name: said[name] for name in NAMES if name in said}


class TextFormatter(logging.Formatter):
    """``2026-11-22 22:40:01,123 INFO pools.effects: made [machine=vmm-1 pool=mantid@ral/s]``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line without a traceback, which comes below it."""
        record.message = _plain(record.message)
        names = " ".join(f"{name}={_word(value)}" for name, value in told().items())
        return super().formatMessage(record) + (f" [{names}]" if names else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``part``, ``message``, and what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name,
            "message": record.getMessage(),
            **told(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: int | str, *, as_json: bool, stream: TextIO = sys.stderr) -> None:
    """Let the service's logs go to ``stream``.

    Args:
        level: of our own parts; libraries log queries and their values, so theirs
            are shown from WARNING on.
        as_json: write JSON objects instead of lines for people.
        stream: where to.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(__package__).setLevel(level)
    # It warns at every question to a cloud that is away; we say so once.
    logging.getLogger("keystoneauth").setLevel(logging.ERROR)


def _plain(message: str) -> str:
    """The message in one line: what machines and programs say is in some, too."""
    if message.isprintable():
        return message
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in message)


def _word(value: str) -> str:
    """The value without what would end it: names come from callers."""
    return value if value.isprintable() and " " not in value else json.dumps(value)
