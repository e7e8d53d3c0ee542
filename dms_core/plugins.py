"""Kinds of something by name, found by entry points: imported when named, told when missing.

``storage/registry.py`` and ``movers/registry.py`` are this for their group.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from .errors import ConfigError

_T = TypeVar("_T")


def kinds(group: str) -> dict[str, EntryPoint]:
    """What is installed in a group, by name, without importing any of it."""
    return {point.name: point for point in entry_points(group=group)}


def load(known: Mapping[str, EntryPoint], kind: str, base: type[_T]) -> type[_T]:
    """The class of a kind among ``known``.

    Raises:
        ConfigError: there is none of that name, it cannot be imported, or it is no ``base``.
    """
    word = base.__name__
    if kind not in known:
        raise unknown(word, kind, known)
    point = known[kind]
    try:
        found = point.load()
    except ImportError as error:
        raise ConfigError(
            f"{word} {kind!r} needs a library that is not installed ({error}); "
            f"run: pip install '{_requirement(point)}'"
        ) from None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"{word} {kind!r} ({point.value}) is no {word}; tell its authors.")
    return found


def unknown(word: str, kind: str, known: Mapping[str, EntryPoint]) -> ConfigError:
    """What to say of a kind that nothing brings."""
    return ConfigError(
        f"There is no {word.lower()} of kind {kind!r}; choose one of {', '.join(sorted(known))}, "
        f"or install the package that brings it."
    )


def _requirement(point: EntryPoint) -> str:
    """What to install for a kind: its package, with the extra of its name if it has one."""
    if point.dist is None:
        return point.name
    extras = point.dist.metadata.get_all("Provides-Extra") or []
    return f"{point.dist.name}[{point.name}]" if point.name in extras else point.dist.name
