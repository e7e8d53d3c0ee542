"""The same as :mod:`.operating`, without asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from ..model import CloudStatus, ConsoleLog, Machine, PoolStatus, Status
from .operating import OperatingCalls

T = TypeVar("T")


class OperatingBlocking:
    """A part of :class:`vmm_core.client.Vmm`."""

    _client: OperatingCalls

    def status(self) -> Status:
        """See :meth:`VmmClient.status`."""
        return self._run(self._client.status())

    def machine(self, machine_id: str) -> Machine:
        """See :meth:`VmmClient.machine`."""
        return self._run(self._client.machine(machine_id))

    def machines(self) -> list[Machine]:
        """See :meth:`VmmClient.machines`."""
        return self._run(self._client.machines())

    def delete(self, machine_id: str, *, discard: bool = False) -> Machine:
        """See :meth:`VmmClient.delete`."""
        return self._run(self._client.delete(machine_id, discard=discard))

    def pools(self) -> list[PoolStatus]:
        """See :meth:`VmmClient.pools`."""
        return self._run(self._client.pools())

    def clouds(self) -> list[CloudStatus]:
        """See :meth:`VmmClient.clouds`."""
        return self._run(self._client.clouds())

    def pause(self, pool: str, reason: str = "") -> PoolStatus:
        """See :meth:`VmmClient.pause`."""
        return self._run(self._client.pause(pool, reason))

    def resume(self, pool: str, reason: str = "") -> PoolStatus:
        """See :meth:`VmmClient.resume`."""
        return self._run(self._client.resume(pool, reason))

    def drain(self, cloud: str, reason: str = "") -> CloudStatus:
        """See :meth:`VmmClient.drain`."""
        return self._run(self._client.drain(cloud, reason))

    def undrain(self, cloud: str, reason: str = "") -> CloudStatus:
        """See :meth:`VmmClient.undrain`."""
        return self._run(self._client.undrain(cloud, reason))

    def console(self, machine: str) -> ConsoleLog:
        """See :meth:`VmmClient.console`."""
        return self._run(self._client.console(machine))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError
