"""A lease's events as the story of a start, for its user. Pure.

The VMM tells its events to operators and programs too: with the ids of machines
and the names of programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vmm_core.model import LeaseEvent

_PROGRAMS = {"jupyterhub-singleuser": "the notebook server", "dms-mount": "the data mount"}
_MACHINE = re.compile(r"\bvmm-[0-9a-f]+\b")


def told(
    event: LeaseEvent, places: Mapping[str, str], near: Mapping[str, float] | None = None
) -> str | None:
    """What the progress page says of ``event``; None if it says nothing new.

    Args:
        event: as the VMM tells it.
        places: titles of the locations by their names.
        near: the share of the user's data that locations have, if that was wished for.
    """
    if event.stage == "requested":
        return None  # the start says what it asks for
    message = event.message
    if event.stage == "claimed":
        rest, at, place = message.rpartition(" at ")
        message = _MACHINE.sub("a machine", f"{rest}{at}{places.get(place, place)}")
        if share := (near or {}).get(place):
            part = "" if share > 0.995 else f"{share:.0%} of "
            message += f", where {part}your data is"
    return plain(message)


def plain(message: str) -> str:
    """``message`` without the names of machines and programs, beginning like a sentence."""
    for name, words in _PROGRAMS.items():
        message = message.replace(name, words)
    message = _MACHINE.sub("the machine", message)
    return message[:1].upper() + message[1:]
