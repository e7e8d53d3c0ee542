"""The nouns of the Virtual Machine Manager, one word per thing.

Everything here is an immutable pydantic model: the same classes check the
catalogue, the rows of the store, and every request and answer of the API.
Units are in the names: ``ram_gb`` is GiB, ``*_s`` is seconds, times are
timezone-aware UTC.
"""

from .base import Name, Noun
from .catalogue import CloudAccount, Environment, Location, Pool
from .leases import (
    Candidate,
    Explanation,
    Lease,
    LeaseEvent,
    LeaseState,
    Nearness,
    Needs,
    Offer,
    QueuePlace,
)
from .machines import Machine, MachineState, Size
from .people import AuditEntry, Member, Reservation, Role, Switch
from .rules import Lifetime, Limit
from .sessions import HOLD_FOLDER, Daemon, File, Handover, Program, Session

__all__ = [
    "HOLD_FOLDER",
    "AuditEntry",
    "Candidate",
    "CloudAccount",
    "Daemon",
    "Environment",
    "Explanation",
    "File",
    "Handover",
    "Lease",
    "LeaseEvent",
    "LeaseState",
    "Lifetime",
    "Limit",
    "Location",
    "Machine",
    "MachineState",
    "Member",
    "Name",
    "Nearness",
    "Needs",
    "Noun",
    "Offer",
    "Pool",
    "Program",
    "QueuePlace",
    "Reservation",
    "Role",
    "Session",
    "Size",
    "Switch",
]
