"""``column IN (many values)`` with one parameter, so that the statement's text stays the same.

A text that differs with the number of values is parsed and planned anew every time.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import ColumnElement, String, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from ..engine import Transaction


def among(
    tx: Transaction, column: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """Whether a column of text is one of the values."""
    if tx.connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(String)))
    each = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(each.c.value))
