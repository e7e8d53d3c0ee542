"""The nouns of the catalogue: what is offered, where, and how much of it is kept ready."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .base import Name, Noun
from .sizing import Sizing


class Environment(Noun):
    """What a user picks: an image with its software, and who may use it."""

    name: Name
    title: str
    description: str = ""
    image: str = "default"
    software: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    groups: tuple[str, ...] = Field(
        default=(), description="who may use it: members of one of these; empty is everybody"
    )
    logo: str = Field(default="", description="path of a PNG, for frontends that show one")
    preload: tuple[str, ...] = Field(
        default=(), description="Python modules the agent imports before anyone asks"
    )


class Location(Noun):
    """Where a cloud runs."""

    name: Name
    title: str


class CloudAccount(Noun):
    """A cloud: one account at one provider, at one location.

    ``kind`` names the entry point in ``vmm_core.clouds``; ``options`` are that
    provider's own, checked by its ``Options`` model.
    """

    name: Name
    kind: str
    location: Name
    options: dict[str, object] = Field(default_factory=dict)


class Pool(Noun):
    """Ready machines of one environment in one size at one cloud."""

    environment: Name
    cloud: Name
    size: str
    ready: int = Field(default=1, ge=0, description="machines kept vacant")
    maximum: int = Field(default=10, ge=0, description="machines of this pool at any time")
    standby: int = Field(
        default=0, ge=0, description="machines kept suspended besides, where the cloud can"
    )
    priority: int = Field(
        default=0, description="the higher serves first, others get what it cannot"
    )
    replace: Literal["as-used", "at-once"] = Field(
        default="as-used",
        description="machines that are out of date: as stock is used, or at once, one by one",
    )
    max_ready_h: float | None = Field(
        default=None, gt=0, description="hours after which a vacant machine is replaced"
    )
    keep_failed: int = Field(
        default=0, ge=0, description="failed machines kept for an operator to look at"
    )
    paused: bool = Field(default=False, description="create nothing; leases go on")
    sizing: Sizing = Field(default=Sizing(), description="how `ready` changes with time")

    @property
    def name(self) -> str:
        """``environment@cloud/size``, unique in a catalogue."""
        return f"{self.environment}@{self.cloud}/{self.size}"
