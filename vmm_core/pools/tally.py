"""What a step counts of the ledger's machines, in one pass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..allocation.facts import BOOTING, Counts
from ..model import MachineState as S
from ..store.records import MachineRow

MOVING = frozenset({S.DELETING, S.FAILED, *BOOTING})
"""States that machines leave by themselves, or with our help."""


@dataclass(slots=True)
class Tally:
    """Of one state of the ledger."""

    pools: set[str] = field(default_factory=set)
    by_cloud: dict[str, list[MachineRow]] = field(default_factory=dict)
    states: dict[str, dict[S, int]] = field(default_factory=dict)
    """For each pool, how many machines are in which state."""
    deleting: list[MachineRow] = field(default_factory=list)
    held: int = 0
    """Machines that are kept after a lease."""
    moving: bool = False

    def number(self, state: S) -> int:
        """How many machines are in a state."""
        return sum(states.get(state, 0) for states in self.states.values())

    def counts(self) -> Mapping[str, Counts]:
        """What of each pool could serve somebody."""
        return {
            pool: Counts(
                free=states.get(S.VACANT, 0),
                booting=sum(states.get(state, 0) for state in BOOTING),
                suspended=states.get(S.SUSPENDED, 0),
            )
            for pool, states in self.states.items()
        }


def tally_of(machines: Iterable[MachineRow]) -> Tally:
    """Count them."""
    tally = Tally()
    for machine in machines:
        state = machine.state
        states = tally.states.get(machine.pool)
        if states is None:
            states = tally.states[machine.pool] = {}
        states[state] = states.get(state, 0) + 1
        mine = tally.by_cloud.get(machine.cloud)
        if mine is None:
            mine = tally.by_cloud[machine.cloud] = []
        mine.append(machine)
        if state is S.DELETING:
            tally.deleting.append(machine)
        elif state is S.HELD and not machine.kept:
            tally.held += 1
        tally.moving = tally.moving or state in MOVING
    tally.pools = set(tally.states)
    return tally
