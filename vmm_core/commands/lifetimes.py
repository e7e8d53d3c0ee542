"""``vmm extend``, ``undelete``."""

from __future__ import annotations

import argparse

from .leases import show_leases
from .parsing import Commands, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    extends = commands.asking(
        "extend", "Let a lease end later.", "vmm extend l-3f2a9c0d1e2f4a5b", extend
    )
    extends.add_argument("lease", help="a lease's id, from `vmm leases`")
    extends.add_argument(
        "--hours", type=float, help="so many, whatever its rule allows (needs the scope operate)"
    )
    takes_acting(extends)
    undeletes = commands.asking(
        "undelete",
        "Take a lease back that has ended, with its machine and what is on it.",
        "vmm undelete l-3f2a9c0d1e2f4a5b",
        undelete,
    )
    undeletes.add_argument("lease", help="a lease's id, from `vmm leases --held`")
    takes_acting(undeletes)


def takes_acting(parser: argparse.ArgumentParser) -> None:
    """Let a command take who acts."""
    parser.add_argument(
        "--acting", metavar="USER", help="who does it, if the token is a frontend's"
    )


def extend(options: argparse.Namespace) -> None:
    """Let a lease end later."""
    with vmm_of(options) as vmm:
        lease = vmm.extend(options.lease, acting=options.acting, hours=options.hours)
        show_leases(Display(options.json), [lease])


def undelete(options: argparse.Namespace) -> None:
    """Take a lease back."""
    with vmm_of(options) as vmm:
        lease = vmm.restore(options.lease, acting=options.acting)
        show_leases(Display(options.json), [lease])
