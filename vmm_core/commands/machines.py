"""``vmm machines``, ``delete``, ``console``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..model import Machine
from .parsing import Commands, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    commands.asking(
        "machines", "Every machine (needs the scope operate).", "vmm machines", machines
    )
    deletes = commands.asking(
        "delete",
        "Delete machines that nobody leases, also held ones (needs the scope operate).",
        "vmm delete vmm-4f20c19be7aa",
        delete,
    )
    deletes.add_argument("machine", nargs="+", help="a machine's id, from `vmm machines`")
    deletes.add_argument(
        "--discard", action="store_true", help="also what a machine holds that is nowhere else"
    )
    reads = commands.asking(
        "console",
        "What a machine wrote to its console, also one that failed and is kept "
        "(needs the scope operate).",
        "vmm console vmm-4f20c19be7aa",
        console,
    )
    reads.add_argument("machine", help="a machine's id, from `vmm machines`")


def console(options: argparse.Namespace) -> None:
    """Show the end of a machine's console."""
    display = Display(options.json)
    with vmm_of(options) as vmm:
        found = vmm.console(options.machine)
    if display.as_json:
        display.print_json(found.model_dump(mode="json"))
    else:
        display.out.out(plain(found.text).rstrip("\n"), highlight=False)


def plain(text: str) -> str:
    """Text of a machine that does nothing to the terminal that shows it."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else f"\\x{ord(each):02x}"
        for each in text.replace("\r\n", "\n")
    )


def machines(options: argparse.Namespace) -> None:
    """List machines."""
    with vmm_of(options) as vmm:
        show_machines(Display(options.json), vmm.machines())


def delete(options: argparse.Namespace) -> None:
    """Delete machines that nobody leases."""
    with vmm_of(options) as vmm:
        deleted = [vmm.delete(machine, discard=options.discard) for machine in options.machine]
        show_machines(Display(options.json), deleted)


def show_machines(display: Display, found: Sequence[Machine]) -> None:
    """Machines."""
    display.show(
        found,
        ("machine", "pool", "state", "location", "lease", "isolation", "changed", "reason"),
        (
            (
                item.id,
                item.pool,
                item.state,
                item.location,
                item.lease or "",
                item.isolation,
                f"{item.changed_at:%Y-%m-%d %H:%M:%S}",
                item.reason,
            )
            for item in found
        ),
        "no machines",
    )
