"""What would work instead of what was asked: a label for people and the options of a link."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from vmm_core.model import Offer

from .wording import hardware


@dataclass(frozen=True, slots=True)
class Move:
    """Something that would work instead.

    ``options`` are user options; following the link starts a server with them.
    """

    label: str
    options: dict[str, str] = field(default_factory=dict)

    def url(self, spawn_url: str) -> str:
        """The link, given the spawn page's URL of the same server."""
        query = urlencode({f"opt-{name}": value for name, value in self.options.items()})
        return f"{spawn_url}?{query}" if query else spawn_url


def move_to(offer: Offer) -> Move:
    """Starting exactly this offer."""
    return Move(
        label=(
            f"Start {offer.environment.title} at {offer.location.title} "
            f"with {hardware(offer.size)} ({offer.free} ready now)"
        ),
        options={
            "environment": offer.environment.name,
            "location": offer.location.name,
            **({"size": offer.size.name} if offer.size else {}),
        },
    )
