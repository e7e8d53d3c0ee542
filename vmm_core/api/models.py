"""What only the API says: the body of a lease request, problems, health.

Everything else that crosses the wire is a noun of :mod:`vmm_core.model`. These
classes check what comes in, write what goes out, and are the schemas of the
OpenAPI document, so that the three cannot differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..model import Needs, Noun

PREFIX = "/vmm/api/v1"
"""Where the API starts on the service's host."""

PROBLEM_TYPE = "urn:jupyter-daaas:problem:"
"""A problem's ``type`` is this and the slug of its class in :mod:`vmm_core.errors`."""

Owner = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s/]+$")]
"""The user a lease is for, as the frontend names them."""


class LeaseRequest(Noun):
    """The body of ``POST /leases``."""

    needs: Needs = Needs()
    owner: Owner | None = Field(
        default=None, description="the user; the token's own name if not given"
    )


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
