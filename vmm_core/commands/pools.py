"""``vmm pools``, ``pause``, ``resume``, ``clouds``, ``drain``, ``undrain``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from ..model import CloudStatus, MachineState, PoolStatus, Switch
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
    _on_pool(
        commands,
        "pause",
        "Let a pool make no machines until it is resumed; what it has is leased "
        "(needs the scope operate).",
    )
    _on_pool(
        commands,
        "resume",
        "Let a pool go on that is paused, backs off, or was stopped after failures "
        "(needs the scope operate).",
    )
    commands.asking(
        "clouds",
        "The clouds: what they have, their limits, what is wrong with them (needs the scope read).",
        "vmm clouds",
        clouds,
    )
    _on_cloud(
        commands,
        "drain",
        "Empty a cloud: it serves nobody, what nobody has is deleted, leases go on "
        "(needs the scope operate).",
    )
    _on_cloud(commands, "undrain", "Take a cloud into use again (needs the scope operate).")


def pools(options: argparse.Namespace) -> None:
    """List pools."""
    with vmm_of(options) as vmm:
        show_pools(Display(options.json), vmm.pools())


def pause(options: argparse.Namespace) -> None:
    """Let a pool make no machines, or let it go on."""
    with vmm_of(options) as vmm:
        call = vmm.pause if options.verb == "pause" else vmm.resume
        show_pools(Display(options.json), [call(options.pool, options.reason)])


def clouds(options: argparse.Namespace) -> None:
    """List clouds."""
    with vmm_of(options) as vmm:
        show_clouds(Display(options.json), vmm.clouds())


def drain(options: argparse.Namespace) -> None:
    """Empty a cloud, or take it into use again."""
    with vmm_of(options) as vmm:
        call = vmm.drain if options.verb == "drain" else vmm.undrain
        show_clouds(Display(options.json), [call(options.cloud, options.reason)])


def show_pools(display: Display, found: Sequence[PoolStatus]) -> None:
    """Pools and the states of their machines."""
    display.show(
        found,
        ("pool", "ready", "standby", "maximum", "machines", "why it makes none"),
        (
            (
                item.name,
                str(item.pool.ready if item.floor is None and item.pool else item.floor or 0),
                str(item.standby),
                str(item.pool.maximum if item.pool else 0),
                _counted(item.machines),
                item.hold or _said(item.switch),
            )
            for item in found
        ),
        "the catalogue has no pools",
    )


def show_clouds(display: Display, found: Sequence[CloudStatus]) -> None:
    """Clouds and how they are."""
    display.show(
        found,
        ("cloud", "kind", "location", "machines", "at most", "orphans", "trouble"),
        (
            (
                item.name,
                item.kind,
                item.location,
                _counted(item.machines),
                ", ".join(f"{amount:g} {what}" for what, amount in item.most.items()),
                ", ".join(f"{number} {kind}" for kind, number in item.orphans.items()),
                "; ".join(filter(None, (_said(item.switch), item.trouble))),
            )
            for item in found
        ),
        "the catalogue has no clouds",
    )


def _on_pool(commands: Commands, verb: str, what: str) -> None:
    parser = commands.asking(verb, what, f"vmm {verb} mantid@ral-cloud/l2.small", pause)
    parser.add_argument("pool", help="its name, from `vmm pools`")
    _why(parser, verb)


def _on_cloud(commands: Commands, verb: str, what: str) -> None:
    parser = commands.asking(verb, what, f"vmm {verb} ral-cloud --reason 'it moves'", drain)
    parser.add_argument("cloud", help="its name, from `vmm clouds`")
    _why(parser, verb)


def _why(parser: argparse.ArgumentParser, verb: str) -> None:
    parser.set_defaults(verb=verb)
    parser.add_argument("--reason", default="", metavar="WHY", help="for other people")


def _counted(machines: Mapping[MachineState, int]) -> str:
    return ", ".join(f"{machines[state]} {state}" for state in MachineState if machines.get(state))


def _said(switch: Switch | None) -> str:
    if switch is None:
        return ""
    return f"{switch.state} by {switch.by}" + (f": {switch.reason}" if switch.reason else "")
