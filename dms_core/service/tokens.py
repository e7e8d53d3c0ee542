"""``/tokens``: frontends have tokens made for users, users renew theirs."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel, ConfigDict

from ..access.frontends import Scope
from .handler import Handler, log


class Wanted(BaseModel):
    """What ``POST /tokens`` wants to know."""

    model_config = ConfigDict(extra="forbid")

    user: str
    lifetime_s: float | None = None


class TokensHandler(Handler):
    """``POST /tokens``, for frontends only."""

    needs_user = False

    def post(self) -> None:
        """A token for a user."""
        frontend = self.parts.frontends.check(self.bearer(), Scope.ISSUE)
        self.user = frontend
        wanted = self.body(Wanted)
        token = self.parts.tokens.issue(wanted.user, wanted.lifetime_s)
        log.info("%s got a token for %s", frontend, wanted.user)
        self.answer(token, HTTPStatus.CREATED)


class RenewHandler(Handler):
    """``POST /tokens/renew``, with the token to be renewed."""

    def post(self) -> None:
        """A later token for the same user."""
        self.answer(self.parts.tokens.renew(self.bearer()), HTTPStatus.CREATED)
