"""The nouns of machines."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from .base import Noun


class MachineState(StrEnum):
    """A machine's life: the original DAaaS words, in order, then the two beside it."""

    REQUESTED = "requested"  # a row exists, the cloud may or may not know
    BUILDING = "building"  # the cloud accepted it
    PROVISIONED = "provisioned"  # the cloud says it runs
    VACANT = "vacant"  # its agent says the user's protocol can answer
    SUSPENDED = "suspended"  # was vacant; its cloud keeps it, cheaper, until it is wanted
    ACQUIRED = "acquired"  # leased; it never goes back to vacant
    DELETING = "deleting"
    DELETED = "deleted"
    FAILED = "failed"  # will be deleted
    HELD = "held"  # kept for an operator to look at


class Size(Noun):
    """What a machine has."""

    name: str
    cpus: float = Field(gt=0)
    ram_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None


class Machine(Noun):
    """One virtual machine, as the ledger knows it."""

    id: str
    pool: str
    cloud: str
    location: str
    environment: str
    size: Size
    state: MachineState
    fingerprint: str = Field(description="hash of what it was built from")
    cloud_id: str | None = Field(default=None, description="the provider's id, once known")
    address: str | None = None
    ports: dict[int, int] = Field(
        default_factory=dict, description="port on the machine -> port to dial at `address`"
    )
    root: str = Field(default="/", description="folder on the machine that stands for /")
    isolation: str = Field(default="", description="what separates it, in a few words")
    lease: str | None = None
    reason: str = Field(default="", description="why it is in this state, for people")
    holding: str = Field(
        default="", description="what of its user's is on it and nowhere else yet, for people"
    )
    replica: str | None = Field(
        default=None, description="the service's process that its agent is connected to"
    )
    agent_lost_at: datetime | None = Field(
        default=None, description="since when its agent is connected to none"
    )
    kept_until: datetime | None = Field(
        default=None, description="held so long after its lease, which can be taken back until then"
    )
    created_at: datetime
    changed_at: datetime


class ConsoleLog(Noun):
    """The end of what a machine wrote to its console."""

    machine: str
    kept: bool = Field(
        description="read when the machine failed, and kept with it; else read from its cloud now"
    )
    text: str = Field(description="as the machine wrote it: escape it before it is shown")
