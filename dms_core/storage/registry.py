"""Kinds of storage by name, found by the entry points ``dms_core.storage``.

A kind is imported when a configuration names it, not before; if that fails
because its libraries are missing, the message says what to install.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint

from pydantic import BaseModel

from .. import plugins
from .base import Storage

GROUP = "dms_core.storage"


def kinds() -> dict[str, EntryPoint]:
    """What is installed, by name, without importing any of it."""
    return plugins.kinds(GROUP)


def load(kind: str) -> type[Storage]:
    """The class of a kind of storage.

    Raises:
        ConfigError: there is none of that name, or it cannot be imported.
    """
    return plugins.load(kinds(), kind, Storage)  # type: ignore[type-abstract]


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
