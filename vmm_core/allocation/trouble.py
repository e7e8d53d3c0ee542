"""What keeps a pool from getting new machines, in a word for programs and in words for users. Pure.

Operators read the cloud's own sentence in the pool's status and in the log;
users read these: no addresses, no ids, no quotas.
"""

from __future__ import annotations

from enum import StrEnum


class Trouble(StrEnum):
    """Why a cloud makes no machine for a pool now."""

    FULL = "full"  # the account may not have more
    NO_ROOM = "no-room"  # the provider has no room for this size
    BUSY = "busy"  # too many calls
    AWAY = "away"  # it does not answer
    REFUSED = "refused"  # bad credentials or a bad request: an operator must act
    FAILING = "failing"  # its machines do not start

    @property
    def lasting(self) -> bool:
        """Whether it is there until an operator acts, so that to wait for its end is no help."""
        return self is Trouble.REFUSED


_SAID = {
    Trouble.FULL: "is full now",
    Trouble.NO_ROOM: "has no room for such a machine now",
    Trouble.BUSY: "is too busy to make machines now",
    Trouble.AWAY: "does not answer now",
    Trouble.REFUSED: "is out of order until its operators put it right",
    Trouble.FAILING: "cannot start machines now",
}


def said_of(trouble: Trouble, place: str) -> str:
    """A clause for users: ``Diamond is full now``."""
    return f"{place} {_SAID[trouble]}"
