"""Users' tokens: who they let in, until when, and whose they must be."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dms_core.access.identity import MAX_LIFETIME_S, RENEWABLE_S, Tokens, key_at
from dms_core.errors import BadRequest, ConfigError, NotAuthenticated


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def tokens(key: Ed25519PrivateKey, clock: Clock) -> Tokens:
    return Tokens(key, clock=clock)


def test_a_token_says_who_and_until_when(tokens: Tokens, clock: Clock) -> None:
    issued = tokens.issue("alice", 600)
    assert tokens.verify(issued.token) == issued
    assert (issued.user, issued.expires_s) == ("alice", clock.now + 600)
    assert issued.token not in repr(issued)


def test_a_token_expires_also_when_it_was_verified_before(tokens: Tokens, clock: Clock) -> None:
    issued = tokens.issue("alice", 600)
    tokens.verify(issued.token)
    clock.now += 599
    tokens.verify(issued.token)
    clock.now += 1
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match="expired"):
            tokens.verify(issued.token)


def test_a_token_is_renewed_until_its_last_day_and_no_longer(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue("alice")
    end = clock.now + RENEWABLE_S
    while token.expires_s < end:
        clock.now = token.expires_s - 60
        token = tokens.renew(token.token)
        assert token.user == "alice"
        assert token.renew_until_s == end
        assert token.expires_s <= end
    clock.now = end
    with pytest.raises(NotAuthenticated):
        tokens.renew(token.token)


def test_a_token_that_expired_while_the_service_was_away_is_renewed(
    tokens: Tokens, clock: Clock
) -> None:
    token = tokens.issue("alice", 10)
    clock.now += RENEWABLE_S - 1
    with pytest.raises(NotAuthenticated):
        tokens.verify(token.token)
    later = tokens.renew(token.token)
    assert tokens.verify(later.token).user == "alice"
    clock.now += 2
    with pytest.raises(NotAuthenticated):
        tokens.renew(token.token)


@pytest.mark.parametrize("user", ["", ".", "..", "a/b", "/", "a\0", "-x", "é", "a" * 65, "a\n"])
def test_a_user_must_be_able_to_have_a_folder(tokens: Tokens, user: str) -> None:
    with pytest.raises(BadRequest):
        tokens.issue(user)


@pytest.mark.parametrize("lifetime_s", [0, -1, MAX_LIFETIME_S + 1, float("nan"), float("inf")])
def test_a_lifetime_has_bounds(tokens: Tokens, lifetime_s: float) -> None:
    with pytest.raises(BadRequest):
        tokens.issue("alice", lifetime_s)


def test_another_keys_token_is_refused(tokens: Tokens, clock: Clock) -> None:
    other = Tokens(Ed25519PrivateKey.generate(), clock=clock).issue("alice")
    with pytest.raises(NotAuthenticated):
        tokens.verify(other.token)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(tokens: Tokens, part: int) -> None:
    parts = tokens.issue("alice").token.split(".")
    middle = len(parts[part]) // 2
    changed = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + changed + parts[part][middle + 1 :]
    with pytest.raises(NotAuthenticated):
        tokens.verify(".".join(parts))


def test_another_users_claims_under_my_signature_are_refused(tokens: Tokens) -> None:
    head, claims, signature = tokens.issue("mallory").token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    said["sub"] = "alice"
    forged = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    with pytest.raises(NotAuthenticated):
        tokens.verify(f"{head}.{forged}.{signature}")


def test_other_algorithms_are_refused(tokens: Tokens, key: Ed25519PrivateKey, clock: Clock) -> None:
    claims = {
        "iss": "dms",
        "sub": "alice",
        "exp": clock.now + 60,
        "renew_until": clock.now + 60,
    }
    tokens.verify(jwt.encode(claims, key, algorithm="EdDSA"))
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes_raw()
    for forged in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, public, algorithm="HS256"),
        jwt.encode(claims, rsa_key, algorithm="RS256"),
    ):
        with pytest.raises(NotAuthenticated):
            tokens.verify(forged)


@pytest.mark.parametrize("missing", ["iss", "sub", "exp", "renew_until"])
def test_every_claim_is_needed(
    tokens: Tokens, key: Ed25519PrivateKey, clock: Clock, missing: str
) -> None:
    claims = {"iss": "dms", "sub": "alice", "exp": clock.now + 9, "renew_until": clock.now + 9}
    del claims[missing]
    with pytest.raises(NotAuthenticated):
        tokens.verify(jwt.encode(claims, key, algorithm="EdDSA"))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "." * 10_000])
def test_nonsense_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        tokens.verify(token)


def test_the_key_is_made_once_for_the_owner_only(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "key.pem"
    token = Tokens(key_at(file), clock=clock).issue("alice").token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Tokens(key_at(file), clock=clock).verify(token).user == "alice"


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    key_at(file)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        key_at(file)


def test_a_file_that_holds_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for content in (b"", b"no key", other):
        file = tmp_path / "key.pem"
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(ConfigError, match="no Ed25519 key"):
            key_at(file)


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent/key\.pem cannot be made"):
        key_at(tmp_path / "absent" / "key.pem")
