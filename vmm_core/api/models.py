"""What only the API says: the body of a lease request, problems, health.

Everything else that crosses the wire is a noun of :mod:`vmm_core.model`. These
classes check what comes in, write what goes out, and are the schemas of the
OpenAPI document, so that the three cannot differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ..model import GroupName, Needs, Noun, Role

PREFIX = "/vmm/api/v1"
"""Where the API starts on the service's host."""

PROBLEM_TYPE = "urn:jupyter-daaas:problem:"
"""A problem's ``type`` is this and the slug of its class in :mod:`vmm_core.errors`."""

Owner = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s/\x00-\x1f\x7f]+$"),
]
"""The user a lease is for, as the frontend names them."""


class LeaseRequest(Noun):
    """The body of ``POST /leases``."""

    needs: Needs = Needs()
    owner: Owner | None = Field(
        default=None, description="the user; the token's own name if not given"
    )
    groups: tuple[GroupName, ...] | None = Field(
        default=None,
        max_length=1000,
        description="those that the user is in, the most wanted first; only frontends say it, "
        "for a plain token the tokens file does",
    )
    reservation: str | None = Field(
        default=None,
        max_length=63,
        description="the reservation that it is to be part of; without, one that fits is found",
    )


class ReservationRequest(Noun):
    """The body of ``POST /reservations``."""

    needs: Needs = Needs()
    machines: int = Field(ge=1, le=1000, description="at any moment of the time")
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    owner: Owner | None = Field(
        default=None, description="the user; the token's own name if not given"
    )
    group: str = Field(
        default="", max_length=255, description="whose members may use it; empty: the owner only"
    )


class WhyRequest(Noun):
    """The body of what an operator does to a pool or a cloud."""

    reason: str = Field(default="", max_length=1000, description="for other people")


class Acting(Noun):
    """The body of what is done on a lease."""

    acting: Owner | None = Field(
        default=None,
        description="who does it, if the token is a frontend's; the lease's owner if not given",
    )


class ExtendRequest(Acting):
    """The body of ``POST /leases/{lease}/extend``."""

    hours: float | None = Field(
        default=None,
        gt=0,
        le=24 * 366,
        description="operators: so many, whatever the rule allows",
    )


class GrantRequest(Acting):
    """The body of ``POST /leases/{lease}/members``."""

    user: Owner = Field(description="who is let in, as the frontend names them")
    role: Role = Role.MEMBER


class Problem(BaseModel):
    """An error, after RFC 9457."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str


class Health(Noun):
    """The service answers, and so does its store."""

    status: Literal["ok"] = "ok"
    version: str
