"""Tickets between replicas: for one replica, one question, one body, once, and not for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmm_core.errors import NotAllowed
from vmm_core.model import Program, Session
from vmm_core.replicas import tickets as module
from vmm_core.replicas.tickets import Tickets
from vmm_core.signing import Signer

SESSION = Session(user="alice", program=Program(argv=("x",)), port=1, health_path="/")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.load_or_create(tmp_path / "key.pem")


def test_a_ticket_is_taken_once(signer: Signer):
    a, b = Tickets(signer, "a"), Tickets(signer, "b")
    ticket = a.make("b", "bind m1", b"{}")
    assert b.take(ticket, "bind m1", b"{}") == "a"
    with pytest.raises(NotAllowed, match="was used"):
        b.take(ticket, "bind m1", b"{}")


@pytest.mark.parametrize(
    ("subject", "body"), [("bind m2", b"{}"), ("unbind m1", b"{}"), ("bind m1", b"[]")]
)
def test_a_ticket_is_for_one_question_with_one_body(signer: Signer, subject: str, body: bytes):
    ticket = Tickets(signer, "a").make("b", "bind m1", b"{}")
    with pytest.raises(NotAllowed, match="something else"):
        Tickets(signer, "b").take(ticket, subject, body)


def test_a_ticket_to_another_replica_is_refused(signer: Signer):
    ticket = Tickets(signer, "a").make("b", "bind m1", b"{}")
    with pytest.raises(NotAllowed, match="same key file"):
        Tickets(signer, "c").take(ticket, "bind m1", b"{}")


def test_a_ticket_of_another_key_is_refused(signer: Signer, tmp_path: Path):
    ticket = Tickets(Signer.load_or_create(tmp_path / "other.pem"), "a").make("b", "x", b"")
    with pytest.raises(NotAllowed, match="same key file"):
        Tickets(signer, "b").take(ticket, "x", b"")


def test_an_old_ticket_is_refused(signer: Signer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "VALID_S", -5)
    ticket = Tickets(signer, "a").make("b", "x", b"")
    with pytest.raises(NotAllowed, match="clocks agree"):
        Tickets(signer, "b").take(ticket, "x", b"")


def test_a_bind_that_a_machine_was_sent_is_no_ticket(signer: Signer):
    bind = signer.sign_bind("m1", "l1", SESSION)
    with pytest.raises(NotAllowed):
        Tickets(signer, "b").take(bind, "bind m1", b"")
