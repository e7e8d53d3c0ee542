"""What users read when the storage of a path is away: no addresses, no protocols. Pure.

Operators read the storage's own sentence, in the log and in ``dms health``.
"""

from __future__ import annotations

from .. import errors
from ..movers.base import Busy, Refused


def for_users(why: type[errors.Unreachable], path: str) -> errors.StorageAway:
    """What is said of ``path``, whose storage failed with a ``why``."""
    if issubclass(why, Refused):
        return errors.StorageAway(
            f"{path} cannot be reached: its storage does not let the DMS in; tell the facility."
        )
    if issubclass(why, Busy):
        return errors.StorageAway(
            f"{path} cannot be reached now: its storage is full of readers; try again in a minute."
        )
    if issubclass(why, errors.TimedOut):
        return errors.StorageAway(
            f"{path} cannot be reached now: its storage is too slow; try again in a minute."
        )
    return errors.StorageAway(
        f"{path} cannot be reached now: its storage is away; it is asked again by itself."
    )
