"""The service's key: made once, private, and good for exactly one machine's bind."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from vmm_core.errors import BadRequest
from vmm_core.model import Program, Session
from vmm_core.signing import BIND_VALID_S, Signer

SESSION = Session(user="alice", program=Program(argv=("true",)), port=8888, health_path="/api")


def test_the_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "key.pem"
    made = Signer.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.load_or_create(path).public_pem == made.public_pem
    assert list(tmp_path.iterdir()) == [path]


def test_services_that_start_together_agree_on_one_key(tmp_path):
    path = tmp_path / "key.pem"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: Signer.load_or_create(path).public_pem, range(8)))
    assert len(made) == 1


def test_a_bind_verifies_with_the_public_half_and_names_its_machine(tmp_path):
    signer = Signer.load_or_create(tmp_path / "key.pem")
    signed = signer.sign_bind("m1", "l1", SESSION)
    claims = jwt.decode(signed, signer.public_pem, algorithms=["EdDSA"])
    assert (claims["machine"], claims["lease"]) == ("m1", "l1")
    assert Session.model_validate(claims["session"]) == SESSION
    assert time.time() < claims["exp"] <= time.time() + BIND_VALID_S


def test_a_bind_of_another_key_does_not_verify(tmp_path):
    signer = Signer.load_or_create(tmp_path / "key.pem")
    other = Signer.load_or_create(tmp_path / "other.pem")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(signer.sign_bind("m1", "l1", SESSION), other.public_pem, algorithms=["EdDSA"])


def test_a_key_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "key.pem"
    Signer.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(BadRequest, match="chmod 600"):
        Signer.load_or_create(path)


@pytest.mark.parametrize("content", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "key.pem"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(BadRequest, match="not an Ed25519 private key"):
        Signer.load_or_create(path)
    assert path.read_text() == content


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadRequest, match="No such file"):
        Signer.load_or_create(tmp_path / "none" / "key.pem")
