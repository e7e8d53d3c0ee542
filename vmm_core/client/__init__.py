"""The VMM's public client: :class:`VmmClient` for asyncio, :class:`Vmm` for scripts and notebooks.

>>> with Vmm("http://127.0.0.1:8440", token) as vmm:
...     lease = vmm.acquire(Needs(environment="mantid", cpus=4))
...     lease = vmm.wait(lease.id, timeout_s=120)
...     print(lease.machine.address)

Refusals come back as the classes of :mod:`vmm_core.errors`; a service that
does not answer is :class:`vmm_core.errors.Unavailable`, naming the URL.
"""

from .asynchronous import VmmClient
from .blocking import Vmm

__all__ = ["Vmm", "VmmClient"]
