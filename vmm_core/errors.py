"""What can go wrong in the VMM, each as one sentence that names the thing and the remedy.

The API turns these into RFC 9457 problems with ``status`` and ``slug``; the
clients turn problems back into these classes.
"""

from __future__ import annotations

from typing import ClassVar


class VmmError(Exception):
    """Base of all errors a caller of the VMM can meet."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"


class NotFound(VmmError):
    """The named thing does not exist."""

    status = 404
    slug = "not-found"


class BadRequest(VmmError):
    """The request cannot be understood or can never be met."""

    status = 400
    slug = "bad-request"


class NotAllowed(VmmError):
    """The token is missing, wrong, or lacks the scope."""

    status = 403
    slug = "not-allowed"


class NotAuthenticated(NotAllowed):
    """No token, or one the service does not know."""

    status = 401
    slug = "not-authenticated"


class Impossible(VmmError):
    """No pool of the catalogue can ever meet the needs."""

    status = 422
    slug = "impossible"


class Conflict(VmmError):
    """The thing is not in a state that allows this."""

    status = 409
    slug = "conflict"


class LimitReached(Conflict):
    """The owner has as much as the owner may have at once."""

    slug = "limit-reached"


class Unavailable(VmmError):
    """A part that is needed does not answer now; try again."""

    status = 503
    slug = "unavailable"


class BindFailed(VmmError):
    """The machine could not be made the user's; it will be deleted."""

    status = 502
    slug = "bind-failed"


class CatalogueError(VmmError):
    """The catalogue is wrong; the message gives file and line."""

    status = 500
    slug = "catalogue"
