"""What the handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from dms_core.client.mount import MountClient


@dataclass(frozen=True)
class Settings:
    """The mount and the limits of its face; see the traitlets of ``DataApp``."""

    mount: MountClient
    root_dir: str
    listing_rows: int
    searched_entries: int
    text_bytes: int
