"""How the command line shows things: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .model import Environment, Lease, Machine, MachineState, Noun, Offer, Size
from .pools.status import PoolStatus

WIDE = 200
"""Columns when the output is no terminal, so that nothing is cut."""


class Display:
    """Writes to stdout, progress to stderr.

    Args:
        as_json: write JSON instead of tables.
    """

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(highlight=False)
        if not self._out.is_terminal:
            self._out = Console(highlight=False, width=WIDE)
        self._progress = Console(stderr=True, highlight=False)

    def environments(self, found: Sequence[Environment], offers: Sequence[Offer]) -> None:
        """What can be asked for, and where it is offered or why it is not."""
        self._show(
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

    def offers(self, found: Sequence[Offer]) -> None:
        """What is free, where, in which size."""
        self._show(
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

    def lease(self, lease: Lease) -> None:
        """One lease and why it got what it got."""
        if self._json:
            self._print_json(lease.model_dump(mode="json"))
            return
        self.leases([lease])
        self._out.print(lease.explanation.summary, markup=False)

    def leases(self, found: Sequence[Lease]) -> None:
        """Leases."""
        self._show(
            found,
            ("lease", "owner", "state", "environment", "location", "size", "since", "address"),
            (_lease_row(item) for item in found),
            "no leases",
        )

    def machines(self, found: Sequence[Machine]) -> None:
        """Machines."""
        self._show(
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

    def pools(self, found: Sequence[PoolStatus]) -> None:
        """Pools and the states of their machines."""
        self._show(
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

    def waiting(self, lease: Lease) -> AbstractContextManager[object]:
        """Shown while a lease waits."""
        return self._progress.status(
            Text(f"lease {lease.id}: {lease.explanation.summary} (Ctrl-C keeps its place)")
        )

    def _show(
        self,
        found: Sequence[Noun],
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        none: str,
    ) -> None:
        if self._json:
            self._print_json([item.model_dump(mode="json") for item in found])
            return
        if not found:
            self._progress.print(none, markup=False)
            return
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._out.print(table)

    def _print_json(self, value: object) -> None:
        self._out.out(json.dumps(value, indent=2), highlight=False)


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
        (machine.address or "") if machine else "",
    )
