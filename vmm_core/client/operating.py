"""What both clients can do with pools, clouds and machines, for operators."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import TypeAdapter

from ..api.models import WhyRequest
from ..model import CloudStatus, ConsoleLog, Machine, PoolStatus, Status
from .transport import Transport

_POOL = TypeAdapter(PoolStatus)
_CLOUD = TypeAdapter(CloudStatus)
_CLOUDS = TypeAdapter(list[CloudStatus])
_CONSOLE = TypeAdapter(ConsoleLog)
_POOLS = TypeAdapter(list[PoolStatus])
_MACHINE = TypeAdapter(Machine)
_MACHINES = TypeAdapter(list[Machine])
_STATUS = TypeAdapter(Status)


class OperatingCalls:
    """A part of :class:`vmm_core.client.VmmClient`. Changes need the scope ``operate``."""

    _transport: Transport

    async def status(self) -> Status:
        """How the whole service stands. Needs the scope ``read`` or ``operate``."""
        return await self._transport.call("GET", "status", _STATUS)

    async def machine(self, machine_id: str) -> Machine:
        """One machine, also one that is deleted. Needs the scope ``operate``."""
        return await self._transport.call("GET", f"machines/{_quoted(machine_id)}", _MACHINE)

    async def machines(self) -> list[Machine]:
        """Every machine that is not deleted. Needs the scope ``operate``."""
        return await self._transport.call("GET", "machines", _MACHINES)

    async def delete(self, machine_id: str, *, discard: bool = False) -> Machine:
        """Delete a machine that nobody leases. Needs the scope ``operate``.

        Args:
            machine_id: which.
            discard: also if it holds something of its user's that is nowhere else.
        """
        return await self._transport.call(
            "DELETE",
            f"machines/{_quoted(machine_id)}",
            _MACHINE,
            params={"discard": "true"} if discard else {},
        )

    async def pools(self) -> list[PoolStatus]:
        """The pools and how many of their machines are in which state."""
        return await self._transport.call("GET", "pools", _POOLS)

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
