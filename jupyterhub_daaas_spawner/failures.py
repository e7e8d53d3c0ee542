"""What a user is told when a service fails. Pure; the operator reads the error in the log."""

from __future__ import annotations

from dataclasses import dataclass

from dms_core.errors import DmsError
from vmm_core.errors import BindFailed, NotAllowed, Unavailable, VmmError

from .story import plain

CLOSED = (
    "No server can be started now, because the service that hands out machines does not "
    "answer. Servers that run go on. Try again in a minute; if it stays like this, tell the "
    "facility's support."
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One sentence or two for the user.

    ``reason`` is a label for metrics; ``passing`` says that trying again may help.
    """

    message: str
    reason: str
    status_code: int
    passing: bool


def explain(error: VmmError | DmsError) -> Failure:
    """The error in words for someone who only wants a notebook."""
    if isinstance(error, DmsError):
        return Failure(
            "No server can be started now, because the service that brings your data does not "
            "answer or does not know this hub. Try again in a minute; if it stays like this, "
            "tell the facility's support.",
            "dms",
            503,
            passing=True,
        )
    if isinstance(error, Unavailable):
        return Failure(CLOSED, "vmm", 503, passing=True)
    if isinstance(error, NotAllowed):
        return Failure(
            "No server can be started, because the service that hands out machines does not "
            "accept this hub's token. Tell the facility's support.",
            "vmm-token",
            503,
            passing=False,
        )
    if isinstance(error, BindFailed):
        # What its programs printed, after the colon, is for the operator.
        what = plain(str(error).split(":")[0])
        message = f"The machine could not be made ready for you. {what}."
        return Failure(message, "bind", 502, passing=True)
    return Failure(plain(str(error)), error.slug, error.status, passing=False)
