"""A trace: who asked for which environment when, and for how long they kept the machine.

One request a line, oldest first, as CSV with a header or as JSON lines::

    time,user,group,environment,cpus,ram_gb,gpus,duration_s
    2026-01-05T08:58:12Z,u17,Muon,muon,4,16,0,9120

``time`` is ISO 8601 (UTC where it names no zone), ``duration_s`` counts from
the hand-over of the machine. ``cpus``, ``ram_gb`` and ``gpus`` are the least
that the machine must have; empty is 0.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ..errors import BadRequest

COLUMNS = ("time", "user", "group", "environment", "cpus", "ram_gb", "gpus", "duration_s")
"""The columns of a trace, in order."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?\Z")
_NEEDED = ("time", "user", "environment", "duration_s")


@dataclass(frozen=True, slots=True)
class Request:
    """One person's request for one machine."""

    at: float
    """Seconds since 1970, UTC."""
    user: str
    group: str
    environment: str
    cpus: float
    ram_gb: float
    gpus: int
    duration_s: float
    """How long the machine is kept, from the hand-over on."""

    def row(self) -> dict[str, str | float]:
        """As it is written; whole numbers without a point."""
        at = datetime.fromtimestamp(round(self.at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        numbers = {"cpus": self.cpus, "ram_gb": self.ram_gb, "gpus": self.gpus}
        return {
            "time": at,
            "user": self.user,
            "group": self.group,
            "environment": self.environment,
            **{
                name: int(value) if value == int(value) else value
                for name, value in numbers.items()
            },
            "duration_s": round(self.duration_s),
        }


def write(requests: Iterable[Request], file: IO[str], *, lines: bool = False) -> None:
    """Write a trace as CSV, or as JSON lines."""
    if lines:
        for request in requests:
            file.write(json.dumps(request.row()) + "\n")
        return
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(request.row().values() for request in requests)


def read(path: Path) -> list[Request]:
    """The requests of a file, in the order of their times.

    Raises:
        BadRequest: it cannot be read or a line is wrong; with the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = list(_requests(file, path))
    except OSError as error:
        raise BadRequest(f"the trace {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRequest(f"the trace {path} is not UTF-8 text: save it as UTF-8") from None
    if not found:
        raise BadRequest(f"the trace {path} has no request: nothing can be told from it")
    return sorted(found, key=lambda request: request.at)


def _requests(file: IO[str], path: Path) -> Iterator[Request]:
    first = file.readline()
    file.seek(0)
    if first.lstrip().startswith("{"):
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError:
                raise BadRequest(f"{path}:{number}: is not JSON: one object a line") from None
            if not isinstance(row, dict):
                raise BadRequest(f"{path}:{number}: is not an object: one object a line")
            yield _request(row, f"{path}:{number}")
        return
    reader = csv.DictReader(file)
    _check_columns(reader.fieldnames or (), path)
    for row in reader:
        yield _request(row, f"{path}:{reader.line_num}")


def _check_columns(names: Sequence[str], path: Path) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise BadRequest(
            f"{path}:1: the column {missing[0]} is missing: a trace has {', '.join(COLUMNS)}"
        )


def _request(row: dict[str, object], where: str) -> Request:
    def number(name: str) -> float:
        given = row.get(name)
        try:
            value = float(str(given)) if given not in (None, "") else 0.0
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise BadRequest(f"{where}: {name} is {given!r}: give a number, 0 or more")
        return value

    def text(name: str) -> str:
        return str(row.get(name) or "")

    if not text("environment") or row.get("duration_s") in (None, ""):
        raise BadRequest(f"{where}: it lacks environment or duration_s: give both")
    if not _NAME.match(text("environment")):
        raise BadRequest(
            f"{where}: environment is {text('environment')!r}: write its name in a catalogue, "
            "in lower case letters, digits, dots and hyphens"
        )
    try:
        at = datetime.fromisoformat(text("time"))
    except ValueError:
        raise BadRequest(
            f"{where}: time is {text('time')!r}: write it as 2026-01-05T08:58:12Z"
        ) from None
    return Request(
        at=(at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(),
        user=text("user"),
        group=text("group"),
        environment=text("environment"),
        cpus=number("cpus"),
        ram_gb=number("ram_gb"),
        gpus=int(number("gpus")),
        duration_s=number("duration_s"),
    )
