"""What can be made to go wrong at a simulated cloud, by name, and the error it comes out as."""

from __future__ import annotations

from typing import Literal, get_args

from ..base import (
    CloudError,
    NoCapacity,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    ResourceKind,
    Throttled,
    Unreachable,
)

Fault = Literal[
    "quota",  # create: QuotaExceeded
    "no-capacity",  # create: NoCapacity
    "throttled",  # create: Throttled
    "refused",  # create: Refused
    "unreachable",  # create: Unreachable, nothing made
    "lost-request",  # create: OutcomeUnknown, nothing made
    "lost-answer",  # create: OutcomeUnknown, but the machine was made
    "never-boots",  # create works, the machine stays BUILDING
    "boot-fails",  # create works, the machine becomes FAILED
    "list-unreachable",  # list_owned: Unreachable
    "list-frozen",  # list_owned: no answer, until the caller gives up
    "delete-unreachable",  # delete: Unreachable, nothing deleted
    "delete-lost-answer",  # delete: OutcomeUnknown, but it is gone
    "leaves-port",  # delete of a machine works, but its port stays
    "leaves-disk",  # the same of its disk
    "leaves-address",  # the same of its address
    "suspend-fails",  # suspend: Refused, the machine runs
    "suspend-lost-answer",  # suspend: OutcomeUnknown, but it is suspended
    "resume-fails",  # resume: NoCapacity, the machine stays suspended
    "resume-lost-answer",  # resume: OutcomeUnknown, but it goes on
    "resume-breaks",  # resume works, the machine becomes FAILED
    "sizes-unreachable",  # sizes: Unreachable
    "sizes-refused",  # sizes: Refused
]
"""What can be made to go wrong, by name."""

LEAVES: dict[Fault, ResourceKind] = {
    "leaves-port": ResourceKind.PORT,
    "leaves-disk": ResourceKind.DISK,
    "leaves-address": ResourceKind.ADDRESS,
}
"""What stays when a machine is deleted."""


class Faults:
    """The faults that are still to happen, in the order in which they were injected."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def inject(self, fault: Fault, times: int) -> None:
        """Let ``fault`` happen to the next ``times`` calls that it concerns.

        Raises:
            ValueError: there is none of that name.
        """
        if fault not in get_args(Fault):
            raise ValueError(f"no fault {fault!r}: one of {', '.join(get_args(Fault))}")
        self._waiting += [fault] * times

    def forget(self) -> None:
        """Let none happen any more."""
        self._waiting.clear()

    def next(self, *concerned: Fault) -> Fault | None:
        """The next fault that concerns the call, taken off the list."""
        for place, fault in enumerate(self._waiting):
            if fault in concerned:
                return self._waiting.pop(place)
        return None


def error(cloud: str, fault: Fault) -> CloudError:
    """The error that a fault comes out as."""
    said = f"cloud {cloud}: simulated fault {fault}"
    match fault:
        case "quota":
            return QuotaExceeded(said)
        case "no-capacity" | "resume-fails":
            return NoCapacity(said)
        case "throttled":
            return Throttled(said, retry_after_s=30)
        case "refused" | "sizes-refused" | "suspend-fails":
            return Refused(said)
        case "unreachable" | "list-unreachable" | "delete-unreachable" | "sizes-unreachable":
            return Unreachable(said)
        case _:
            return OutcomeUnknown(said)
