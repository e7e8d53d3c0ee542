"""The DMS's errors as the OSErrors that users of fsspec expect, our sentence kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import errors


@contextmanager
def told() -> Iterator[None]:
    """Raise a :class:`DmsError` of the body as :func:`os_error` has it."""
    try:
        yield
    except errors.DmsError as error:
        raise os_error(error) from error


def os_error(error: errors.DmsError) -> OSError:
    """The ``OSError`` with this error's number and sentence.

    Python makes ``FileNotFoundError``, ``PermissionError`` and the like of the
    number; what it leaves plain is told apart here.
    """
    if isinstance(error, errors.ReadOnly):
        return PermissionError(error.errno, str(error))
    if isinstance(error, errors.Unreachable):
        # Never a TimeoutError: fsspec puts one of its own without a word in its place.
        return ConnectionError(error.errno, str(error))
    return OSError(error.errno, str(error))
