"""The service's Ed25519 key: it signs every bind, so that a machine obeys nobody else.

A bind is a JWT (RFC 7519) with ``alg`` EdDSA (RFC 8037) and the claims
``machine``, ``lease``, ``exp`` and ``session``. The private half lives in one
file, 0600, made at first start; the public half goes into the user data of
machines. Losing the key means that machines made before obey no more binds.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .errors import BadRequest
from .model import Session

BIND_VALID_S = 60
"""A bind that arrives later than this after it was signed is refused by the machine."""


class Signer:
    """Signs binds with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def load_or_create(cls, path: Path) -> Signer:
        """The signer of the key in ``path``, which is made if it is not there.

        Raises:
            BadRequest: the file is readable by others, is no Ed25519 key, or cannot be made.
        """
        try:
            if not path.exists():
                _create(path)
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise BadRequest(
                    f"{path} can be read by others: run `chmod 600 {path}`, or, "
                    "if somebody may have read it, delete it and every machine"
                )
            key = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise BadRequest(f"the key file {path} cannot be used: {error.strerror}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise BadRequest(
                f"{path} is not an Ed25519 private key in PEM: restore it, "
                "or delete it and every machine to start with a new one"
            )
        return cls(key)

    @property
    def public_pem(self) -> str:
        """The public half, for the user data of machines."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign_bind(self, machine: str, lease: str, session: Session) -> str:
        """The JWT that tells ``machine``, and only it, to become the user's of ``session``."""
        claims: dict[str, object] = {
            "machine": machine,
            "lease": lease,
            "exp": int(time.time()) + BIND_VALID_S,
            "session": session.model_dump(mode="json"),
        }
        return self.sign(claims)

    def sign(self, claims: dict[str, object]) -> str:
        """A JWT with these claims."""
        return jwt.encode(claims, self._key, algorithm="EdDSA")


def _create(path: Path) -> None:
    """Write a new key. Whole or not at all; of two services starting at once, one wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
