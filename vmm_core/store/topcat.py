"""What the TopCAT face keeps: numbers for names, and whose a lease is. A method, a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from .queries import audit, topcat
from .records import Actor
from .transactions import Rows


class TopcatRows(Rows):
    """Numbers that fit a Java int and stay the same for ever."""

    async def numbers(self, kind: str, names: Sequence[str]) -> dict[str, int]:
        """The number of each name; one that has none gets it now."""
        async with self._transactions.write() as tx:
            return await topcat.numbers(tx, kind, names)

    async def name(self, kind: str, number: int) -> str | None:
        """What a number stands for; None if it was never given out."""
        async with self._transactions.read() as tx:
            return await topcat.name(tx, kind, number)

    async def hand_over(self, lease_id: str, placeholder: str, owner: str, by: Actor) -> bool:
        """Make a lease that was acquired for somebody unknown its user's; whether that is news."""
        async with self._transactions.write() as tx:
            if not await topcat.hand_over(tx, lease_id, placeholder, owner):
                return False
            await audit.note(tx, by, "hand-over", lease=lease_id, subject=owner)
            return True
