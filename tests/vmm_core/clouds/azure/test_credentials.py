"""Credentials that are wrong, missing or careless, and what is said of them."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from vmm_core.clouds.azure import AzureCloud
from vmm_core.clouds.base import Refused

from .conftest import OpenCloud, machine, promised
from .directory import CLIENT, SECRET, TENANT
from .fake import Error, FakeAzure


async def test_wrong_secret(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.directory.secret = "another"
    with pytest.raises(Refused) as caught:
        await cloud.sizes()
    assert promised("wrong credentials", caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_token_that_azure_does_not_take(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.fail("list usages", Error(401, "InvalidAuthenticationToken", "The token is invalid."))
    with pytest.raises(Refused) as caught:
        await cloud.limits()
    assert promised("wrong credentials: token", caught.value)


async def test_missing_rights(azure: FakeAzure, cloud: AzureCloud) -> None:
    azure.fail("put machine", Error(403, "AuthorizationFailed", "The client has no right."))
    with pytest.raises(Refused) as caught:
        await cloud.create(machine())
    assert promised("wrong credentials: rights", caught.value)


async def test_credentials_of_the_environment(
    azure: FakeAzure, open_cloud: OpenCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    assert await open_cloud(credential={"kind": "default"}).list_owned("vmm-a") == []


@pytest.mark.parametrize(
    ("content", "mode", "says_so"),
    [(None, 0o600, "cannot be read"), ("x", 0o644, "read by others"), ("", 0o600, "is empty")],
)
async def test_a_secret_file_that_will_not_do(
    open_cloud: OpenCloud, tmp_path: Path, content: str | None, mode: int, says_so: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    cloud = open_cloud(
        credential={"kind": "secret", "tenant": "t", "client": "c", "secret_file": str(path)}
    )
    with pytest.raises(Refused, match=says_so):
        await cloud.list_owned("vmm-a")


async def test_no_log_has_a_secret(
    azure: FakeAzure, cloud: AzureCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = await cloud.create(machine(user_data='{"enrolment_token": "t0ken"}'))
    await cloud.delete(made.id)
    azure.fail("put machine", Error(400, "InvalidParameter", "No."))
    with pytest.raises(Refused):
        await cloud.create(machine(user_data='{"enrolment_token": "t0ken"}'))
    secrets = (
        SECRET,
        "t0ken",
        base64.b64encode(b'{"enrolment_token').decode()[:20],
        *azure.directory.tokens,
    )
    assert azure.directory.tokens
    assert [secret for secret in secrets if secret in caplog.text] == []
