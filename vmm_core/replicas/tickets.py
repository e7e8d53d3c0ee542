"""Tickets: how one replica proves to another that it may ask this, now, once.

A ticket is a JWT (RFC 7519) of the key that all replicas share, for one replica
(``aud``), one question of one machine (``sub``) and one body (``body``, its
SHA-256). It lasts seconds and is taken once. It has none of the claims of a bind,
so no machine obeys it; and no bind has those of a ticket.
"""

from __future__ import annotations

import hashlib
import time
import uuid

import jwt

from ..errors import NotAllowed
from ..signing import Signer

VALID_S = 30
"""How long a ticket lasts; the clocks of replicas are that near to each other."""


class Tickets:
    """Makes tickets to others, and takes those to us."""

    def __init__(self, signer: Signer, replica_id: str) -> None:
        self._signer = signer
        self._replica_id = replica_id
        self._taken: dict[str, float] = {}

    def make(self, to: str, subject: str, body: bytes) -> str:
        """A ticket to the replica ``to``, for one question (``subject``) with this ``body``."""
        return self._signer.sign(
            {
                "iss": self._replica_id,
                "aud": to,
                "sub": subject,
                "body": _digest(body),
                "jti": uuid.uuid4().hex,
                "exp": int(time.time()) + VALID_S,
            }
        )

    def take(self, ticket: str, subject: str, body: bytes) -> str:
        """The replica that asks.

        Raises:
            NotAllowed: the ticket is not for us, for something else, too old, or was taken.
        """
        try:
            claims = jwt.decode(
                ticket,
                self._signer.public_pem,
                algorithms=["EdDSA"],
                audience=self._replica_id,
                options={"require": ["iss", "aud", "sub", "body", "jti", "exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise NotAllowed(
                f"the ticket of another replica is refused ({error}): start all replicas with "
                "the same key file, on hosts whose clocks agree"
            ) from None
        now = time.time()
        self._taken = {jti: exp for jti, exp in self._taken.items() if exp >= now}
        jti = str(claims["jti"])
        right = claims["sub"] == subject and claims["body"] == _digest(body)
        if not right or jti in self._taken:
            raise NotAllowed("the ticket of another replica is for something else, or was used")
        self._taken[jti] = float(claims["exp"])
        return str(claims["iss"])


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
