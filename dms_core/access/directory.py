"""What a source of memberships is: a file, LDAP, a user office. Base of the plugins.

A kind is a subclass, named by an entry point in ``dms_core.directories``; its
``Options`` are what stands under ``membership: {kind: …, options: {…}}``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import ClassVar

from pydantic import BaseModel

from .. import plugins
from .rules import Memberships

GROUP = "dms_core.directories"


class Directory(ABC):
    """Answers who belongs to what. Its calls are made from one event loop."""

    Options: ClassVar[type[BaseModel]]
    """What it is configured with; the class is called with these by keyword."""
    trouble: ClassVar[str] = "Memberships are not up to date; see the log."
    """What ``/health`` tells everybody while there is a ``problem``."""
    problem: str = ""
    """Why what it answers is not up to date, for the operator; empty if it is."""

    @abstractmethod
    def of(self, user: str) -> Memberships:
        """What ``user`` belongs to now. Quick: it is asked on every call."""

    async def start(self) -> None:  # noqa: B027 - not every source needs it
        """Begin.

        Raises:
            ConfigError: it can never work as it is configured. That its server is
                away is no such reason: it is a ``problem``.
        """

    async def load(self, user: str) -> None:  # noqa: B027 - not every source needs it
        """Have what :meth:`of` needs of ``user``. Waits for a bounded time and never fails."""

    async def close(self) -> None:  # noqa: B027 - not every source needs it
        """End all work."""


def kinds() -> dict[str, EntryPoint]:
    """What is installed, by name, without importing any of it."""
    return plugins.kinds(GROUP)


def options(kind: str, given: Mapping[str, object]) -> BaseModel:
    """``given`` as the kind's checked options.

    Raises:
        ConfigError: no such kind, or its library is missing.
        pydantic.ValidationError: the options are wrong.
    """
    return _load(kind).Options.model_validate(dict(given))


def make(kind: str, checked: BaseModel) -> Directory:
    """A directory of a kind.

    Raises:
        ConfigError: no such kind, or it cannot work with these options.
    """
    return _load(kind)(**dict(checked))


def _load(kind: str) -> type[Directory]:
    return plugins.load(kinds(), kind, Directory)  # type: ignore[type-abstract]
