"""``vmm why``: the story of a lease or a machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ..allocation.words import amounts
from ..client import Vmm
from ..errors import NotAllowed, NotFound
from ..model import Lease, LeaseEvent, LeaseState, Machine, PoolStatus
from .parsing import Commands, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the command."""
    asks = commands.asking(
        "why",
        "Why a lease got what it got, or a machine is as it is.",
        "vmm why l-9c1185a5c5e9fc54",
        why,
    )
    asks.add_argument("name", metavar="LEASE|MACHINE", help="its id")


def why(options: argparse.Namespace) -> None:
    """Tell the story of a lease or a machine."""
    display = Display(options.json)
    with vmm_of(options) as vmm:
        try:
            lease = vmm.lease(options.name)
        except (NotFound, NotAllowed):
            _machine(display, vmm, options.name)
        else:
            _lease(display, lease, vmm.history(lease.id))


def _lease(display: Display, lease: Lease, events: Sequence[LeaseEvent]) -> None:
    if display.as_json:
        told = [event.model_dump(mode="json") for event in events]
        display.print_json({"lease": lease.model_dump(mode="json"), "events": told})
        return
    out = display.out
    out.print(Text(_of_lease(lease), style="bold"))
    for line in _facts_of(lease):
        out.print(Text(f"  {line}"))
    if lease.explanation.candidates:
        out.print()
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in ("pool", "place", "free then", "score", "why not"):
            table.add_column(column, overflow="fold")
        for each in lease.explanation.candidates:
            score = "" if each.score is None else f"{each.score:.1f}"
            table.add_row(each.pool, each.location, str(each.free), score, Text(each.removed_by))
        out.print(table)
    out.print()
    for event in events:
        out.print(Text(f"  {event.at:%Y-%m-%d %H:%M:%S}  {event.stage:<10} {event.message}"))


def _of_lease(lease: Lease) -> str:
    group = f" ({lease.group})" if lease.group else ""
    state = f"{lease.state}, machine {lease.machine.id}" if lease.machine else str(lease.state)
    return f"lease {lease.id} of {lease.owner}{group} by {lease.frontend}: {state}"


def _facts_of(lease: Lease) -> Iterator[str]:
    needs = lease.needs
    wanted = amounts(needs.cpus, needs.ram_gb, needs.gpus, needs.gpu_model)
    asked = needs.environment or "any environment"
    yield f"asked for {asked}{f' with at least {wanted}' if wanted else ''}"
    yield lease.explanation.summary
    if lease.explanation.trouble and lease.state is LeaseState.WAITING:
        yield lease.explanation.trouble
    if lease.queue is not None:
        about = "" if lease.queue.estimate_s is None else f", about {lease.queue.estimate_s:.0f} s"
        yield f"place {lease.queue.place} of those who wait{about}"
    if lease.reservation:
        yield f"of the reservation {lease.reservation}"
    if lease.ends_at is not None and lease.ended_at is None:
        extended = f", extended {lease.extensions} times" if lease.extensions else ""
        yield f"ends at {lease.ends_at:%Y-%m-%d %H:%M} UTC{extended}"


def _machine(display: Display, vmm: Vmm, name: str) -> None:
    machine = vmm.machine(name)
    pool = next((each for each in vmm.pools() if each.name == machine.pool), None)
    if display.as_json:
        told = pool.model_dump(mode="json") if pool else None
        display.print_json({"machine": machine.model_dump(mode="json"), "pool": told})
        return
    display.out.print(Text(_of_machine(machine), style="bold"))
    for line in _facts_of_machine(machine, pool):
        display.out.print(Text(f"  {line}"))


def _of_machine(machine: Machine) -> str:
    since = f"{machine.changed_at:%Y-%m-%d %H:%M:%S} UTC"
    what = f"machine {machine.id} of {machine.pool} at {machine.location}"
    return f"{what}: {machine.state} since {since}"


def _facts_of_machine(machine: Machine, pool: PoolStatus | None) -> Iterator[str]:
    size = amounts(
        machine.size.cpus, machine.size.ram_gb, machine.size.gpus, machine.size.gpu_model
    )
    if machine.reason:
        yield machine.reason
    yield f"{size}, {machine.isolation or 'isolation not known yet'}"
    cloud_id = f" as {machine.cloud_id}" if machine.cloud_id else ""
    yield f"asked of cloud {machine.cloud} at {machine.created_at:%Y-%m-%d %H:%M:%S} UTC{cloud_id}"
    if machine.lease:
        yield f"leased: see `vmm why {machine.lease}`"
    if machine.holding:
        yield f"holds what is nowhere else: {machine.holding}"
    if machine.kept_until:
        yield f"can be taken back until {machine.kept_until:%Y-%m-%d %H:%M} UTC"
    if machine.replica:
        yield f"its agent is connected to {machine.replica}"
    elif machine.agent_lost_at:
        yield f"its agent is away since {machine.agent_lost_at:%Y-%m-%d %H:%M:%S} UTC"
    if pool is None:
        yield "its pool left the catalogue"
    elif pool.hold:
        yield f"its pool makes no machines: {pool.hold}"
