"""The end of what a machine wrote can be read: one test per promise, where the cloud is able."""

# ruff: noqa: S101 - assertions are what a test suite is made of

from __future__ import annotations

import pytest

from ..base import CONSOLE_BYTES, Cloud, MachineSpec, Refused
from .fixtures import Fixtures


@pytest.mark.asyncio
class Console(Fixtures):
    """``console``."""

    async def test_no_console_says_so(self, cloud: Cloud) -> None:
        """Who asks for it without asking the abilities has made a mistake."""
        if cloud.abilities.console:
            pytest.skip("this cloud's machines have a console")
        with pytest.raises(NotImplementedError, match="abilities"):
            await cloud.console("anything")

    async def test_a_console_is_text_that_is_not_too_long(
        self, cloud: Cloud, spec: MachineSpec, deadline_s: float
    ) -> None:
        """As soon as the machine is there, and when it runs."""
        _needs_console(cloud)
        made = await cloud.create(spec)
        assert isinstance(await cloud.console(made.id), str)
        await self.running(cloud, spec, deadline_s)
        assert len((await cloud.console(made.id)).encode()) <= CONSOLE_BYTES

    async def test_an_unknown_machine_has_no_console(self, cloud: Cloud, spec: MachineSpec) -> None:
        """One that is gone, or never was, is told as such."""
        _needs_console(cloud)
        made = await cloud.create(spec)
        await cloud.delete(made.id)
        for unknown in (made.id, made.id + "-never-was"):
            with pytest.raises(Refused, match="no machine"):
                await cloud.console(unknown)


def _needs_console(cloud: Cloud) -> None:
    if not cloud.abilities.console:
        pytest.skip("this cloud's machines have no console: its abilities say so")
