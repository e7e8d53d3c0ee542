"""``vmm environments``, ``offers``, ``acquire``, ``leases``, ``release``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager

from rich.text import Text

from ..model import Environment, Lease, LeaseState, MachineState, Offer, Size
from .parsing import Commands, needs_of, takes_needs, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    commands.asking("environments", "What can be asked for.", "vmm environments", environments)
    takes_needs(
        commands.asking(
            "offers",
            "What is free now, in which size and where.",
            "vmm offers --environment mantid --gpus 1",
            offers,
        )
    )
    acquires = commands.asking(
        "acquire",
        "Lease a machine, or a place in the queue for one.",
        "vmm acquire --environment mantid --location ral --cpus 4 --ram 16 --wait",
        acquire,
    )
    takes_needs(acquires)
    acquires.add_argument("--owner", help="the user it is for (needs the scope lease:any)")
    acquires.add_argument(
        "--group",
        action="append",
        metavar="NAME",
        help="that the user is in (needs the scope lease:any); repeat, the most wanted first",
    )
    acquires.add_argument(
        "--reservation", metavar="ID", help="the reservation that it is part of; else one that fits"
    )
    acquires.add_argument("--key", help="the same key returns the same lease while it lasts")
    acquires.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=600.0,
        metavar="SECONDS",
        help="if it has to queue, wait for the machine (600 s unless told)",
    )
    lists = commands.asking("leases", "The leases you may see.", "vmm leases --all", leases)
    lists.add_argument("--owner", help="of this user only")
    lists.add_argument("--all", action="store_true", help="also those that are over")
    lists.add_argument(
        "--held",
        action="store_true",
        help="only those that are over and whose machine is kept: see `vmm undelete`",
    )
    releases = commands.asking(
        "release",
        "End leases; their machines are deleted.",
        "vmm release l-3f2a9c0d1e2f4a5b",
        release,
    )
    releases.add_argument("lease", nargs="+", help="a lease's id, from `vmm leases`")


def environments(options: argparse.Namespace) -> None:
    """List environments."""
    with vmm_of(options) as vmm:
        show_environments(Display(options.json), vmm.environments(), vmm.offers())


def offers(options: argparse.Namespace) -> None:
    """List offers."""
    with vmm_of(options) as vmm:
        show_offers(Display(options.json), vmm.offers(needs_of(options)))


def acquire(options: argparse.Namespace) -> None:
    """Ask for a machine, and wait for it if told to."""
    display = Display(options.json)
    with vmm_of(options) as vmm:
        lease = vmm.acquire(
            needs_of(options),
            owner=options.owner,
            groups=options.group,
            reservation=options.reservation,
            key=options.key,
        )
        if options.wait is not None and lease.state is LeaseState.WAITING:
            with show_waiting(display, lease):
                lease = vmm.wait(lease.id, options.wait)
        show_lease(display, lease)


def leases(options: argparse.Namespace) -> None:
    """List leases."""
    with vmm_of(options) as vmm:
        found = vmm.leases(options.owner, ended=options.all, held=options.held)
        show_leases(Display(options.json), found)


def release(options: argparse.Namespace) -> None:
    """End leases."""
    with vmm_of(options) as vmm:
        show_leases(Display(options.json), [vmm.release(lease) for lease in options.lease])


def show_environments(
    display: Display, found: Sequence[Environment], offers: Sequence[Offer]
) -> None:
    """What can be asked for, and where it is offered or why it is not."""
    display.show(
        found,
        ("environment", "title", "software", "instruments", "locations"),
        (
            (
                item.name,
                item.title,
                ", ".join(item.software),
                ", ".join(item.instruments),
                _places([offer for offer in offers if offer.environment.name == item.name]),
            )
            for item in found
        ),
        "the catalogue has no environments",
    )


def show_offers(display: Display, found: Sequence[Offer]) -> None:
    """What is free, where, in which size."""
    display.show(
        found,
        ("environment", "location", "size", "CPUs", "RAM", "GPUs", "free", "next"),
        (
            (
                item.environment.name,
                item.location.name,
                *_size(item.size),
                str(item.free),
                _next(item),
            )
            for item in found
        ),
        "nothing on offer meets this: ask for less, or see `vmm offers` without options",
    )


def show_lease(display: Display, lease: Lease) -> None:
    """One lease and why it got what it got."""
    if display.as_json:
        display.print_json(lease.model_dump(mode="json"))
        return
    show_leases(display, [lease])
    display.out.print(lease.explanation.summary, markup=False)


def show_leases(display: Display, found: Sequence[Lease]) -> None:
    """Leases."""
    display.show(
        found,
        ("lease", "owner", "state", "environment", "location", "size", "since", "ends", "address"),
        (_lease_row(item) for item in found),
        "no leases",
    )


def show_waiting(display: Display, lease: Lease) -> AbstractContextManager[object]:
    """Shown while a lease waits."""
    return display.progress.status(
        Text(f"lease {lease.id}: {lease.explanation.summary} (Ctrl-C keeps its place)")
    )


def _places(offers: Sequence[Offer]) -> str:
    """The locations of an environment's offers, with the reason where nothing can be had."""
    told: dict[str, str] = {}
    for offer in sorted(offers, key=lambda each: not each.available):
        name, why = offer.location.name, offer.reason or "not available"
        told.setdefault(name, name if offer.available else f"{name} ({why})")
    return ", ".join(told.values())


def _size(size: Size | None) -> tuple[str, str, str, str]:
    """Its name, CPUs, RAM and GPUs."""
    if size is None:
        return ("not known", "-", "-", "-")
    gpus = f"{size.gpus} {size.gpu_model or ''}".strip() if size.gpus else "-"
    return size.name, f"{size.cpus:g}", f"{size.ram_gb:g} GiB", gpus


def _next(offer: Offer) -> str:
    if not offer.available:
        return offer.reason or "not available"
    if offer.free:
        return "now"
    if offer.next_in_s is None:
        return offer.reason or "unknown"
    return f"in about {offer.next_in_s:.0f} s"


def _lease_row(lease: Lease) -> tuple[str, ...]:
    machine = lease.machine
    return (
        lease.id,
        lease.owner,
        lease.state,
        machine.environment if machine else lease.needs.environment or "any",
        machine.location if machine else ", ".join(lease.needs.locations) or "any",
        machine.size.name if machine else "",
        f"{lease.created_at:%Y-%m-%d %H:%M:%S}",
        _ends(lease),
        (machine.address or "") if machine else "",
    )


def _ends(lease: Lease) -> str:
    """When a lease ends; of one that is over, until when it can be taken back."""
    if lease.ended_at is None:
        return f"{lease.ends_at:%Y-%m-%d %H:%M}" if lease.ends_at else ""
    kept = lease.machine.kept_until if lease.machine else None
    if kept is None or lease.machine is None or lease.machine.state is not MachineState.HELD:
        return ""
    return f"back until {kept:%Y-%m-%d %H:%M}"
