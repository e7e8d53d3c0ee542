"""The options of an OpenStack cloud in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Options(BaseModel):
    """Options of ``kind: openstack``: whose project, which zone, and what machines get there.

    The account is an entry of a ``clouds.yaml``, or an application credential
    whose secret is in a file of its own: no secret is in the catalogue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cloud: str | None = Field(default=None, description="entry of clouds.yaml that is the account")
    clouds_file: Path | None = Field(
        default=None, description="the clouds.yaml; without it, where openstacksdk looks"
    )
    auth_url: str | None = Field(default=None, description="Keystone, instead of `cloud`")
    credential_id: str | None = Field(default=None, description="application credential's id")
    credential_secret_file: Path | None = Field(
        default=None, description="file with that credential's secret and nothing else, 0600"
    )
    region: str | None = Field(default=None, description="region, if there are several")
    ca_file: Path | None = Field(
        default=None, description="certificates that the cloud's TLS is checked against"
    )

    zone: str = Field(description="availability zone of all machines")
    network: str = Field(description="name or id of the network that the VMM can dial")
    security_groups: tuple[str, ...] = Field(
        default=(), description="names or ids; none: the project's default group"
    )
    images: dict[str, str] = Field(
        default_factory=dict,
        description="name or id of the image here, by the environment's `image`; "
        "one that is not listed goes by its own name",
    )
    flavors: tuple[str, ...] = Field(
        default=(), description="flavors that may be used as sizes; none: all that are there"
    )
    gpu_models: dict[str, str] = Field(
        default_factory=dict, description="GPU model by flavor, where the flavor does not say it"
    )
    other_aliases: tuple[str, ...] = Field(
        default=(), description="PCI aliases that are not GPUs (network cards, disks)"
    )
    key_name: str | None = Field(default=None, description="key pair for operators' SSH")
    config_drive: bool = Field(
        default=True, description="hand the user data over on a drive, not by metadata service"
    )
    timeout_s: float = Field(
        default=12,
        gt=0,
        description="a question that is not answered by then is given up; "
        "requests that change something get five times that",
    )

    @model_validator(mode="after")
    def _one_account(self) -> Self:
        explicit = (self.auth_url, self.credential_id, self.credential_secret_file)
        if self.cloud is not None and any(explicit):
            raise ValueError("give either cloud or auth_url with a credential, not both")
        if self.cloud is None and not all(explicit):
            raise ValueError(
                "say whose account it is: cloud (an entry of clouds.yaml), or auth_url, "
                "credential_id and credential_secret_file"
            )
        return self
