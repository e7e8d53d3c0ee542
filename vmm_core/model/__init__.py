"""The nouns of the Virtual Machine Manager, one word per thing.

Everything here is an immutable pydantic model: the same classes check the
catalogue, the rows of the store, and every request and answer of the API.
Units are in the names: ``ram_gb`` is GiB, ``*_s`` is seconds, times are
timezone-aware UTC.
"""

from .base import GroupName, Name, Noun
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
from .machines import ConsoleLog, Machine, MachineState, Size
from .people import AuditEntry, Member, Reservation, Role, Switch
from .rules import Lifetime, Limit
from .sessions import HOLD_FOLDER, Daemon, File, Handover, Program, Session
from .sizing import CalendarRule, Events, ForecastRule, ScheduleRule, Sizing
from .status import CloudStatus, PoolStatus, ReplicaStatus, Status

__all__ = [
    "HOLD_FOLDER",
    "AuditEntry",
    "CalendarRule",
    "Candidate",
    "CloudAccount",
    "CloudStatus",
    "ConsoleLog",
    "Daemon",
    "Environment",
    "Events",
    "Explanation",
    "File",
    "ForecastRule",
    "GroupName",
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
    "PoolStatus",
    "Program",
    "QueuePlace",
    "ReplicaStatus",
    "Reservation",
    "Role",
    "ScheduleRule",
    "Session",
    "Size",
    "Sizing",
    "Status",
    "Switch",
]
