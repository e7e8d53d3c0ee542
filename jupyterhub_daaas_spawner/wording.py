"""The words in which sizes, places and waiting times are told to people.

Pure; the form, the refusals and the progress page all use these, and the form's
script says the same things in the same words when it updates them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vmm_core.model import Lease, Offer, Size


def number(value: float) -> str:
    """``4`` for 4.0, ``0.5`` for 0.5."""
    return f"{value:g}"


def hardware(size: Size | None) -> str:
    """``4 CPUs, 16 GiB, 1 GPU``; a GPU's model where it is known."""
    if size is None:
        return "a size that is not known now"
    parts = [
        f"{number(size.cpus)} CPU{'' if size.cpus == 1 else 's'}",
        f"{number(size.ram_gb)} GiB",
    ]
    if size.gpus:
        model = f" ({size.gpu_model})" if size.gpu_model else ""
        parts.append(f"{size.gpus} GPU{'' if size.gpus == 1 else 's'}{model}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """``about 20 s``, ``about 3 min``: rounded up, to what an estimate is worth."""
    if seconds <= 55:
        return f"about {max(5, -int(-seconds // 5) * 5)} s"
    return f"about {-int(-seconds // 60)} min"


def availability(offers: Iterable[Offer]) -> str:
    """What is free of all these together: ``3 ready now``, ``next in about 20 s``, or why not."""
    offers = list(offers)
    able = [offer for offer in offers if offer.available]
    if not able:
        reasons = {offer.reason for offer in offers if offer.reason}
        return f"not available: {'; '.join(sorted(reasons))}" if reasons else "not available"
    if free := sum(offer.free for offer in able):
        return f"{free} ready now"
    estimates = [offer.next_in_s for offer in able if offer.next_in_s is not None]
    if estimates:
        return f"next in {duration(min(estimates))}"
    if booting := sum(offer.booting for offer in able):
        return f"{booting} starting up"
    if all(offer.reason for offer in able):  # nowhere is one made
        return f"{'; '.join(sorted({offer.reason for offer in able}))}; you would wait for one"
    return "none ready; you would wait for one"


def kept(leases: Iterable[Lease], places: Mapping[str, str]) -> tuple[str, ...]:
    """Why machines of leases that are over are still there, one sentence for each.

    Args:
        leases: of one user, whose machines are held.
        places: titles of locations by their names.
    """
    return tuple(
        f"A machine of yours at {places.get(machine.location, machine.location)} is kept until "
        f"your files are in your home: {machine.holding}."
        for machine in (lease.machine for lease in leases)
        if machine is not None and machine.holding
    )


def listing(names: Iterable[str], most: int = 12) -> str:
    """``a, b, c``, cut after ``most`` with how many more there are."""
    names = list(names)
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
