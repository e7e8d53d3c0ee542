"""An example of everything that crosses the wire, for the OpenAPI document.

Each is an instance of its model, so none can be wrong; together they tell one
story: alice's lease of a Mantid machine at Rutherford.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from .. import __version__
from ..model import (
    AuditEntry,
    Candidate,
    CloudStatus,
    ConsoleLog,
    Environment,
    Explanation,
    Handover,
    Lease,
    LeaseEvent,
    LeaseState,
    Location,
    Machine,
    MachineState,
    Member,
    Needs,
    Offer,
    Pool,
    PoolStatus,
    Program,
    ReplicaStatus,
    Reservation,
    Role,
    Session,
    Size,
    Status,
    Switch,
)
from .models import (
    Acting,
    ExtendRequest,
    GrantRequest,
    Health,
    LeaseRequest,
    ReservationRequest,
    WhyRequest,
)

_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_POOL = "mantid@ral-cloud/l2.small"
_MACHINE = "vmm-4f20c19be7aa"
_LEASE = "l-9c1185a5c5e9fc54"

_ENVIRONMENT = Environment(
    name="mantid",
    title="Mantid workbench",
    description="Reduction and analysis of neutron and muon data",
    image="daaas-mantid-6.12",
    software=("mantid", "scipp"),
    instruments=("SANS2D", "LOQ"),
    groups=("sans",),
    preload=("scipp",),
)
_LOCATION = Location(name="ral", title="Rutherford Appleton Laboratory")
_SIZE = Size(name="l2.small", cpus=8, ram_gb=32)
_NEEDS = Needs(environment="mantid", cpus=4, ram_gb=16, near=("ral=0.9",))
_MACHINE_OF_ALICE = Machine(
    id=_MACHINE,
    pool=_POOL,
    cloud="ral-cloud",
    location="ral",
    environment="mantid",
    size=_SIZE,
    state=MachineState.ACQUIRED,
    fingerprint="5d41402abc4b2a76",
    cloud_id="1d3ce72c-1b4e-4f5b-9d0a-8b5b0b9d2a11",
    address="10.8.3.17",
    ports={8888: 8888},
    isolation="a virtual machine",
    lease=_LEASE,
    created_at=_AT - timedelta(minutes=40),
    changed_at=_AT,
)
_LEASE_OF_ALICE = Lease(
    id=_LEASE,
    owner="alice",
    frontend="hub",
    key="alice/mantid",
    needs=_NEEDS,
    group="sans",
    state=LeaseState.ACQUIRED,
    machine=_MACHINE_OF_ALICE,
    explanation=Explanation(
        summary=f"you have machine {_MACHINE} with 8 CPUs and 32 GiB of RAM at "
        "Rutherford Appleton Laboratory, where 90% of the data is",
        candidates=(
            Candidate(pool=_POOL, location="ral", cloud="ral-cloud", free=3, score=2.8),
            Candidate(
                pool="mantid@iris/l3.gpu",
                location="iris",
                cloud="iris",
                free=1,
                removed_by="kept for requests that need a GPU",
            ),
        ),
    ),
    created_at=_AT,
    ends_at=_AT + timedelta(hours=10),
)

_POOL_STATUS = PoolStatus(
    name=_POOL,
    pool=Pool(environment="mantid", cloud="ral-cloud", size="l2.small", ready=3, maximum=40),
    location="ral",
    machines={MachineState.VACANT: 2, MachineState.BUILDING: 1, MachineState.ACQUIRED: 17},
)
_CLOUD_STATUS = CloudStatus(
    name="ral-cloud",
    kind="openstack",
    location="ral",
    machines={MachineState.VACANT: 2, MachineState.ACQUIRED: 17, MachineState.SUSPENDED: 2},
    most={"machines": 100, "cpus": 800},
    orphans={"port": 1},
    suspends=True,
    switch=Switch(
        kind="cloud",
        name="ral-cloud",
        state="draining",
        by="olga",
        reason="its network is made anew",
        since=_AT,
    ),
)

_EXAMPLES: tuple[BaseModel, ...] = (
    Health(version=__version__),
    _ENVIRONMENT,
    _LOCATION,
    _MACHINE_OF_ALICE,
    _LEASE_OF_ALICE,
    Offer(
        environment=_ENVIRONMENT,
        location=_LOCATION,
        cloud="ral-cloud",
        size=_SIZE,
        free=2,
        booting=1,
        next_in_s=0,
        available=True,
    ),
    _POOL_STATUS,
    LeaseRequest(needs=_NEEDS, owner="alice"),
    Session(
        user="alice",
        program=Program(argv=("jupyterhub-singleuser",), env={"JUPYTERHUB_USER": "alice"}),
        port=8888,
        health_path="/user/alice/api",
    ),
    Handover(lease=_LEASE, address="10.8.3.17", port=8888),
    LeaseEvent(
        lease=_LEASE,
        number=1,
        at=_AT,
        stage="claimed",
        percent=20,
        message=f"got {_MACHINE} at ral",
    ),
    ReservationRequest(
        needs=Needs(environment="mantid"),
        machines=40,
        starts_at=_AT,
        ends_at=_AT + timedelta(hours=8),
        owner="carol",
        group="sans-school",
    ),
    Reservation(
        id="r-5d41402abc4b2a76",
        owner="carol",
        group="sans-school",
        frontend="hub",
        key="sans-school-2026",
        needs=Needs(environment="mantid"),
        pool=_POOL,
        machines=40,
        used=12,
        ready_from=_AT - timedelta(minutes=75),
        starts_at=_AT,
        ends_at=_AT + timedelta(hours=8),
        created_at=_AT - timedelta(days=30),
    ),
    WhyRequest(reason="the image is made anew"),
    _CLOUD_STATUS,
    Status(
        version=__version__,
        at=_AT,
        replicas=(
            ReplicaStatus(
                id="r-7f3c",
                url="http://10.8.0.2:8440",
                started_at=_AT - timedelta(days=3),
                seen_at=_AT,
            ),
        ),
        clouds=(_CLOUD_STATUS,),
        pools=(_POOL_STATUS,),
        leased=17,
        waiting=0,
        step_age_s=0.8,
    ),
    ConsoleLog(machine=_MACHINE, kept=True, text="cloud-init: no module named mantid\n"),
    Acting(acting="alice"),
    ExtendRequest(acting="alice"),
    GrantRequest(user="bob", role=Role.SUPPORT),
    Member(lease=_LEASE, user="bob", role=Role.SUPPORT, granted_by="alice", granted_at=_AT),
    AuditEntry(
        number=17,
        at=_AT,
        actor="alice",
        frontend="hub",
        action="grant",
        lease=_LEASE,
        subject="bob",
        detail="support",
    ),
)


def example_of(kind: Any) -> Any:
    """An example of a type that crosses the wire, as JSON.

    Raises:
        LookupError: there is none: add it above.
    """
    if get_origin(kind) in (list, tuple, Iterable):
        return [example_of(get_args(kind)[0])]
    for example in _EXAMPLES:
        if type(example) is kind:
            return example.model_dump(mode="json", exclude_defaults=_is_request(example))
    raise LookupError(f"there is no example of {kind!r} in vmm_core.api.examples")


def _is_request(example: BaseModel) -> bool:
    """What people write by hand is shown without what they need not write."""
    requests = LeaseRequest | WhyRequest | ReservationRequest | Session | Acting | GrantRequest
    return isinstance(example, requests)
