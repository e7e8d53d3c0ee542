"""What users and groups may have at once: what is used, what room is left, in words. Pure.

A limit that names somebody wins over one for each. What a lease counts is its
machine, or, while it waits for one, what it asks for at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..model import Limit, Needs, Size
from .match import counted

AMOUNTS = ("machines", "cpus", "ram_gb", "gpus")


@dataclass(frozen=True, slots=True)
class Amount:
    """So many machines, with so much in them together."""

    machines: int = 0
    cpus: float = 0
    ram_gb: float = 0
    gpus: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.machines + other.machines,
            self.cpus + other.cpus,
            self.ram_gb + other.ram_gb,
            self.gpus + other.gpus,
        )


NOTHING = Amount()


def of_size(size: Size) -> Amount:
    """One machine of a size."""
    return Amount(1, size.cpus, size.ram_gb, size.gpus)


def of_needs(needs: Needs) -> Amount:
    """The least that a request takes."""
    return Amount(1, needs.cpus, needs.ram_gb, max(needs.gpus, int(needs.gpu_model is not None)))


@dataclass(slots=True)
class Usage:
    """What is in use, by whom. It changes as machines are handed out."""

    groups: dict[str, Amount] = field(default_factory=dict)
    """What the leases of each group hold; under "" those of no group."""
    users: dict[str, Amount] = field(default_factory=dict)
    """What the leases of each user hold; those only who ask or wait now."""
    waiting: dict[str, Amount] = field(default_factory=dict)
    """What the leases ask for of each of those users that wait."""

    def take(self, owner: str, group: str, amount: Amount) -> None:
        """Count a machine that is handed out."""
        self.users[owner] = self.users.get(owner, NOTHING) + amount
        self.groups[group] = self.groups.get(group, NOTHING) + amount

    def copy(self) -> Usage:
        """One that changes by itself."""
        return Usage(dict(self.groups), dict(self.users), dict(self.waiting))

    def restore(self, copy: Usage) -> None:
        """Forget what was taken since the copy was made."""
        self.groups, self.users = dict(copy.groups), dict(copy.users)


def limit_of(limits: Sequence[Limit], *, user: str = "", group: str = "") -> Limit | None:
    """The limit of a user, or of a group; None if there is none."""
    who = user or group
    theirs = [limit for limit in limits if limit.of_users == bool(user)]
    named = next((limit for limit in theirs if limit.whose == who), None)
    return named or next((limit for limit in theirs if limit.whose is None), None)


def exceeded(limit: Limit | None, used: Amount, more: Amount) -> str:
    """The first amount of the limit that ``more`` goes beyond; empty if it does not."""
    if limit is not None:
        for name in AMOUNTS:
            most = getattr(limit, name)
            if most is not None and getattr(used, name) + getattr(more, name) > most:
                return name
    return ""


def share(limit: Limit | None, used: Amount, otherwise: float) -> float:
    """Which part of its limit a group uses, by the amount that it uses most of.

    ``otherwise`` is the number of machines that counts as all for a group without a limit.
    """
    parts = [
        getattr(used, name) / most if most else float("inf")
        for name in AMOUNTS
        if limit is not None and (most := getattr(limit, name)) is not None
    ]
    return max(parts, default=used.machines / otherwise)


def weight(limits: Sequence[Limit]) -> float:
    """The machines of a group without a limit that count as all: the most of any other group's."""
    return max((each.machines or 0 for each in limits if not each.of_users), default=0) or 1.0


def refusal(limit: Limit, name: str, used: Amount, more: Amount) -> str:
    """What a user reads whose limit is reached."""
    if not getattr(limit, name):
        remedy = "ask the facility's support, or ask for something else"
        return f"you may not have {_noun(name)}: {remedy}"
    release = "release one first" if used.machines else "ask for less"
    if name == "machines":
        have = f"you have {counted(used.machines, 'machine')}"
        return f"{have}, the most you may have at once: {release}"
    left = getattr(limit, name) - getattr(used, name)
    wanted, most = _said(name, getattr(more, name)), _said(name, getattr(limit, name))
    have = f"you have {_said(name, getattr(used, name))} and" if getattr(used, name) else "you"
    if used.machines and left:
        release += f", or ask for at most {_said(name, left)}"
    return f"{have} ask for {wanted}, and may have {most} at once: {release}"


def holdup(limit: Limit, name: str, used: Amount, group: str = "") -> str:
    """What keeps one waiting whose group's limit is reached; or, without a group, the own one."""
    it = f"your group {group}" if group else "you"
    if not getattr(limit, name):
        return f"{it} may not have {_noun(name)}"
    has, most = getattr(used, name), getattr(limit, name)
    verb, again = ("has", "it") if group else ("have", "you")
    if has >= most:
        return f"{it} {verb} {_said(name, has)}, the most {again} may have at once"
    return f"{it} {verb} {_said(name, has)}, and may have {_said(name, most)} at once"


def _said(name: str, amount: float) -> str:
    if name == "ram_gb":
        return f"{amount:g} GiB"
    return counted(amount, {"machines": "machine", "cpus": "CPU", "gpus": "GPU"}[name])


def _noun(name: str) -> str:
    nouns: Mapping[str, str] = {"cpus": "any CPUs", "ram_gb": "any RAM", "gpus": "a GPU"}
    return nouns.get(name, "a machine")
