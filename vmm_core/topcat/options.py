"""What a catalogue says for TopCAT: who calls, which environments, how its machines are reached."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field

from ..agent.access import SshAccess
from ..model import Name, Noun

NOBODY_YET = "topcat"
"""The owner of a lease until ``add_primary_user`` says whose it is."""


class TopcatOptions(Noun):
    """The section ``topcat`` of a catalogue.

    ``frontend`` is the entry of the tokens file whose name and token are the
    plugin's ``vmmUser`` and ``vmmPassword``; it needs the scope lease:any. All
    machines of ``environments`` offer the commands of ``ssh``.
    """

    frontend: str = Field(pattern=r"^[^\s/]{1,255}$")
    environments: tuple[Name, ...] = Field(min_length=1)
    groups: Mapping[Name, str] = Field(
        default=MappingProxyType({}),
        description="parameters.group of each: the plugin takes octopus for one of federal ids",
    )
    ssh: SshAccess

    def access_of(self, environment: str) -> SshAccess | None:
        """How machines of an environment are reached over SSH; None: they are not."""
        return self.ssh if environment in self.environments else None
