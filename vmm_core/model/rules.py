"""The nouns of what people may have: how much at once, and for how long."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from .base import Name, Noun

TEN_YEARS = 10 * 366 * 24
"""In hours: more is no time that a lease lasts."""


class Limit(Noun):
    """The most that a user or a group may have at once. One that names somebody wins over ``each``.

    A user's limit counts leases that wait as well, and more is refused; a group's counts
    machines that are leased, and more waits.
    """

    each: Literal["user", "group"] | None = None
    user: str | None = None
    group: str | None = None
    machines: int | None = Field(default=None, ge=0)
    cpus: float | None = Field(default=None, ge=0)
    ram_gb: float | None = Field(default=None, ge=0)
    gpus: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if sum(each is not None for each in (self.each, self.user, self.group)) != 1:
            raise ValueError("say whose limit it is: one of 'each', 'user' and 'group'")
        return self

    @property
    def of_users(self) -> bool:
        """Whether it is users' and not groups'."""
        return self.user is not None or self.each == "user"

    @property
    def whose(self) -> str | None:
        """The user or group that it names; None is each."""
        return self.user or self.group


class Lifetime(Noun):
    """How long a lease lasts; the first of the catalogue that fits group and environment counts.

    Without any, a lease lasts until it is released.
    """

    groups: tuple[str, ...] = Field(default=(), description="for these only; empty is all")
    environments: tuple[Name, ...] = Field(default=(), description="of these only; empty is all")
    hours: float | None = Field(
        default=None, gt=0, le=TEN_YEARS, description="from its start to its end"
    )
    extend_hours: float = Field(
        default=0, ge=0, le=TEN_YEARS, description="that an extension adds; 0 is none"
    )
    extensions: int = Field(default=0, ge=0, description="how often it can be extended")
    warn_hours: float = Field(
        default=1, ge=0, le=TEN_YEARS, description="before the end it is warned of"
    )
    idle_hours: float | None = Field(
        default=None,
        gt=0,
        le=TEN_YEARS,
        description="without any activity on the machine; then it ends",
    )
    undelete_hours: float = Field(
        default=0, ge=0, le=TEN_YEARS, description="after the end in which it can be taken back"
    )
