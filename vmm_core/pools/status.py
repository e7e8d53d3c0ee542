"""What the pool manager says of a pool, for operators."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from ..model import MachineState, Noun, Pool


class PoolStatus(Noun):
    """A pool, its machines by state, and why it creates none if it lacks some."""

    name: str
    pool: Pool | None = Field(description="None if the catalogue does not have it any more")
    location: str
    machines: dict[MachineState, int] = Field(description="how many, by state")
    failures: int = Field(default=0, description="in a row")
    hold: str = Field(default="", description="why it creates none though it lacks some")
    hold_until: datetime | None = Field(default=None, description="if that is known")
