"""Errors as RFC 9457 problems."""

from __future__ import annotations

import re
from http import HTTPStatus

from pydantic import ValidationError

from ..errors import BadRequest, VmmError
from .models import PROBLEM_TYPE, Problem

PROBLEM_MEDIA = "application/problem+json"


class BodyTooLarge(VmmError):
    """The body is larger than this operation takes."""

    status = 413
    slug = "body-too-large"


class WrongMethod(VmmError):
    """The path exists, the method on it does not."""

    status = 405
    slug = "wrong-method"

    def __init__(self, path: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{path} takes {' and '.join(allowed)} only")
        self.allowed = allowed


def problem_of(error: VmmError) -> Problem:
    """The problem that tells a caller of ``error``."""
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).capitalize()
    return Problem(
        type=PROBLEM_TYPE + error.slug, title=title, status=error.status, detail=str(error)
    )


def problem_of_status(status: int) -> Problem:
    """The problem for an error that is HTTP's, or a bug: it says no more than the status."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    detail = (
        "the service met an error of its own; its log says which"
        if status >= 500
        else f"the request cannot be answered: {phrase.lower()}"
    )
    return Problem(type="about:blank", title=phrase, status=status, detail=detail)


def bad_request_of(error: ValidationError, what: str) -> BadRequest:
    """Says what is wrong with ``what`` and where, without repeating any of its content."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or what}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
    return BadRequest(f"the {what} is wrong: {'; '.join(faults[:3])}{more}")
