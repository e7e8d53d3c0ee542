"""``vmm book``, ``reservations``, ``cancel``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime

from ..model import Reservation
from .parsing import Commands, needs_of, takes_needs, vmm_of
from .tables import Display


def add(commands: Commands) -> None:
    """Add the commands."""
    books = commands.asking(
        "book",
        "Book machines for a time, such as a workshop's.",
        "vmm book --environment mantid --machines 40 --group sans-school "
        "--from 2026-03-02T09:00 --until 2026-03-02T17:00",
        book,
    )
    takes_needs(books)
    books.add_argument("--machines", type=int, default=1, metavar="N", help="(default: 1)")
    for name, what in (("--from", "its start"), ("--until", "its end")):
        books.add_argument(
            name,
            type=_time,
            required=True,
            dest=name.strip("-") + "_",
            metavar="TIME",
            help=f"{what}: 2026-03-02T09:00, here unless it says where (…+01:00, …Z)",
        )
    books.add_argument("--owner", help="the user it is for")
    books.add_argument("--group", default="", help="whose members may use it")
    books.add_argument("--key", help="the same key returns the same reservation")
    lists = commands.asking(
        "reservations", "The reservations you may see.", "vmm reservations --all", reservations
    )
    lists.add_argument("--owner", help="of this user only")
    lists.add_argument("--all", action="store_true", help="also those that are over or cancelled")
    cancels = commands.asking(
        "cancel",
        "Cancel reservations; their leases go on.",
        "vmm cancel r-5d41402abc4b2a76",
        cancel,
    )
    cancels.add_argument("reservation", nargs="+", help="its id, from `vmm reservations`")


def book(options: argparse.Namespace) -> None:
    """Book machines."""
    with vmm_of(options) as vmm:
        made = vmm.book(
            needs_of(options),
            machines=options.machines,
            starts_at=options.from_,
            ends_at=options.until_,
            owner=options.owner,
            group=options.group,
            key=options.key,
        )
    show_reservations(Display(options.json), [made])


def reservations(options: argparse.Namespace) -> None:
    """List reservations."""
    with vmm_of(options) as vmm:
        found = vmm.reservations(options.owner, over=options.all)
    show_reservations(Display(options.json), found)


def cancel(options: argparse.Namespace) -> None:
    """Cancel reservations."""
    with vmm_of(options) as vmm:
        done = [vmm.cancel(reservation) for reservation in options.reservation]
    show_reservations(Display(options.json), done)


def show_reservations(display: Display, found: Sequence[Reservation]) -> None:
    """Reservations, with how many of their machines are leased."""
    display.show(
        found,
        ("reservation", "owner", "group", "machines", "of", "from", "until", "state"),
        (
            (
                item.id,
                item.owner,
                item.group,
                f"{item.used}/{item.machines}",
                item.pool,
                f"{item.starts_at.astimezone():%Y-%m-%d %H:%M}",
                f"{item.ends_at.astimezone():%Y-%m-%d %H:%M}",
                _state(item, datetime.now(UTC)),
            )
            for item in found
        ),
        "no reservations",
    )


def _state(item: Reservation, now: datetime) -> str:
    if item.cancelled_at is not None:
        return "cancelled"
    if item.is_open(now):
        return "open"
    if item.ends_at <= now:
        return "over"
    return "getting ready" if item.ready_from <= now else "booked"


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.astimezone()
