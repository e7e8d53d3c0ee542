"""The machines of a simulated cloud, and what is left of some: indexed, and kept in a file.

To make, find or delete one takes the same time however many there are. A list
is of what was shown before: nothing of a machine changes but its state.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..base import CloudMachine, CloudState, Refused, ResourceKind


@dataclass(slots=True)
class Record:
    """A machine, or what is left of one, as the simulated provider remembers it."""

    id: str
    name: str
    owner: str
    cpus: float = 0.0
    ports: tuple[int, ...] = ()
    user_data: str = ""
    before: CloudState = CloudState.BUILDING
    after: CloudState = CloudState.RUNNING
    at: float | None = None
    """From when on it is ``after``, in seconds of the cloud's clock; None: never by itself."""
    reason: str = ""
    """Why, once it is FAILED."""
    kind: ResourceKind = ResourceKind.MACHINE
    of: str = ""
    console: str = ""
    _shown: CloudMachine | None = field(default=None, repr=False, compare=False)

    def state(self, now: float) -> CloudState:
        """What the provider says of it now."""
        return self.after if self.at is not None and now >= self.at else self.before

    def show(self, now: float) -> CloudMachine:
        """As the interface says it."""
        state, shown = self.state(now), self._shown
        if shown is None or shown.state is not state:
            machine = self.kind is ResourceKind.MACHINE
            shown = self._shown = CloudMachine(
                id=self.id,
                name=self.name,
                state=state,
                address="127.0.0.1" if machine else None,
                ports={port: port for port in self.ports},
                isolation="simulated",
                reason=self.reason if state is CloudState.FAILED else "",
                kind=self.kind,
                of=self.of,
            )
        return shown

    def stays(self, state: CloudState) -> None:
        """From now on it is ``state``, until something is done to it."""
        self.before, self.at = state, None

    def becomes(self, state: CloudState, at: float, reason: str = "") -> None:
        """It stays what it is until ``at``."""
        self.after, self.at, self.reason = state, at, reason


class Records:
    """All that one account has."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.machines = 0
        self._cpus = 0.0
        self._by_id: dict[str, Record] = {}
        self._by_name: dict[tuple[str, str], Record] = {}
        self._by_owner: dict[str, dict[str, Record]] = {}
        for record in records:
            self.add(record)

    @property
    def cpus(self) -> float:
        """CPUs of all machines."""
        return round(self._cpus, 6)  # a total of fractions drifts

    def add(self, record: Record) -> None:
        """One more, whose id and name are new."""
        self._by_id[record.id] = record
        self._by_name[record.owner, record.name] = record
        self._by_owner.setdefault(record.owner, {})[record.id] = record
        self.machines += record.kind is ResourceKind.MACHINE
        self._cpus += record.cpus

    def remove(self, record: Record) -> None:
        """One less."""
        del self._by_id[record.id], self._by_owner[record.owner][record.id]
        del self._by_name[record.owner, record.name]
        self.machines -= record.kind is ResourceKind.MACHINE
        self._cpus -= record.cpus

    def get(self, record_id: str) -> Record | None:
        """By id."""
        return self._by_id.get(record_id)

    def named(self, owner: str, name: str) -> Record | None:
        """By name."""
        return self._by_name.get((owner, name))

    def of(self, owner: str) -> Iterable[Record]:
        """All of an owner's."""
        return self._by_owner.get(owner, {}).values()

    def text(self) -> str:
        """All as JSON."""
        return json.dumps([_plain(record) for record in self._by_id.values()])

    @classmethod
    def parse(cls, text: str) -> Records:
        """What :meth:`text` wrote.

        Raises:
            DamagedError: it is something else.
        """
        try:
            return cls(_record(item) for item in json.loads(text))
        except (ValueError, TypeError, KeyError):
            raise DamagedError from None


class DamagedError(Exception):
    """What was read holds no machines."""


@contextmanager
def kept(cloud: str, path: Path) -> Iterator[Records]:
    """The records in a file, to read and to change; changes are kept whole or not at all.

    Raises:
        Refused: the file cannot be used, an operator must mend it.
    """
    try:
        with path.with_name(path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.read_text() if path.exists() else "[]"
            records = Records.parse(before)
            yield records
            after = records.text()
            if after != before:
                draft = path.with_name(path.name + ".draft")
                draft.write_text(after)
                draft.replace(path)
    except OSError as error:
        raise Refused(
            f"cloud {cloud}: the file {path} cannot be used ({error.strerror}): "
            "correct 'state_file', or make room or a folder for it"
        ) from None
    except DamagedError:
        raise Refused(
            f"cloud {cloud}: the file {path} is damaged: "
            "put a copy of it back, or remove it, and with it all its machines"
        ) from None


_KEPT = tuple(each.name for each in fields(Record) if each.name != "_shown")
"""What is kept of a record: asdict() copies deeply, which is slow with thousands of them."""


def _plain(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _KEPT}


def _record(item: dict[str, Any]) -> Record:
    record = Record(**item)
    record.ports = tuple(record.ports)
    record.before, record.after = CloudState(record.before), CloudState(record.after)
    record.kind = ResourceKind(record.kind)
    return record
