"""The options of a simulated cloud in the catalogue."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ...model import Noun, Size
from ..base import SizeFact


class SimulatedSize(Noun):
    """A size of the catalogue's options; ``unavailable`` says why it cannot be had."""

    name: str
    cpus: float = Field(gt=0)
    ram_gb: float = Field(gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu_model: str | None = None
    unavailable: str = ""

    def fact(self) -> SizeFact:
        """As the interface says it."""
        return SizeFact(
            Size(**self.model_dump(exclude={"unavailable"})), unavailable=self.unavailable
        )


class SimulatedOptions(Noun):
    """Options of a simulated cloud in the catalogue."""

    sizes: tuple[SimulatedSize, ...] = Field(
        default=(
            SimulatedSize(name="small", cpus=2, ram_gb=8),
            SimulatedSize(name="large", cpus=8, ram_gb=32),
        ),
        min_length=1,
    )
    boot_s: float = Field(default=0, ge=0, description="from create to RUNNING")
    resume_s: float = Field(default=0, ge=0, description="from resume to RUNNING")
    suspend: bool = Field(default=True, description="machines can be suspended")
    console: bool = Field(default=True, description="machines have a console to read")
    max_machines: int | None = Field(default=None, ge=0, description="a quota, if any")
    max_cpus: float | None = Field(default=None, ge=0, description="a quota, if any")
    state_file: Path | None = Field(default=None, description="keeps the machines; else memory")
    agents: bool = Field(
        default=True, description="machines report ready and can be bound, as if agents ran there"
    )
