"""What each cloud allows to be made in one step. Pure.

People's requests draw first. Besides, refills never use all that may be on its
way at a cloud: some places are kept for people, who would else wait for a
refill of another pool to boot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ..allocation.facts import BOOTING, PoolFacts
from ..clouds.base import Limits
from ..store.records import MachineRow
from .policy import Policy


class Budget:
    """Counts what is there and what is planned, for each cloud."""

    def __init__(
        self, machines: Iterable[MachineRow], limits: Mapping[str, Limits], policy: Policy
    ) -> None:
        self._limits = limits
        self._most = policy.booting_per_cloud
        self._most_for_people = policy.booting_per_cloud + policy.booting_for_people
        self._booting: dict[str, int] = defaultdict(int)
        self._used: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0])
        for machine in machines:
            if machine.state in BOOTING:
                self._booting[machine.cloud] += 1
            used, size = self._used[machine.cloud], machine.size
            used[0] += 1
            used[1] += size.cpus
            used[2] += size.ram_gb
            used[3] += size.gpus

    def take(self, facts: PoolFacts, *, for_people: bool) -> tuple[str, bool]:
        """Count one more machine of the pool; or why there may be none, and count nothing.

        Beside the reason it tells whether the cloud is full.
        """
        cloud, size = facts.pool.cloud, facts.size
        if why := self._busy(cloud, for_people=for_people):
            return why, False
        limits = self._limits.get(cloud, Limits())
        machines, cpus, ram_gb, gpus = self._used[cloud]
        for name, limit, after in (
            ("machines", limits.machines, machines + 1),
            ("CPUs", limits.cpus, cpus + size.cpus),
            ("GiB of RAM", limits.ram_gb, ram_gb + size.ram_gb),
            ("GPUs", limits.gpus, gpus + size.gpus),
        ):
            if limit is not None and after > limit:
                return (
                    f"{cloud} allows {limit:g} {name} and they are in use: "
                    "wait until machines are released, or raise what it allows"
                ), True
        self._booting[cloud] += 1
        self._used[cloud] = [machines + 1, cpus + size.cpus, ram_gb + size.ram_gb, gpus + size.gpus]
        return "", False

    def wake(self, cloud: str, *, for_people: bool) -> str:
        """Count one more machine on its way that is there already; or why there may be none."""
        why = self._busy(cloud, for_people=for_people)
        if not why:
            self._booting[cloud] += 1
        return why

    def _busy(self, cloud: str, *, for_people: bool) -> str:
        most = self._most_for_people if for_people else self._most
        if self._booting[cloud] < most:
            return ""
        return f"{self._booting[cloud]} machines are booting at {cloud} already"
