"""Which states a machine may come from. Enforced in the WHERE of every change of state."""

from __future__ import annotations

from ..model import MachineState as S

FROM: dict[S, frozenset[S]] = {
    S.REQUESTED: frozenset(),
    S.BUILDING: frozenset({S.REQUESTED}),
    S.PROVISIONED: frozenset({S.REQUESTED, S.BUILDING, S.SUSPENDED}),
    S.VACANT: frozenset({S.BUILDING, S.PROVISIONED}),
    # From provisioned if its cloud cannot resume it now.
    S.SUSPENDED: frozenset({S.VACANT, S.PROVISIONED}),
    # From held only for the lease that it was held after, which is taken back.
    S.ACQUIRED: frozenset({S.VACANT, S.HELD}),
    S.FAILED: frozenset(set(S) - {S.FAILED, S.DELETING, S.DELETED}),
    S.HELD: frozenset({S.VACANT, S.ACQUIRED, S.FAILED}),
    S.DELETING: frozenset(set(S) - {S.DELETING, S.DELETED}),
    S.DELETED: frozenset({S.REQUESTED, S.DELETING}),
}
"""State -> the states from which a machine may go there.

Nothing that was somebody's becomes vacant again.
"""
