"""Turns the service's RFC 9457 problems back into the classes of :mod:`vmm_core.errors`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from ..api.models import PROBLEM_TYPE, Problem
from ..errors import Unavailable, VmmError


def error_of(status: int, body: bytes, url: str) -> VmmError:
    """The error that a response other than 2xx stands for.

    Anything that is no problem of ours (a proxy's page, another service at
    this address) becomes :class:`Unavailable`, because no VMM was reached.
    """
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return Unavailable(
            f"{url} answered {status}, but not as a VMM does: check the address "
            "and any proxy in between"
        )
    kind = _by_slug().get(problem.type.removeprefix(PROBLEM_TYPE), VmmError)
    return kind(problem.detail)


def _by_slug() -> dict[str, type[VmmError]]:
    return {kind.slug: kind for kind in _descendants(VmmError)}


def _descendants(kind: type[VmmError]) -> Iterator[type[VmmError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)
