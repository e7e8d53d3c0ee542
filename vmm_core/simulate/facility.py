"""Which environments a facility offers: a CSV file of them, or a small one made up here.

A CSV file has a line for each environment and these columns, others are left
alone: ``facility``, ``name``, ``flavor`` (the size's name), ``cpus``, ``ram_gb``,
``gpus``, ``pool_size`` (ready machines now), ``max_size``, ``groups`` (split by ``;``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRequest

_COLUMNS = ("name", "cpus", "ram_gb", "gpus", "pool_size", "max_size")


def slug(title: str) -> str:
    """A title as a name of the catalogue."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].rstrip("-")


@dataclass(frozen=True, slots=True)
class Place:
    """An environment in its size at a facility, with its pool as it is now."""

    facility: str
    title: str
    environment: str
    """Its name in a catalogue."""
    size: str
    cpus: float
    ram_gb: float
    gpus: int
    ready: int
    maximum: int
    groups: tuple[str, ...] = ()

    @property
    def pool(self) -> str:
        """The name of its pool at the simulated cloud of its facility."""
        return f"{self.environment}@{self.cloud}/{self.environment}"

    @property
    def cloud(self) -> str:
        """The name of the facility's cloud."""
        return slug(self.facility)


def _small(facility: str, title: str, size: str, ready: int, maximum: int, group: str) -> Place:
    cpus, ram_gb, gpus = {
        "small": (4.0, 16.0, 0),
        "medium": (16.0, 64.0, 0),
        "large": (60.0, 240.0, 0),
        "gpu": (12.0, 90.0, 1),
    }[size]
    return Place(facility, title, slug(title), size, cpus, ram_gb, gpus, ready, maximum, (group,))


SMALL: tuple[Place, ...] = (
    _small("Neutrons", "Powder diffraction", "small", 5, 50, "Diffraction"),
    _small("Neutrons", "Single crystals", "medium", 3, 30, "Diffraction"),
    _small("Neutrons", "Total scattering", "medium", 5, 60, "Diffraction"),
    _small("Neutrons", "Small angles", "medium", 5, 50, "Soft matter"),
    _small("Neutrons", "Reflectometry", "medium", 4, 45, "Soft matter"),
    _small("Neutrons", "Spectroscopy", "medium", 6, 55, "Spectroscopy"),
    _small("Neutrons", "Muon spins", "small", 4, 30, "Spectroscopy"),
    _small("Neutrons", "Imaging", "gpu", 3, 20, "Imaging"),
    _small("Neutrons", "Imaging of large volumes", "large", 1, 6, "Imaging"),
    _small("Lasers", "Pulsed beams", "small", 4, 12, "Lasers"),
    _small("Lasers", "Microscopy", "gpu", 1, 8, "Biology"),
    _small("Lasers", "Light sheets", "large", 1, 8, "Biology"),
)
"""A small facility that exists nowhere."""


def load(path: Path) -> tuple[Place, ...]:
    """The environments of a CSV file that may have a machine at all.

    Raises:
        BadRequest: it cannot be read or a line is wrong; with the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadRequest(f"{path}:1: the column {missing[0]} is missing: add it")
            found = [_place(row, f"{path}:{reader.line_num}") for row in reader]
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    places = [place for place in found if place.maximum]
    for place in places:
        if sum(other.environment == place.environment for other in places) > 1:
            raise BadRequest(f"{path}: {place.title!r} is there twice: name one of them otherwise")
    if not places:
        raise BadRequest(f"{path} has no environment with a max_size above 0")
    return tuple(places)


def _place(row: dict[str, str], where: str) -> Place:
    try:
        return Place(
            facility=row.get("facility") or "Facility",
            title=row["name"],
            environment=slug(row["name"]),
            size=row.get("flavor") or slug(row["name"]),
            cpus=float(row["cpus"]),
            ram_gb=float(row["ram_gb"]),
            gpus=int(row["gpus"]),
            ready=int(row["pool_size"]),
            maximum=int(row["max_size"]),
            groups=tuple(filter(None, (row.get("groups") or "").split(";"))),
        )
    except (TypeError, ValueError) as error:
        raise BadRequest(f"{where}: {error}") from None


def facilities(places: Sequence[Place]) -> tuple[str, ...]:
    """The facilities, in the order in which they first appear."""
    return tuple(dict.fromkeys(place.facility for place in places))
