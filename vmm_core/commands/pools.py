"""``vmm pools``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..model import MachineState
from ..pools.status import PoolStatus
from .parsing import Commands, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    commands.asking(
        "pools",
        "The pools and the states of their machines (needs the scope read).",
        "vmm pools --json",
        pools,
    )


def pools(options: argparse.Namespace) -> None:
    """List pools."""
    with vmm_of(options) as vmm:
        show_pools(Display(options.json), vmm.pools())


def show_pools(display: Display, found: Sequence[PoolStatus]) -> None:
    """Pools and the states of their machines."""
    display.show(
        found,
        ("pool", "ready", "maximum", "machines", "why it makes none"),
        (
            (
                item.name,
                str(item.pool.ready if item.pool else 0),
                str(item.pool.maximum if item.pool else 0),
                ", ".join(
                    f"{item.machines[state]} {state}"
                    for state in MachineState
                    if item.machines.get(state)
                ),
                item.hold,
            )
            for item in found
        ),
        "the catalogue has no pools",
    )
