"""What both clients can do with pools, clouds and machines, for operators."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import TypeAdapter

from ..api.models import WhyRequest
from ..model import CloudStatus, ConsoleLog, PoolStatus
from .transport import Transport

_POOL = TypeAdapter(PoolStatus)
_CLOUD = TypeAdapter(CloudStatus)
_CLOUDS = TypeAdapter(list[CloudStatus])
_CONSOLE = TypeAdapter(ConsoleLog)


class OperatingCalls:
    """A part of :class:`vmm_core.client.VmmClient`. Changes need the scope ``operate``."""

    _transport: Transport

    async def clouds(self) -> list[CloudStatus]:
        """The clouds and how they are. Needs the scope ``read`` or ``operate``."""
        return await self._transport.call("GET", "clouds", _CLOUDS)

    async def pause(self, pool: str, reason: str = "") -> PoolStatus:
        """Let a pool make no machines until it is resumed; what it has is leased."""
        return await self._transport.call(
            "POST", f"pools/{_quoted(pool)}/pause", _POOL, body=_why(reason)
        )

    async def resume(self, pool: str, reason: str = "") -> PoolStatus:
        """Let a pool go on that is paused, backs off, or was stopped after failures."""
        return await self._transport.call(
            "POST", f"pools/{_quoted(pool)}/resume", _POOL, body=_why(reason)
        )

    async def drain(self, cloud: str, reason: str = "") -> CloudStatus:
        """Empty a cloud of what nobody has; leases go on until they end."""
        return await self._transport.call(
            "POST", f"clouds/{_quoted(cloud)}/drain", _CLOUD, body=_why(reason)
        )

    async def undrain(self, cloud: str, reason: str = "") -> CloudStatus:
        """Take a cloud into use again."""
        return await self._transport.call(
            "POST", f"clouds/{_quoted(cloud)}/undrain", _CLOUD, body=_why(reason)
        )

    async def console(self, machine: str) -> ConsoleLog:
        """The end of what a machine wrote to its console: raw text, escape it to show it.

        Raises:
            Conflict: there is nothing to read, with the reason.
            Unavailable: its cloud does not answer.
        """
        return await self._transport.call("GET", f"machines/{_quoted(machine)}/console", _CONSOLE)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _why(reason: str) -> str:
    return WhyRequest(reason=reason).model_dump_json()
