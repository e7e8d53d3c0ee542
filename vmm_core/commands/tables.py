"""How the command line shows things: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..model import Noun

WIDE = 200
"""Columns when the output is no terminal, so that nothing is cut."""


class Display:
    """Writes to stdout, progress to stderr.

    Args:
        as_json: write JSON instead of tables.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(highlight=False)
        if not self.out.is_terminal:
            self.out = Console(highlight=False, width=WIDE)
        self.progress = Console(stderr=True, highlight=False)

    def show(
        self,
        found: Sequence[Noun],
        columns: Sequence[str],
        rows: Iterable[Sequence[str]],
        none: str,
    ) -> None:
        """A row for each of ``found``; ``none`` is said if there is nothing."""
        if self.as_json:
            self.print_json([item.model_dump(mode="json") for item in found])
            return
        if not found:
            self.progress.print(none, markup=False)
            return
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self.out.print(table)

    def print_json(self, value: object) -> None:
        """One JSON value, as it is."""
        self.out.out(json.dumps(value, indent=2), highlight=False)
