"""What the clouds say: their lists of our machines, and their limits.

A cloud that does not answer is left out of a step, with the reason; one that
asks for patience is not asked again before it is time, and one that lets us
wait is asked beside the steps, so that it keeps nobody else waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from ..clouds.base import Cloud, CloudError, CloudMachine, Limits, Throttled
from ..store.engine import Clock
from .backoff import trouble_of
from .plan import Pause
from .policy import Policy

_log = logging.getLogger(__name__)


class Survey:
    """Asks the clouds, and remembers who did not answer."""

    def __init__(
        self, clouds: Mapping[str, Cloud], owner: str, policy: Policy, clock: Clock
    ) -> None:
        """``owner`` is the installation whose machines are listed."""
        self._clouds = clouds
        self._owner = owner
        self._policy = policy
        self._clock = clock
        self._limits: dict[str, tuple[datetime, Limits]] = {}
        self.mute: dict[str, Pause] = {}
        """Clouds that did not list our machines when they were asked last."""
        self._probes: dict[str, asyncio.Task[None]] = {}

    async def lists(self) -> dict[str, list[CloudMachine]]:
        """What each cloud that answers says it has of ours."""
        names = list(self._clouds)
        answers = await asyncio.gather(*(self._list(name) for name in names))
        return {
            name: found for name, found in zip(names, answers, strict=True) if found is not None
        }

    async def limits(self) -> dict[str, Limits]:
        """The ceilings of clouds that say them, not older than the policy allows."""
        oldest = self._clock() - timedelta(seconds=self._policy.limits_every_s)
        for name, cloud in self._clouds.items():
            if name in self._limits and self._limits[name][0] > oldest:
                continue
            if name in self.mute:
                continue
            try:
                async with asyncio.timeout(self._policy.list_deadline_s):
                    self._limits[name] = (self._clock(), await cloud.limits())
            except (CloudError, TimeoutError):
                self._limits.pop(name, None)
        return {name: limits for name, (_, limits) in self._limits.items()}

    async def _list(self, name: str) -> list[CloudMachine] | None:
        muted = self.mute.get(name)
        if muted is not None and muted.until is not None and muted.until > self._clock():
            return None
        if name in self._probes:
            return None
        began = time.monotonic()
        found = await self._ask(name)
        if found is None and time.monotonic() - began > self._policy.slow_s:
            self._probes[name] = asyncio.create_task(self._probe(name))
        return found

    async def _ask(self, name: str) -> list[CloudMachine] | None:
        try:
            async with asyncio.timeout(self._policy.list_deadline_s):
                found = await self._clouds[name].list_owned(self._owner)
        except (CloudError, TimeoutError) as error:
            later = None
            if isinstance(error, Throttled):
                later = self._clock() + timedelta(seconds=error.retry_after_s)
            reason = str(error) or f"{name} did not answer in time"
            if name not in self.mute:
                _log.warning("cloud %s does not list its machines: %s", name, reason)
            self.mute[name] = Pause(
                reason, later, open_end=True, trouble=trouble_of(error), silent=True
            )
            return None
        if self.mute.pop(name, None):
            _log.warning("cloud %s lists its machines again", name)
        return found

    async def _probe(self, name: str) -> None:
        """Ask a cloud that lets us wait beside the steps, until it answers."""
        try:
            while True:
                if await self._ask(name) is not None:
                    return
                await asyncio.sleep(self._policy.interval_s)
        finally:
            del self._probes[name]

    async def stop(self) -> None:
        """End what asks beside the steps."""
        probes = list(self._probes.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
