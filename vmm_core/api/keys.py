"""Idempotency keys: a repeated request has one effect."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from ..errors import BadRequest

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(headers: Mapping[str, str]) -> str:
    """The key of a request; a new one if it has none.

    Raises:
        BadRequest: the key is none.
    """
    key = headers.get("Idempotency-Key") or uuid.uuid4().hex
    if not _KEY.fullmatch(key):
        raise BadRequest("the Idempotency-Key must be 1 to 255 visible ASCII characters")
    return key
