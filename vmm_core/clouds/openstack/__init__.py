"""OpenStack as a cloud: one project in one availability zone, through openstacksdk.

* ``cloud``: what the VMM sees; create, list, delete, sizes, limits.
* ``account``: the connection, in a bounded pool of threads, every call with a deadline.
* ``facts``: flavors, image, network and zone, looked up by name.
* ``errors``: what went wrong, as one of the six errors of a cloud. Pure.
* ``sizes``: what a flavor is as a size, GPUs too. Pure.
* ``machines``: what a server or a port is as a machine. Pure.
* ``options``: what an operator writes in the catalogue.

A machine is a server and the one port it was made with. The port comes first,
so that its owner is known even if no server follows, and goes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cloud import OpenStackCloud

__all__ = ["OpenStackCloud"]


def __getattr__(name: str) -> object:
    """Import the cloud, and openstacksdk with it, when asked for."""
    if name == "OpenStackCloud":
        from .cloud import OpenStackCloud

        return OpenStackCloud
    raise AttributeError(name)
