"""Who belongs to what: experiments, instruments, administrators, from a YAML file.

An example::

    administrators: [facility]
    instruments:
      SANS2D: {scientists: [sarah]}
    experiments:
      RB1310123: {instrument: SANS2D, members: [alice, bob], title: Micelles in flow}

An instrument's and an experiment's name is that of its folder in the rb volume.
The file is read again when it changes; a broken one is reported and the last
good one stays in force.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..errors import ConfigError
from ..yaml_file import YamlFile
from .directory import Directory
from .identity import USER
from .rules import Memberships

log = logging.getLogger(__name__)

Folder = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$")]
User = Annotated[str, StringConstraints(pattern=USER)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Instrument(_Part):
    """An instrument and its scientists."""

    scientists: tuple[User, ...] = ()


class Experiment(_Part):
    """An experiment (RB number), where it runs and who takes part."""

    instrument: Folder
    members: tuple[User, ...] = ()
    title: str = ""


class Content(_Part):
    """The whole file."""

    administrators: tuple[User, ...] = ()
    instruments: dict[Folder, Instrument] = Field(default_factory=dict)
    experiments: dict[Folder, Experiment] = Field(default_factory=dict)


class FileOptions(BaseModel):
    """``membership: {kind: yaml, options: {…}}``, or the file's path alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    check_every_s: float = Field(
        default=1.0, ge=0, description="how long a change may go unseen, in seconds"
    )


class MembershipFile(Directory):
    """The :class:`Directory` of a YAML file.

    Args:
        file: Where it is.
        check_every_s: How long a change may go unseen, so the bound of a revocation.
        clock: Seconds that only go up.

    Raises:
        ConfigError: the file is wrong at the start.
    """

    Options: ClassVar[type[BaseModel]] = FileOptions
    trouble = "The membership file is broken; see the log."

    def __init__(
        self,
        file: Path,
        *,
        check_every_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self.problem = ""
        """Why the file as it is now is not in force; empty if it is."""
        self._check_every_s = check_every_s
        self._clock = clock
        self._checked_at = clock()
        self._seen = _stamp(file)
        self._by_user = _by_user(_read(file))

    def of(self, user: str) -> Memberships:
        """What ``user`` belongs to now; nothing, if the file does not name the user."""
        if self._clock() - self._checked_at >= self._check_every_s:
            self._checked_at = self._clock()
            self._refresh()
        return self._by_user.get(user) or Memberships(user)

    def _refresh(self) -> None:
        stamp = _stamp(self.file)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._by_user = _by_user(_read(self.file))
        except ConfigError as error:
            self.problem = f"{error} The memberships before this change stay in force."
            log.warning("%s", self.problem)
        else:
            self.problem = ""
            log.info("memberships read again from %s", self.file)


def _read(file: Path) -> Content:
    source = YamlFile(file)
    content = source.checked(Content)
    for number, experiment in content.experiments.items():
        if experiment.instrument not in content.instruments:
            raise source.wrong(
                ("experiments", number, "instrument"),
                f"there is no instrument {experiment.instrument!r} above; add or correct it",
            )
    return content


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        info = file.stat()
    except OSError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def _by_user(content: Content) -> dict[str, Memberships]:
    instruments: dict[str, set[str]] = {}
    experiments: dict[str, set[tuple[str, str]]] = {}
    for name, instrument in content.instruments.items():
        for user in instrument.scientists:
            instruments.setdefault(user, set()).add(name)
    for number, experiment in content.experiments.items():
        for user in experiment.members:
            experiments.setdefault(user, set()).add((experiment.instrument, number))
    return {
        user: Memberships(
            user,
            administrator=user in content.administrators,
            instruments=frozenset(instruments.get(user, ())),
            experiments=frozenset(experiments.get(user, ())),
        )
        for user in {*content.administrators, *instruments, *experiments}
    }
