"""``vmm check``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .parsing import Commands

if TYPE_CHECKING:
    from ..catalogue import Catalogue
    from ..pools.inventory import Inventory


def add(commands: Commands) -> None:
    """Add the command."""
    checks = commands.add(
        "check",
        "Check a catalogue; mistakes are told with file and line.",
        "vmm check environments.yaml",
        check,
    )
    checks.add_argument("catalogue", type=Path)


def check(options: argparse.Namespace) -> None:
    """Check a catalogue, also against its clouds as far as they answer."""
    from ..catalogue import load

    catalogue = load(options.catalogue)
    inventory = asyncio.run(_ask_clouds(catalogue))
    for cloud, why in inventory.silent.items():
        print(f"the sizes of cloud {cloud} are not checked: {why.reason}", file=sys.stderr)
    print(
        f"{options.catalogue} is good: {len(catalogue.environments)} environments, "
        f"{len(catalogue.pools)} pools in {len(catalogue.clouds)} clouds "
        f"at {len(catalogue.locations)} locations"
    )


async def _ask_clouds(catalogue: Catalogue) -> Inventory:
    from ..pools.inventory import Inventory

    inventory = await Inventory.open(catalogue, service_url="", public_key="")
    await inventory.close()
    return inventory
