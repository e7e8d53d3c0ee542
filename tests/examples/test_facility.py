"""The facilities' table and the catalogue made from it."""

from __future__ import annotations

import io

from examples.facility.__main__ import write
from examples.facility.table import TABLE, read_table
from vmm_core.catalogue import load

CATALOGUE = TABLE.with_name("catalogue.yaml")


def test_the_catalogue_is_what_the_table_makes() -> None:
    made = io.StringIO()
    write(made)
    assert CATALOGUE.read_text() == made.getvalue()


def test_the_catalogue_is_a_good_one() -> None:
    catalogue = load(CATALOGUE)
    rows = read_table()
    assert set(catalogue.environments) == {row.name for row in rows}
    assert len(catalogue.pools) == len(rows) == 36
