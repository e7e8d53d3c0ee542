from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmm_core.agent.identity import Identity, IdentityError
from vmm_core.agent.protocol import UserData


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    path = tmp_path / "user-data.json"
    data = UserData(
        service="http://vmm",
        machine="m1",
        enrolment_token="once",
        public_key="PEM",
        preload=("json",),
    )
    path.write_text(data.model_dump_json())
    return path


def test_the_first_token_is_the_enrolment_token(user_data: Path, tmp_path: Path) -> None:
    identity = Identity.load(user_data, tmp_path / "run")
    assert (identity.machine, identity.token, identity.preload) == ("m1", "once", ("json",))


def test_after_enrolment_the_user_data_is_gone_and_a_restart_still_knows(
    user_data: Path, tmp_path: Path
) -> None:
    Identity.load(user_data, tmp_path / "run").enrolled("reconnect")
    assert not user_data.exists()
    assert (tmp_path / "run" / "agent.json").stat().st_mode & 0o777 == 0o600
    again = Identity.load(user_data, tmp_path / "run")
    assert (again.token, again.service, again.lease) == ("reconnect", "http://vmm", None)


def test_with_a_session_the_token_stays_only_where_the_session_cannot_read_it(
    user_data: Path, tmp_path: Path
) -> None:
    identity = Identity.load(user_data, tmp_path / "run")
    identity.enrolled("reconnect")
    identity.bound("lease-1", "alice")
    assert (tmp_path / "run" / "agent.json").exists() == (os.geteuid() == 0)
    assert identity.token == "reconnect"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"service": "http://vmm"}'])
def test_bad_user_data_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "user-data.json"
    path.write_text(text)
    with pytest.raises(IdentityError, match=r"user-data\.json is not what the VMM writes"):
        Identity.load(path, tmp_path)


def test_missing_user_data_is_told(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no user data in"):
        Identity.load(tmp_path / "nothing", tmp_path)
