"""``vmm share``, ``unshare``, ``members``, ``enter``, ``audit``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..model import AuditEntry, Member, Role
from .lifetimes import takes_acting
from .parsing import Commands, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    shares = commands.asking(
        "share",
        "Let somebody see a lease and enter its machine.",
        "vmm share l-3f2a9c0d1e2f4a5b bob",
        share,
    )
    shares.add_argument("lease", help="a lease's id, from `vmm leases`")
    shares.add_argument("user", help="as the frontend names them")
    shares.add_argument(
        "--role", choices=[role.value for role in Role], default=Role.MEMBER.value, help="as what"
    )
    takes_acting(shares)
    unshares = commands.asking(
        "unshare",
        "Let somebody in no more, from now on.",
        "vmm unshare l-3f2a9c0d1e2f4a5b bob",
        unshare,
    )
    unshares.add_argument("lease", help="a lease's id, from `vmm leases`")
    unshares.add_argument("user", help="from `vmm members`")
    takes_acting(unshares)
    lists = commands.asking(
        "members",
        "Who may enter a lease's machine besides its owner.",
        "vmm members l-3f2a9c0d1e2f4a5b",
        members,
    )
    lists.add_argument("lease", help="a lease's id, from `vmm leases`")
    enters = commands.asking(
        "enter",
        "Where the session of a lease answers that is yours or shared with you.",
        "vmm enter l-3f2a9c0d1e2f4a5b",
        enter,
    )
    enters.add_argument("lease", help="a lease's id, from `vmm leases`")
    takes_acting(enters)
    audits = commands.asking(
        "audit",
        "Who did what: on one of your leases, or (with the scope operate) on all.",
        "vmm audit --lease l-3f2a9c0d1e2f4a5b",
        audit,
    )
    audits.add_argument("--lease", help="of this lease only")
    audits.add_argument("--since", type=int, default=0, metavar="NUMBER", help="from this line on")


def share(options: argparse.Namespace) -> None:
    """Let somebody in."""
    with vmm_of(options) as vmm:
        made = vmm.share(options.lease, options.user, Role(options.role), acting=options.acting)
        show_members(Display(options.json), [made])


def unshare(options: argparse.Namespace) -> None:
    """Let somebody in no more."""
    with vmm_of(options) as vmm:
        left = vmm.unshare(options.lease, options.user, acting=options.acting)
        show_members(Display(options.json), left)


def members(options: argparse.Namespace) -> None:
    """List who is let in."""
    with vmm_of(options) as vmm:
        show_members(Display(options.json), vmm.members(options.lease))


def enter(options: argparse.Namespace) -> None:
    """Say where a session answers."""
    display = Display(options.json)
    with vmm_of(options) as vmm:
        handover = vmm.enter(options.lease, acting=options.acting)
        if display.as_json:
            display.print_json(handover.model_dump(mode="json"))
        else:
            display.out.print(handover.url, markup=False)


def audit(options: argparse.Namespace) -> None:
    """List who did what."""
    with vmm_of(options) as vmm:
        show_audit(Display(options.json), vmm.audit(options.lease, since=options.since))


def show_members(display: Display, found: Sequence[Member]) -> None:
    """Members of a lease."""
    display.show(
        found,
        ("user", "role", "granted by", "since"),
        (
            (item.user, item.role, item.granted_by, f"{item.granted_at:%Y-%m-%d %H:%M:%S}")
            for item in found
        ),
        "shared with nobody",
    )


def show_audit(display: Display, found: Sequence[AuditEntry]) -> None:
    """Lines of the audit log."""
    display.show(
        found,
        ("number", "at", "who", "by", "did", "to", "lease", "machine", "detail"),
        (
            (
                str(item.number),
                f"{item.at:%Y-%m-%d %H:%M:%S}",
                item.actor,
                item.frontend if item.frontend != item.actor else "",
                item.action,
                item.subject,
                item.lease or "",
                item.machine or "",
                item.detail,
            )
            for item in found
        ),
        "nothing is noted",
    )
