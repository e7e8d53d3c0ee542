"""The iCalendar files that sizings name: read again when they change, the last good one kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from ..errors import BadRequest
from .ical import Calendar, CalendarError, parse

_log = logging.getLogger(__name__)


def read_calendar(path: Path) -> Calendar:
    """The events of a file.

    Raises:
        BadRequest: it cannot be read, or is no calendar; one sentence with the file.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(
            f"the calendar {path} cannot be read: {error.strerror}: put it there, or correct 'file'"
        ) from None
    except UnicodeDecodeError:
        raise BadRequest(f"the calendar {path} is not UTF-8 text: save it as UTF-8") from None
    except CalendarError as error:
        between = " " if str(error).startswith("is ") else ": "
        raise BadRequest(f"the calendar {path}{between}{error}") from None


class CalendarFiles:
    """The calendars in use; files are named as in the catalogue."""

    def __init__(self, files: Iterable[Path], folder: Path) -> None:
        """``files`` are looked for in ``folder`` unless they are absolute."""
        self._folder = folder
        self.calendars: dict[str, Calendar] = {}
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._files = sorted(files)

    def look(self) -> bool:
        """Read what is new or changed; whether anything is.

        A file that is broken or gone is logged once; its last good state stays.
        """
        changed = False
        for file in self._files:
            stamp = _stamp(self._folder / file)
            if self._stamps.get(file) == stamp:
                continue
            self._stamps[file] = stamp
            try:
                self.calendars[str(file)] = read_calendar(self._folder / file)
                changed = True
            except BadRequest as error:
                kept = (
                    "what it said before holds on"
                    if str(file) in self.calendars
                    else "it is left out"
                )
                _log.error("%s; %s", error, kept)
        return changed


def _stamp(file: Path) -> tuple[int, int, int]:
    """Changes when the file does; zeros if there is none."""
    try:
        told = file.stat()
    except OSError:
        return 0, 0, 0
    return told.st_mtime_ns, told.st_size, told.st_ino
