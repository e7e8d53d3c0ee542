"""``vmm status``: how the service stands, for a person."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich import box
from rich.table import Table
from rich.text import Text

from ..model import CloudStatus, Machine, MachineState, PoolStatus, Status, Switch
from .parsing import Commands, vmm_of
from .tables import Display

_BOOTING = (MachineState.REQUESTED, MachineState.BUILDING, MachineState.PROVISIONED)
_OLD_STEP_S = 60


def add(commands: Commands) -> None:
    """Add the command."""
    commands.asking(
        "status",
        "How the service stands, and what needs a look (needs the scope read).",
        "vmm status",
        status,
    )


def status(options: argparse.Namespace) -> None:
    """Show how the service stands."""
    display = Display(options.json)
    with vmm_of(options) as vmm:
        found = vmm.status()
        url = vmm.url
    if options.json:
        display.print_json(found.model_dump(mode="json"))
        return
    out = display.out
    out.print(Text(_headline(found, url), style="bold"))
    out.print()
    out.print(_pools(found.pools))
    troubles = list(_troubles(found))
    if troubles:
        out.print()
        out.print(Text("to look at", style="bold"))
        for line in troubles:
            out.print(Text(f"  {line}"))


def _headline(found: Status, url: str) -> str:
    running = f"{len(found.replicas)} processes" if len(found.replicas) > 1 else "one process"
    waits = (
        f"{found.waiting} wait for one, the longest for {duration(found.longest_wait_s)}"
        if found.waiting
        else "nobody waits"
    )
    machines = "machine is" if found.leased == 1 else "machines are"
    return f"VMM {found.version} at {url}, {running}: {found.leased} {machines} leased, {waits}"


def _pools(pools: Sequence[PoolStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("pool", "place"):
        table.add_column(column, overflow="fold")
    for column in ("ready", "on their way", "suspended", "leased", "all"):
        table.add_column(column, justify="right")
    table.add_column("why it makes no more", overflow="fold")
    for pool in pools:
        machines = pool.machines
        everything = sum(n for s, n in machines.items() if s is not MachineState.DELETED)
        vacant = machines.get(MachineState.VACANT, 0)
        wanted = pool.floor if pool.floor is not None else pool.pool.ready if pool.pool else 0
        table.add_row(
            Text(pool.name),
            Text(pool.location),
            Text(f"{vacant} of {wanted}", style="" if vacant >= wanted else "yellow"),
            str(sum(machines.get(state, 0) for state in _BOOTING)),
            f"{pool.suspended} of {pool.standby}" if pool.standby or pool.suspended else "-",
            str(machines.get(MachineState.ACQUIRED, 0)),
            f"{everything} of {pool.pool.maximum if pool.pool else 0}",
            Text(pool.hold, style="yellow"),
        )
    return table


def _troubles(found: Status) -> Iterator[str]:
    """What an operator should know, a sentence each."""
    if found.step_age_s is None or found.step_age_s > _OLD_STEP_S:
        since = "yet" if found.step_age_s is None else f"for {duration(found.step_age_s)}"
        yield f"the pool manager has not ended a step {since}: see the service's log"
    for cloud in found.clouds:
        yield from _of_cloud(cloud, found.at)
    for pool in found.pools:
        if pool.switch is not None:
            yield f"pool {pool.name} is {_said(pool.switch, found.at)}"
        if pool.failures:
            yield f"pool {pool.name}: {pool.failures} failures in a row"
        failed = pool.machines.get(MachineState.FAILED, 0)
        if failed:
            yield f"pool {pool.name}: {failed} failed and will be deleted"
    for machine in found.held:
        yield _held(machine, found.at)


def _of_cloud(cloud: CloudStatus, now: datetime) -> Iterator[str]:
    if cloud.trouble:
        yield f"cloud {cloud.name}: {cloud.trouble}"
    if cloud.switch is not None:
        yield f"cloud {cloud.name} is {_said(cloud.switch, now)}"
    if any(cloud.orphans.values()):
        kinds = ", ".join(f"{number} {kind}" for kind, number in cloud.orphans.items() if number)
        yield f"cloud {cloud.name} has what no ledger has ({kinds}): it is deleted when seen again"


def _said(switch: Switch, now: datetime) -> str:
    why = f": {switch.reason}" if switch.reason else ""
    return (
        f"{switch.state} by {switch.by} for {duration((now - switch.since).total_seconds())}{why}"
    )


def _held(machine: Machine, now: datetime) -> str:
    since = duration((now - machine.changed_at).total_seconds())
    if machine.kept_until is not None and not machine.holding:
        return (
            f"machine {machine.id} can be taken back until {machine.kept_until:%Y-%m-%d %H:%M} UTC"
        )
    return f"machine {machine.id} is held for {since}: {machine.holding or machine.reason}"


def duration(seconds: float) -> str:
    """``42 s``, ``7 min``, ``3 h 20 min``, ``2 d 4 h``: as people say it."""
    whole = timedelta(seconds=round(seconds))
    if whole < timedelta(minutes=2):
        return f"{whole.total_seconds():.0f} s"
    minutes = int(whole.total_seconds() // 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes if not days else 0, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
