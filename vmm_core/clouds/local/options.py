"""The options of a local cloud in the catalogue."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_LAST_PORT = 65535


def _reachable(text: str) -> str:
    """``text`` if it is an endpoint."""
    address, _, port = text.rpartition(":")
    try:
        ipaddress.IPv4Address(address)
        if not 1 <= int(port) <= _LAST_PORT:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{text!r} is no endpoint: write a port, or ADDRESS:PORT with an IPv4 address"
        ) from None
    return text


Port = Annotated[int, Field(ge=1, le=_LAST_PORT)]
Endpoint = Annotated[str, AfterValidator(_reachable)]
"""``ADDRESS:PORT`` with an IPv4 address."""


class LocalSize(BaseModel):
    """What a machine of one size has; limits where the host can limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: float = Field(gt=0)
    ram_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None


class Overcommit(BaseModel):
    """How often each CPU and each GiB of the host may be given away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: float = Field(default=4, gt=0)
    ram: float = Field(default=1, gt=0)


class Options(BaseModel):
    """Options of ``kind: local``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(description="where machines live; made if missing, 0700")
    sizes: dict[str, LocalSize] = Field(min_length=1)
    isolation: Literal["auto", "namespaces", "user namespaces", "process"] = Field(
        default="auto", description="the best that works, or this one or none"
    )
    reach: tuple[Port | Endpoint, ...] = Field(
        default=(),
        description="what machines reach through the host: ports of its 127.0.0.1, which they see "
        "as their own, and ADDRESS:PORT of anywhere; the VMM's is always among them",
    )
    overcommit: Overcommit = Overcommit()
    machines: int | None = Field(default=None, ge=0, description="most machines; None: no limit")
    show: tuple[Path, ...] = Field(
        default=(), description="folders of the host that machines must see, read-only"
    )
    hide: tuple[Path, ...] = Field(
        default=(), description="files and folders of the host that machines must not see"
    )
    command: tuple[str, ...] = Field(
        default=(sys.executable, "-P", "-m", "vmm_core.agent"),
        min_length=1,
        description="the machine's agent; gets --user-data FILE --root FOLDER --isolation TEXT",
    )
    stop_timeout_s: float = Field(
        default=8, ge=0, description="how long a machine may take to end by itself"
    )
