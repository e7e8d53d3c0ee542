"""Who may do what where: pure, a function of policy, path and memberships.

========  ============================  ===============================================
policy    who may list and read         who may write
========  ============================  ===============================================
archive   every authenticated user      nobody
home      the owner, below /home/OWNER  the owner
rb        members of the experiment,    the same, below the experiment's folder; the
          scientists of its instrument, folder itself: scientists and administrators;
          administrators                the instrument's folder: administrators
========  ============================  ===============================================

What a user may not list, the user may not know of either. While the memberships
cannot be read, rb is closed to all.

Rights in rb are the experiment's, not a file's: whatever mode a program asks for,
what it makes is the other members' as much as the maker's, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..model import Action, Kind, Policy

EXPERIMENTS_FOLDER = "RBNumber"
"""In ``/rb/INSTRUMENT``, the folder that holds the experiments' folders."""

PERMIT_S = 300.0
"""What was allowed to be read in rb may be used so long while the service is away."""


@dataclass(frozen=True)
class Memberships:
    """What a user belongs to, at one moment."""

    user: str
    administrator: bool = False
    instruments: frozenset[str] = frozenset()
    """Instruments the user is a scientist of."""
    experiments: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """(instrument, RB number) of the experiments the user is a member of."""
    readable: bool = True
    """False while nobody can say what the user belongs to; the rest is empty then."""


@dataclass(frozen=True)
class Decision:
    """Whether, and why, for the log and the user."""

    allowed: bool
    reason: str
    known: bool = True
    """Whether the user may know that the entry exists."""


def decide(
    policy: Policy, parts: Sequence[str], action: Action, memberships: Memberships
) -> Decision:
    """May this user do ``action`` to the entry ``parts`` below a volume of ``policy``?

    ``WRITE`` is about the entry itself: to create, change, rename or remove it.
    """
    if policy is Policy.ARCHIVE:
        return _archive(action)
    if policy is Policy.HOME:
        return _home(parts, action, memberships.user)
    return _rb(parts, action, memberships)


def children(
    policy: Policy, parts: Sequence[str], memberships: Memberships
) -> frozenset[str] | None:
    """The only names this user may see in a folder that may be listed; None for all of them."""
    if policy is Policy.HOME and not parts:
        return frozenset({memberships.user})
    if policy is not Policy.RB or memberships.administrator:
        return None
    if not parts:
        return memberships.instruments | {inst for inst, _ in memberships.experiments}
    if parts[0] in memberships.instruments:
        return None
    if len(parts) == 1:
        return frozenset({EXPERIMENTS_FOLDER})
    if len(parts) == 2:
        return frozenset(rb for inst, rb in memberships.experiments if inst == parts[0])
    return None


def permit_s(policy: Policy) -> float | None:
    """How long an answer may be used without asking again; None where no right is withdrawn."""
    return PERMIT_S if policy is Policy.RB else None


def stored_mode(policy: Policy, kind: Kind, mode: int) -> int:
    """The permission bits the storage gets: of what is shared, nobody's but the service's."""
    if policy is not Policy.RB:
        return mode
    return 0o700 if kind is Kind.FOLDER or mode & 0o111 else 0o600


def shown_mode(policy: Policy, kind: Kind, mode: int) -> int:
    """The permission bits the user sees: of what is shared, the same for all who share it."""
    if policy is not Policy.RB or kind is Kind.LINK:
        return mode
    return 0o770 if kind is Kind.FOLDER or mode & 0o111 else 0o660


def _archive(action: Action) -> Decision:
    if action is Action.WRITE:
        return Decision(False, "the archive takes no changes")
    return Decision(True, "the archive is open to every user")


def _home(parts: Sequence[str], action: Action, user: str) -> Decision:
    if not parts:
        return Decision(action is Action.LIST, "homes are made by the service")
    if parts[0] != user:
        return Decision(False, "this home is another user's", known=False)
    if action is Action.WRITE and len(parts) == 1:
        return Decision(False, "a home's own folder stays")
    return Decision(True, "it is the user's home")


def _rb(parts: Sequence[str], action: Action, memberships: Memberships) -> Decision:
    write = action is Action.WRITE
    if memberships.administrator:
        if write and not parts:
            return Decision(False, "the volume's own folder stays")
        return Decision(True, "the user is an administrator")
    if not parts:
        return Decision(action is Action.LIST, "instruments are added by administrators")
    if not memberships.readable:
        return Decision(False, "experiments are closed while nobody can say who is a member")
    instrument = parts[0]
    if instrument in memberships.instruments:
        if write and (len(parts) == 1 or list(parts[1:]) == [EXPERIMENTS_FOLDER]):
            return Decision(False, "an instrument's folders are the administrators'")
        return Decision(True, f"the user is a scientist of {instrument}")
    if len(parts) <= 2 and list(parts[1:]) in ([], [EXPERIMENTS_FOLDER]):
        on_the_way = any(inst == instrument for inst, _ in memberships.experiments)
        return Decision(
            on_the_way and action is Action.LIST,
            "an instrument's folders are the administrators'",
            known=on_the_way,
        )
    if parts[1] == EXPERIMENTS_FOLDER and (instrument, parts[2]) in memberships.experiments:
        if write and len(parts) == 3:
            return Decision(False, "an experiment's own folder is its scientists'")
        return Decision(True, f"the user is a member of {parts[2]}")
    return Decision(False, "the user is not a member of this experiment", known=False)
