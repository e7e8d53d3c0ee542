"""What every cloud must do, as tests: a provider inherits them and passes.

    from vmm_core.clouds.conformance import CloudConformance

    class TestMyCloud(CloudConformance):
        @pytest_asyncio.fixture
        async def cloud(self):
            cloud = MyCloud("test", MyCloud.Options(...))
            yield cloud
            await cloud.close()

Only the fixture ``cloud`` is required. The others say what else can be tried:
``reopen`` (a second object for the same account), ``dial`` (is a port open?),
``leave_side`` (a machine that ends and leaves something), ``ports``, ``image``,
``user_data``, ``deadline_s``. Optional verbs are tried where ``abilities`` has
them. Each test makes machines under an owner of its own and deletes them;
nothing of other owners is touched. Needs pytest and pytest-asyncio.
"""

from __future__ import annotations

from .console import Console
from .fixtures import Dial, LeaveSide
from .machines import Machines
from .sides import Sides
from .suspending import Suspending

__all__ = ["CloudConformance", "Dial", "LeaveSide"]


class CloudConformance(Machines, Suspending, Console, Sides):
    """The contract of :mod:`vmm_core.clouds.base`, one test per promise."""
