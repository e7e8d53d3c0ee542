"""The same as :mod:`.operating`, without asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from ..model import CloudStatus, ConsoleLog, PoolStatus
from .operating import OperatingCalls

T = TypeVar("T")


class OperatingBlocking:
    """A part of :class:`vmm_core.client.Vmm`."""

    _client: OperatingCalls

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
