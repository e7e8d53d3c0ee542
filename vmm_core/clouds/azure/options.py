"""The options of an Azure cloud in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from ...model import Noun

_ID = r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/"
Guid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
]
Https = Annotated[str, StringConstraints(pattern=r"^https://[^/]+/?$")]
Zone = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    StringConstraints(pattern=r"^[1-9]$"),
]
SubnetId = Annotated[str, StringConstraints(pattern=_ID + r"virtualNetworks/[^/]+/subnets/[^/]+$")]
GroupId = Annotated[str, StringConstraints(pattern=_ID + r"networkSecurityGroups/[^/]+$")]


class ClientSecret(Noun):
    """An application of the directory, with its secret in a file that only the service reads."""

    kind: Literal["secret"]
    tenant: str = Field(min_length=1, description="the directory's id")
    client: str = Field(min_length=1, description="the application's id")
    secret_file: Path = Field(description="holds the secret and nothing else, mode 0600")


class ManagedIdentity(Noun):
    """The identity that Azure gives the machine the VMM runs on; no secret anywhere."""

    kind: Literal["managed-identity"]
    client: str | None = Field(default=None, description="of a user-assigned identity")


class Ambient(Noun):
    """Whatever azure-identity finds: environment, workload identity, ``az login``."""

    kind: Literal["default"]


Credential = Annotated[ClientSecret | ManagedIdentity | Ambient, Field(discriminator="kind")]


class Options(Noun):
    """Options of ``kind: azure``."""

    subscription: Guid
    resource_group: str = Field(pattern=r"^[\w.()-]{1,90}$", description="must exist; only ours")
    region: str = Field(pattern=r"^[a-z0-9]+$", description="as `az account list-locations` has it")
    zone: Zone | None = Field(default=None, description="all machines in this one; None: any")
    credential: Credential = Ambient(kind="default")
    subnet: SubnetId = Field(description="of every machine; the VMM must be able to dial into it")
    security_group: GroupId | None = Field(default=None, description="of every network interface")
    public_address: bool = Field(
        default=False, description="give machines a public address and dial that one"
    )
    images: dict[str, str] = Field(
        default_factory=dict,
        description="an environment's `image` -> an image's id, or publisher:offer:sku:version",
    )
    gpu_models: dict[str, str] = Field(
        default_factory=dict,
        description="size or family -> model, where ours is not known or wrong",
    )
    admin: str = Field(default="operator", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    ssh_public_key: str | None = Field(
        default=None,
        pattern=r"^(ssh-rsa|ssh-ed25519) \S+( .*)?$",
        description="may log in as `admin`; None: nobody may",
    )
    disk_gb: int | None = Field(default=None, ge=1, le=4095, description="None: as the image")
    disk_type: Literal["Standard_LRS", "StandardSSD_LRS", "Premium_LRS"] = "StandardSSD_LRS"
    trusted_launch: bool = Field(default=False, description="as the image's definition wants it")
    hibernate: bool = Field(
        default=False,
        description="machines can be suspended: made so that they hibernate, which size and image "
        "must be able to",
    )
    boot_diagnostics: bool = Field(
        default=False, description="keep what machines write to their console, to be read"
    )
    force_delete: bool = Field(default=True, description="end machines without a shutdown")
    endpoint: Https = Field(
        default="https://management.azure.com", description="of Resource Manager"
    )
    authority: Https = Field(
        default="https://login.microsoftonline.com", description="gives tokens"
    )
    instance_discovery: bool = Field(
        default=True,
        description="ask Microsoft whether `authority` is known; not in private clouds",
    )
    ca_file: Path | None = Field(default=None, description="trusted instead of the system's CAs")
    connect_timeout_s: float = Field(default=10, gt=0)
    answer_timeout_s: float = Field(default=60, gt=0)
    delete_timeout_s: float = Field(
        default=110, gt=0, description="a delete that takes longer is looked at again later"
    )
    poll_s: float = Field(default=5, gt=0, description="between looks while a machine goes")
    list_every_s: float = Field(
        default=5, ge=0, description="a list younger than this answers again, to spare the quota"
    )
    sizes_every_s: float = Field(default=3600, ge=0, description="the same for sizes")
