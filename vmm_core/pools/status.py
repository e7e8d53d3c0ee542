"""What the pool manager says of pools and clouds, for operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ..clouds.base import Limits, ResourceKind
from ..model import CloudAccount, CloudStatus, MachineState, PoolStatus, Switch
from ..store.records import Backoff
from .inventory import Inventory
from .snapshot import PoolPlan

Tallied = Iterable[tuple[str, str, MachineState, int]]
"""Pool, location, state, number."""


def pool_statuses(
    inventory: Inventory,
    tallied: Tallied,
    plans: Mapping[str, PoolPlan],
    backoffs: Mapping[str, Backoff],
    switches: Iterable[Switch],
) -> list[PoolStatus]:
    """All pools: the catalogue's in its order, then those that only have machines left."""
    catalogue = inventory.catalogue
    states: dict[str, Counter[MachineState]] = {name: Counter() for name in catalogue.pools}
    location = {
        name: catalogue.clouds[pool.cloud].location for name, pool in catalogue.pools.items()
    }
    for name, place, state, number in tallied:
        states.setdefault(name, Counter())[state] += number
        location.setdefault(name, place)
    hands = {switch.name: switch for switch in switches if switch.kind == "pool"}
    found = []
    for name, counted in states.items():
        pool, planned, backoff = catalogue.pools.get(name), plans.get(name), backoffs.get(name)
        silent = inventory.silent.get(pool.cloud) if pool else None
        found.append(
            PoolStatus(
                name=name,
                pool=pool,
                location=location[name],
                machines=dict(counted),
                floor=planned.floor if planned else None,
                standby=pool.standby if pool else 0,
                suspended=counted[MachineState.SUSPENDED],
                failures=backoff.failures if backoff else 0,
                hold=silent.reason if silent else planned.hold if planned else "",
                hold_until=planned.until if planned else None,
                switch=hands.get(name),
            )
        )
    return found


def cloud_statuses(
    inventory: Inventory,
    tallied: Tallied,
    limits: Mapping[str, Limits],
    mute: Mapping[str, str],
    orphans: Mapping[str, Mapping[ResourceKind, int]],
    switches: Iterable[Switch],
) -> list[CloudStatus]:
    """All clouds of the catalogue, in its order."""
    catalogue = inventory.catalogue
    states: dict[str, Counter[MachineState]] = {name: Counter() for name in catalogue.clouds}
    for pool, _, state, number in tallied:
        cloud = pool.partition("@")[2].rpartition("/")[0]
        if cloud in states:
            states[cloud][state] += number
    hands = {switch.name: switch for switch in switches if switch.kind == "cloud"}
    return [
        _cloud_status(
            account,
            machines=dict(states[name]),
            most=_most(limits.get(name, Limits())),
            orphans={str(kind): number for kind, number in orphans.get(name, {}).items()},
            suspends=inventory.clouds[name].abilities.suspend,
            trouble=inventory.silent[name].reason
            if name in inventory.silent
            else mute.get(name, ""),
            switch=hands.get(name),
        )
        for name, account in catalogue.clouds.items()
    ]


def _cloud_status(account: CloudAccount, **known: object) -> CloudStatus:
    return CloudStatus.model_validate(
        {"name": account.name, "kind": account.kind, "location": account.location, **known}
    )


def _most(limits: Limits) -> dict[str, float]:
    said = {
        "machines": limits.machines,
        "cpus": limits.cpus,
        "ram_gb": limits.ram_gb,
        "gpus": limits.gpus,
    }
    return {name: value for name, value in said.items() if value is not None}
