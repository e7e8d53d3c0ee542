"""Who is calling: users' tokens, JWTs signed with the service's Ed25519 key.

A token says who and until when, nothing else: what the user may do is decided
on every call. It can be renewed until ``renew_until``, also when it has
expired: a service that was away ends nobody's session, and what a machine still
has to send can be sent.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ..errors import BadRequest, ConfigError, NotAuthenticated
from ..model import Token

USER = r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}$"
"""What a user may be called; it is the name of a folder, too."""

LIFETIME_S = 3600.0
MAX_LIFETIME_S = 24 * 3600.0
RENEWABLE_S = 7 * 24 * 3600.0
_ISSUER = "dms"
_KEPT = 4096


class Tokens:
    """Issues, verifies and renews tokens with one key.

    Args:
        key: The service's private key.
        renewable_s: How long after its issue a token can be renewed.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        *,
        renewable_s: float = RENEWABLE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._public = key.public_key()
        self._renewable_s = renewable_s
        self._clock = clock
        self._verified: OrderedDict[str, Token] = OrderedDict()

    def issue(self, user: str, lifetime_s: float | None = None) -> Token:
        """A token for ``user``.

        Raises:
            BadRequest: no user can be called so, or the lifetime is out of bounds.
        """
        if not re.fullmatch(USER, user):
            raise BadRequest(f"{user!r} cannot be a user's name; use letters, digits and _.@+-")
        lifetime_s = LIFETIME_S if lifetime_s is None else lifetime_s
        if not 0 < lifetime_s <= MAX_LIFETIME_S:
            raise BadRequest(
                f"A token cannot last {lifetime_s:g} s; ask for up to {MAX_LIFETIME_S:g} s."
            )
        now = self._clock()
        return self._sign(user, now + lifetime_s, now + max(lifetime_s, self._renewable_s), now)

    def verify(self, token: str) -> Token:
        """What a token says.

        Raises:
            NotAuthenticated: it is not ours, was changed, or has expired.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._decode(token)
            self._verified[token] = known
            if len(self._verified) > _KEPT:
                self._verified.popitem(last=False)
        if known.expires_s <= self._clock():
            self._verified.pop(token, None)
            raise NotAuthenticated("The token has expired; ask for a new one.")
        return known

    def renew(self, token: str, lifetime_s: float = LIFETIME_S) -> Token:
        """A later token for the same user, for one that may have expired.

        Raises:
            NotAuthenticated: it is not ours, was changed, or can be renewed no more.
        """
        known = self._decode(token)
        now = self._clock()
        if known.renew_until_s <= now:
            raise NotAuthenticated("The token can be renewed no more; log in again.")
        expires_s = min(now + lifetime_s, known.renew_until_s)
        return self._sign(known.user, expires_s, known.renew_until_s, now)

    def _sign(self, user: str, expires_s: float, renew_until_s: float, now: float) -> Token:
        claims = {
            "iss": _ISSUER,
            "sub": user,
            "iat": int(now),
            "exp": expires_s,
            "renew_until": renew_until_s,
            "jti": secrets.token_urlsafe(8),
        }
        return Token(
            token=jwt.encode(claims, self._key, algorithm="EdDSA"),
            user=user,
            expires_s=expires_s,
            renew_until_s=renew_until_s,
        )

    def _decode(self, token: str) -> Token:
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=["EdDSA"],
                issuer=_ISSUER,
                options={
                    "require": ["iss", "sub", "exp", "renew_until"],
                    "verify_exp": False,  # by our clock, in verify()
                    "verify_iat": False,
                },
            )
            return Token(
                token=token,
                user=claims["sub"],
                expires_s=claims["exp"],
                renew_until_s=claims["renew_until"],
            )
        except (jwt.InvalidTokenError, ValueError):
            raise NotAuthenticated(
                "The token was not issued by this service; ask for a new one."
            ) from None


def key_at(file: Path) -> Ed25519PrivateKey:
    """The private key in ``file``, made at the first start.

    Raises:
        ConfigError: the file is no Ed25519 key, others may read it, or it cannot be made.
    """
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _existing_key(file)
    except OSError as error:
        raise ConfigError(
            f"The key file {file} cannot be made ({error.strerror}); correct its path."
        ) from None
    key = Ed25519PrivateKey.generate()
    with os.fdopen(fd, "wb") as out:
        out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        out.flush()
        os.fsync(fd)
    return key


def _existing_key(file: Path) -> Ed25519PrivateKey:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigError(f"Others may read the key file {file}; run: chmod 600 {file}")
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"The key file {file} cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"The key file {file} holds no Ed25519 key; remove it to have one made "
            "(tokens signed before end then)."
        )
    return key
