"""The options of an OpenStack cloud, as a catalogue tells what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vmm_core.catalogue import parse
from vmm_core.clouds.base import Refused
from vmm_core.clouds.openstack.account import connect
from vmm_core.clouds.openstack.options import Options
from vmm_core.errors import CatalogueError

CATALOGUE = """\
locations: [{{name: ral, title: RAL}}]
clouds:
  - name: ral-cloud
    kind: openstack
    location: ral
    options: {{{options}}}
environments: [{{name: mantid, title: Mantid}}]
pools: [{{environment: mantid, cloud: ral-cloud, size: m1}}]
"""


def mistakes(options: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        parse(CATALOGUE.format(options=options), "env.yaml")
    return str(caught.value)


def test_an_account_by_name_and_one_by_credential() -> None:
    parse(CATALOGUE.format(options="cloud: ral, zone: a, network: n"), "env.yaml")
    explicit = "auth_url: https://k/v3, credential_id: c, credential_secret_file: /s"
    parse(CATALOGUE.format(options=f"{explicit}, zone: a, network: n"), "env.yaml")


def test_no_account_two_accounts_and_half_an_account() -> None:
    assert "say whose account it is" in mistakes("zone: a, network: n")
    half = "auth_url: https://k/v3, zone: a, network: n"
    assert "credential_secret_file" in mistakes(half)
    assert "not both" in mistakes(f"cloud: ral, {half}")


def test_a_secret_has_no_place_in_the_catalogue() -> None:
    said = mistakes("cloud: ral, zone: a, network: n, credential_secret: hush")
    assert "credential_secret_file" in said


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "clouds.yaml"
    options = Options(cloud="ral", clouds_file=missing, zone="a", network="n")
    with pytest.raises(Refused, match=f"{missing} cannot be read: No such file"):
        connect("ral-cloud", options)
    options = Options(
        auth_url="https://k/v3",
        credential_id="c",
        credential_secret_file=missing,
        zone="a",
        network="n",
    )
    with pytest.raises(Refused, match="credential_secret_file"):
        connect("ral-cloud", options)


def test_an_entry_that_the_file_lacks(tmp_path: Path) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text("clouds: {other: {auth: {auth_url: https://k/v3}}}\n")
    options = Options(cloud="ral", clouds_file=file, zone="a", network="n")
    with pytest.raises(Refused, match=r"cloud ral-cloud: Cloud ral was not found.*correct"):
        connect("ral-cloud", options)


def test_the_environment_of_the_service_is_not_an_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_AUTH_URL", "https://elsewhere/v3")
    monkeypatch.setenv("OS_PASSWORD", "hush")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    options = Options(
        auth_url="https://k/v3",
        credential_id="c",
        credential_secret_file=secret,
        zone="a",
        network="n",
    )
    with connect("ral-cloud", options) as connection:
        assert connection.config.config["auth"] == {
            "auth_url": "https://k/v3",
            "application_credential_id": "c",
            "application_credential_secret": "s3cret",
        }
    assert os.environ["OS_PASSWORD"] == "hush"
