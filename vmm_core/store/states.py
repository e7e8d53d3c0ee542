"""Which states a machine may come from. Enforced in the WHERE of every change of state."""

from __future__ import annotations

from ..model import MachineState as S

FROM: dict[S, frozenset[S]] = {
    S.REQUESTED: frozenset(),
    S.BUILDING: frozenset({S.REQUESTED}),
    S.PROVISIONED: frozenset({S.REQUESTED, S.BUILDING}),
    S.VACANT: frozenset({S.BUILDING, S.PROVISIONED}),
    S.ACQUIRED: frozenset({S.VACANT}),
    S.FAILED: frozenset({S.REQUESTED, S.BUILDING, S.PROVISIONED, S.VACANT, S.ACQUIRED, S.HELD}),
    S.HELD: frozenset({S.VACANT, S.ACQUIRED, S.FAILED}),
    S.DELETING: frozenset(
        {S.REQUESTED, S.BUILDING, S.PROVISIONED, S.VACANT, S.ACQUIRED, S.FAILED, S.HELD}
    ),
    S.DELETED: frozenset({S.REQUESTED, S.DELETING}),
}
"""State -> the states from which a machine may go there. No way leads back to vacant."""
