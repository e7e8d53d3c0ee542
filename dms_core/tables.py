"""What the command ``dms`` prints: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from .model import CacheState, Entry, Health, Kind, MountInfo, Near, Queue, Status, Transfer
from .paths import name_of

_COLOURS = {
    CacheState.REMOTE: "dim",
    CacheState.PARTIAL: "yellow",
    CacheState.CACHED: "green",
    CacheState.PINNED: "bold green",
    CacheState.DIRTY: "magenta",
    CacheState.SENDING: "magenta",
    CacheState.STUCK: "bold red",
}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True)
class Row:
    """An entry, and where its bytes are if a mount was asked."""

    entry: Entry
    status: Status | None = None


def size(count: int) -> str:
    """``count`` bytes for people: ``1.5 GiB``."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:,.3g} {_UNITS[-1]}"


def show_rows(rows: Sequence[Row], *, as_json: bool) -> None:
    """A folder's entries."""
    if as_json:
        _json(
            [
                {
                    "entry": row.entry.model_dump(mode="json"),
                    "status": row.status.model_dump(mode="json") if row.status else None,
                }
                for row in rows
            ]
        )
        return
    table = _table("name", "size", "modified", "state")
    for row in rows:
        entry = row.entry
        suffix = {Kind.FOLDER: "/", Kind.LINK: f" -> {entry.target}"}.get(entry.kind, "")
        table.add_row(
            escape(_plain(name_of(entry.path) + suffix)),
            size(entry.size) if entry.kind is Kind.FILE else "",
            _when(entry.mtime_ns) if entry.mtime_ns else "",
            _state(row.status) if row.status else "",
        )
    _console().print(table)


def show_status(status: Status, *, as_json: bool) -> None:
    """Where one entry's bytes are."""
    if as_json:
        _json(status.model_dump(mode="json"))
        return
    console = _console()
    held = f"{size(status.cached_bytes)} of {size(status.size)} on this machine"
    console.print(f"{escape(_plain(status.path))}: {_state(status)}, {held}")
    if status.reason:
        console.print(f"  {escape(status.reason)} {escape(status.remedy)}")


def show_mount(info: MountInfo, *, as_json: bool) -> None:
    """A mount, its cache and its service."""
    if as_json:
        _json(info.model_dump(mode="json"))
        return
    table = Table(box=None, show_header=False)
    reach = "[green]answers[/]" if info.reachable else f"[red]away: {escape(info.reason)}[/]"
    for name, value in (
        ("mount", f"{info.mountpoint} for {info.user}"),
        ("volumes", ", ".join(f"/{volume.name}" for volume in info.volumes)),
        ("cache", f"{size(info.cache_bytes)} of {size(info.cache_limit_bytes)}"),
        ("fetched", f"{size(info.fetched_bytes)} since it was mounted"),
    ):
        table.add_row(name, escape(value))
    if info.unsent_files:
        stuck = f", [bold red]{info.stuck_files} of them stuck[/]" if info.stuck_files else ""
        waiting = f"{info.unsent_files} files, {size(info.unsent_bytes)}{stuck}: see 'dms queue'"
        table.add_row("unsent", waiting)
    table.add_row("service", f"{escape(info.service)} {reach}")
    _console().print(table)


def show_queue(queue: Queue, *, as_json: bool) -> None:
    """What waits to be sent, and the latest conflicts."""
    if as_json:
        _json(queue.model_dump(mode="json"))
        return
    console = _console()
    if not queue.files:
        console.print("Nothing waits to be sent.")
    else:
        table = _table("path", "size", "state", "since", "why")
        for file in queue.files:
            table.add_row(
                escape(_plain(file.path)),
                size(file.size),
                f"[{_COLOURS[file.state]}]{file.state}[/]",
                _when(int(file.since_s * 1e9)),
                escape(_plain(f"{file.reason} {file.remedy}".strip())),
            )
        console.print(table)
        used = f"{size(queue.used_bytes)} of {size(queue.limit_bytes)}"
        console.print(f"{len(queue.files)} files wait; the journal has {used}.")
    for one in queue.conflicts:
        console.print(
            f"{_when(int(one.at_s * 1e9))} {escape(_plain(one.path))} was changed elsewhere too; "
            f"what was written here is {escape(_plain(name_of(one.copy_path)))}"
        )


def show_transfers(transfers: Sequence[Transfer], *, as_json: bool) -> None:
    """Transfers, in the order given."""
    if as_json:
        _json([transfer.model_dump(mode="json") for transfer in transfers])
        return
    table = _table("path", "done", "of", "state")
    for transfer in transfers:
        table.add_row(
            escape(_plain(transfer.path)),
            size(transfer.done_bytes),
            size(transfer.total_bytes),
            escape(f"{transfer.state} {transfer.reason}".strip()),
        )
    _console().print(table)


def show_near(found: Sequence[Near], *, as_json: bool) -> None:
    """Locations with their share of the bytes."""
    if as_json:
        _json([near.model_dump(mode="json") for near in found])
        return
    if not found:
        sys.stderr.write("the service says no location of these bytes\n")
        return
    table = _table("location", "bytes near")
    for near in found:
        table.add_row(escape(near.location), f"{near.share:.0%}")
    _console().print(table)


def show_health(health: Health, *, as_json: bool) -> None:
    """Whether a service is whole, and its storages; why one is away, if that was told."""
    if as_json:
        _json(health.model_dump(mode="json"))
        return
    console = _console()
    console.print(f"{health.status}, version {escape(health.version)} {escape(health.detail)}")
    if health.storages:
        why = ("why",) if any(each.reason for each in health.storages) else ()
        columns = ("storage", "location", "state", "since", "served", "set aside", *why)
        table = _table("volume", *columns)
        for each in health.storages:
            table.add_row(
                *(escape(_plain(text)) for text in (each.volume, each.storage, each.location)),
                each.state,
                _when(int(each.since_s * 1e9)),
                size(each.served_bytes),
                str(each.set_aside),
                *([escape(_plain(each.reason))] if why else []),
            )
        console.print(table)


@contextmanager
def progress(transfer: Transfer, *, quiet: bool) -> Iterator[Callable[[Transfer], None]]:
    """A bar for one transfer, on a terminal; call what it gives with each new state."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
    console = Console(stderr=True)
    shown = Progress(
        *columns,
        TransferSpeedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    with shown:
        task = shown.add_task(escape(_plain(name_of(transfer.path))), total=transfer.total_bytes)

        def show(now: Transfer) -> None:
            shown.update(task, completed=now.done_bytes, total=now.total_bytes)

        yield show


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, overflow="ignore", no_wrap=True)
    for name in others:
        table.add_column(
            name, no_wrap=True, justify="right" if name in ("size", "done", "of") else "left"
        )
    return table


def _console() -> Console:
    """Full lines for pipes and files; the terminal's width on a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)


def _state(status: Status) -> str:
    percent = f" {status.percent} %" if status.state is CacheState.PARTIAL else ""
    return f"[{_COLOURS[status.state]}]{status.state}{percent}[/]"


def _when(mtime_ns: int) -> str:
    return datetime.fromtimestamp(mtime_ns // 1_000_000_000).strftime("%Y-%m-%d %H:%M")


def _plain(text: str) -> str:
    """Names are others' words: nothing in them may steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
