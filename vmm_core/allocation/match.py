"""Which pools could ever meet the needs, and what removed each of the others. Pure.

A pool is removed for one reason, the first that applies in the order in which
a user would want to hear it: wrong environment, wrong place, too small, the
cloud cannot give the size, closed, kept for GPU requests. What is only preferred
(``prefer``, ``near``) removes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import Needs
from .facts import NONE, Counts, PoolFacts, Silent
from .trouble import said_of


def removed_by(
    needs: Needs, facts: Sequence[PoolFacts], counts: Mapping[str, Counts]
) -> dict[str, str]:
    """For each pool, by name, why it cannot serve ``needs``; empty if it can.

    GPU machines are kept for GPU requests: without ``needs.gpus`` a pool with
    GPUs is removed as long as any pool without them fits, also when that one has
    nothing vacant now: a boot is over in minutes, a machine given away is gone for days.
    """
    reasons = {f.name: mismatch(needs, f) or closed(f, counts.get(f.name, NONE)) for f in facts}
    if needs.gpus == 0 and needs.gpu_model is None:
        fitting = [f for f in facts if not reasons[f.name]]
        if any(f.size.gpus == 0 for f in fitting):
            for f in fitting:
                if f.size.gpus:
                    reasons[f.name] = "kept for requests that need a GPU"
    return reasons


def mismatch(needs: Needs, facts: PoolFacts) -> str:
    """Why the pool is not what is needed; empty if it is."""
    size = facts.size
    if needs.environment is not None and needs.environment != facts.environment.name:
        return f"its environment is {facts.environment.name}"
    if needs.locations and facts.location.name not in needs.locations:
        return f"its location is {facts.location.name}"
    if (needs.gpus or needs.gpu_model) and not size.gpus:
        return "it has no GPU"
    if needs.gpu_model is not None and needs.gpu_model != size.gpu_model:
        return f"its GPU model is {size.gpu_model or 'not known'}"
    if size.gpus < needs.gpus:
        return f"it has {counted(size.gpus, 'GPU')}"
    if size.cpus < needs.cpus:
        return f"it has {counted(size.cpus, 'CPU')}"
    if size.ram_gb < needs.ram_gb:
        return f"it has {size.ram_gb:g} GiB of RAM"
    return ""


def may_have(needs: Needs, silent: Silent) -> bool:
    """Whether a place that told no sizes yet can have what is needed, as far as is known."""
    return needs.environment in (None, silent.environment.name) and (
        not needs.locations or silent.location.name in needs.locations
    )


def closed(facts: PoolFacts, counts: Counts) -> str:
    """Why the pool serves nobody now, whatever is needed; empty if it does."""
    if facts.unavailable:
        return facts.unavailable
    if counts.free == counts.booting == counts.suspended == 0:
        if facts.pool.paused:
            return "it is paused by the operator and has no machine left"
        if facts.pool.maximum == 0:
            return "it is closed: its maximum is 0 machines"
        if facts.trouble is not None and facts.stopped:
            return said_of(facts.trouble, facts.location.title)
    return ""


def counted(number: float, noun: str) -> str:
    """``1 GPU``, ``2 GPUs``."""
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"
