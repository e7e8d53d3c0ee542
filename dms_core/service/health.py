"""``/health``: whether the service is whole, for balancers and operators."""

from __future__ import annotations

from .. import __version__
from .handler import Handler


class HealthHandler(Handler):
    """Needs no token, so it says what is wrong and leaves why to the log."""

    needs_user = False

    def get(self) -> None:
        """``ok``, or ``degraded`` while it works with less than it was given."""
        replicas = self.parts.places.health()
        wrong = []
        if self.parts.membership.problem:
            wrong.append(self.parts.membership.trouble)
        wrong += [
            f"Storage {each.storage} of {each.volume} is left, others stand in; see the log."
            for each in replicas
            if each.state == "left"
        ]
        self.finish(
            {
                "status": "degraded" if wrong else "ok",
                "detail": " ".join(wrong),
                "version": __version__,
                "replicas": [each.model_dump(exclude={"reason"}) for each in replicas],
            }
        )
