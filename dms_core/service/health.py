"""``/health``: whether the service is whole, for balancers and operators."""

from __future__ import annotations

from collections.abc import Sequence

from .. import __version__
from ..errors import DmsError
from ..model import Health, StorageHealth
from .handler import Handler


class HealthHandler(Handler):
    """Needs no token. Why something is wrong is in the log, and here for administrators."""

    needs_user = False

    async def get(self) -> None:
        """``ok``, or ``degraded`` while it works with less than it was given."""
        storages = self.parts.places.health(self.parts.namespace.volumes)
        wrong = []
        if self.parts.membership.problem:
            wrong.append(self.parts.membership.trouble)
        wrong += [_told(each, storages) for each in storages if each.state == "away"]
        if not await self._for_an_administrator():
            storages = tuple(each.model_copy(update={"reason": ""}) for each in storages)
        self.answer(
            Health(
                status="degraded" if wrong else "ok",
                detail=" ".join(wrong),
                version=__version__,
                storages=storages,
            )
        )

    async def _for_an_administrator(self) -> bool:
        """Whether the token that came is an administrator's; without a good one it is nobody's."""
        try:
            user = self.parts.tokens.verify(self.bearer()).user
            await self.parts.membership.load(user)
            return self.parts.membership.of(user).administrator
        except DmsError:
            return False


def _told(away: StorageHealth, storages: Sequence[StorageHealth]) -> str:
    others = [each.state for each in storages if each.volume == away.volume and each != away]
    stand_in = ", others stand in" if "used" in others else ""
    return f"Storage {away.storage} of {away.volume} is away{stand_in}; see the log."
