"""The audit log: who did what to whose machine; each method is one transaction.

What is done is noted by the transaction that does it (:func:`.queries.audit.note`).
"""

from __future__ import annotations

from datetime import datetime

from ..model import AuditEntry
from .queries import audit
from .transactions import Rows


class AuditRows(Rows):
    """The lines of the audit log."""

    async def entries(
        self, *, lease: str | None = None, since: int = 0, most: int = 1000
    ) -> list[AuditEntry]:
        """At most so many lines from number ``since`` on, oldest first; of one lease, if given."""
        async with self._transactions.read() as tx:
            return await audit.entries(tx, lease=lease, since=since, most=most)

    async def forget(self, before: datetime) -> None:
        """Remove lines that are older than a time."""
        async with self._transactions.write() as tx:
            await audit.forget(tx, before)
