"""The embedded cloud: a machine is a namespace sandbox on this host.

* ``cloud``: what the VMM sees; it starts and ends supervisors, nothing else.
* ``supervisor``: one process per machine, in a session of its own, so that machines
  outlive the VMM. It relays the machine's network and enforces its end.
* ``namespaces``, ``network``, ``rootfs``, ``init``: what happens inside.
* ``folder``: what is known of a machine on disk. ``cgroups``: its limits.
* ``isolation``, ``host``, ``options``: what this host gives and what the operator wants.

A machine shares the host's kernel: it keeps colleagues apart, it is no wall
against somebody hostile with a kernel exploit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cloud import LocalCloud

__all__ = ["LocalCloud"]


def __getattr__(name: str) -> object:
    """Import the cloud when asked for: the supervisors in this package start without it."""
    if name == "LocalCloud":
        from .cloud import LocalCloud

        return LocalCloud
    raise AttributeError(name)
