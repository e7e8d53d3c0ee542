"""Kinds of mover by name, found by the entry points ``dms_core.movers``."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from .. import plugins
from .base import Mover

GROUP = "dms_core.movers"


def kinds() -> dict[str, EntryPoint]:
    """What is installed, by name, without importing any of it."""
    return plugins.kinds(GROUP)


def load(kind: str) -> type[Mover]:
    """The class of a kind of mover.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    return plugins.load(kinds(), kind, Mover)  # type: ignore[type-abstract]
