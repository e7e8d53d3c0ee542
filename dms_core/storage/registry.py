"""Kinds of storage by name, found by the entry points ``dms_core.storage``.

A kind is imported when a configuration names it, not before; if that fails
because its libraries are missing, the message says what to install.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from pydantic import BaseModel

from ..errors import ConfigError
from .base import Storage

GROUP = "dms_core.storage"


def kinds() -> dict[str, EntryPoint]:
    """What is installed, by name, without importing any of it."""
    return {point.name: point for point in entry_points(group=GROUP)}


def load(kind: str) -> type[Storage]:
    """The class of a kind of storage.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    known = kinds()
    if kind not in known:
        raise ConfigError(
            f"There is no storage of kind {kind!r}; choose one of {', '.join(sorted(known))}, "
            f"or install the package that brings it."
        )
    point = known[kind]
    try:
        found = point.load()
    except ImportError as error:
        raise ConfigError(
            f"Storage {kind!r} needs a library that is not installed ({error}); "
            f"run: pip install '{_requirement(point)}'"
        ) from None
    if not (isinstance(found, type) and issubclass(found, Storage)):
        raise ConfigError(f"Storage {kind!r} ({point.value}) is no Storage; tell its authors.")
    return found


def options(kind: str, given: Mapping[str, object]) -> BaseModel:
    """``given`` as the kind's checked options.

    Raises:
        ConfigError: no such kind.
        pydantic.ValidationError: the options are wrong.
    """
    return load(kind).Options.model_validate(dict(given))


def make(kind: str, checked: BaseModel) -> Storage:
    """A storage of a kind: its class called with its options by keyword.

    Raises:
        ConfigError: no such kind, or it cannot work with these options.
    """
    return load(kind)(**dict(checked))


def _requirement(point: EntryPoint) -> str:
    """What to install for a kind: its package, with the extra of its name if it has one."""
    if point.dist is None:
        return point.name
    extras = point.dist.metadata.get_all("Provides-Extra") or []
    return f"{point.dist.name}[{point.name}]" if point.name in extras else point.dist.name
