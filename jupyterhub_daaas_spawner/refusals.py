"""How a start that cannot be is told: one sentence, and the next move as a link.

JupyterHub shows ``jupyterhub_message`` and ``jupyterhub_html_message`` of an
exception to the user and counts ``reason`` in its metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jupyterhub.spawner import SpawnException

from .moves import Move


class Refused(SpawnException):  # type: ignore[misc]  # the hub has no type hints
    """A server that is not started, for a reason the user can understand.

    Args:
        message: one sentence for the user.
        reason: a short label for the hub's metrics, such as ``capacity``.
        moves: what would work instead, best first.
        again: the same once more, where that may help; a link only.
        spawn_url: of this server's spawn page, for the links.
        status_code: the HTTP status that a REST client gets.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        moves: Sequence[Move] = (),
        again: Move | None = None,
        spawn_url: str = "",
        status_code: int = 409,
    ) -> None:
        instead = "; ".join(move.label for move in moves)
        text = f"{message} What would work: {instead}." if instead else message
        super().__init__(text, reason=reason, status_code=status_code)
        links = "".join(
            f'<br><a class="daaas-move" href="{escape(move.url(spawn_url))}">'
            f"{escape(move.label)}</a>"
            for move in (*moves, *([again] if again else []))
        )
        self.jupyterhub_message = text
        self.jupyterhub_html_message = escape(message) + links
