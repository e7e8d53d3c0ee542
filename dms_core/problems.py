"""Errors on the wire: RFC 9457 problem details, made and read back.

The ``type`` is ``urn:dms:error:SLUG`` with the slug of
:mod:`dms_core.errors`, so that a failure is the same class at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import errors
from .errors import DmsError
from .paths import is_within

CONTENT_TYPE = "application/problem+json"
_TYPE = "urn:dms:error:"


def problem(error: DmsError) -> dict[str, object]:
    """The RFC 9457 members that tell ``error``."""
    name = type(error).__name__
    return {
        "type": f"{_TYPE}{error.slug}",
        "title": "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip(),
        "status": error.status,
        "detail": str(error),
    }


def error_of(status: int, body: object, context: str, root: str = "/") -> DmsError:
    """The error a peer's answer tells; ``context`` names the call if it tells nothing.

    ``root`` is the peer's folder that is the root here, so paths are told without it.

    An answer that is no problem of ours (a proxy's page, say) becomes the class
    with that HTTP status, or ``Unreachable`` for the gateway statuses. So does
    one that sends elsewhere or knows no such resource: nothing is said of entries.
    """
    detail = f"{context} answered HTTP {status}."
    if isinstance(body, dict):
        kind = str(body.get("type", ""))
        detail = str(body.get("detail") or detail)
        if is_within(detail, root):
            detail = detail[len(root.rstrip("/")) :]
        if kind.startswith(_TYPE):
            return _BY_SLUG.get(kind.removeprefix(_TYPE), DmsError)(detail)
    if 300 <= status < 400 or status == 404:
        return errors.Unreachable(
            f"{context} answered HTTP {status}; is it a DMS of this version? Check its URL."
        )
    return _BY_STATUS.get(status, DmsError)(detail)


def _classes(base: type[DmsError]) -> Iterator[type[DmsError]]:
    yield base
    for sub in base.__subclasses__():
        yield from _classes(sub)


_BY_SLUG = {cls.slug: cls for cls in _classes(DmsError)}
_BY_STATUS: dict[int, type[DmsError]] = {
    400: errors.BadRequest,
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    412: errors.Stale,
    429: errors.Unreachable,
    502: errors.Unreachable,
    503: errors.Unreachable,
    504: errors.TimedOut,
    507: errors.NoSpace,
}
