"""A cloud without machines: sizes, quotas, boot times and faults, to try things on.

* ``cloud``: what the VMM sees, and ``inject``, which lets a fault happen.
* ``faults``: what can go wrong, by name, and how each comes out.
* ``records``: the machines and what is left of some, in memory and in a file.
* ``options``: what the catalogue says of one.
"""

from __future__ import annotations

from .cloud import SimulatedCloud
from .faults import Fault
from .options import SimulatedOptions, SimulatedSize

__all__ = ["Fault", "SimulatedCloud", "SimulatedOptions", "SimulatedSize"]
