"""Why a request is not served where it would first have been, in words for users. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..model import Needs
from .facts import NONE, Counts, PoolFacts
from .match import closed, mismatch
from .trouble import said_of


class Moved(NamedTuple):
    """Why a request is not served where it would first have been, and where it is."""

    why: str
    here: str


def elsewhere(
    needs: Needs, won: PoolFacts, facts: Sequence[PoolFacts], counts: Mapping[str, Counts]
) -> Moved | None:
    """Why ``won`` serves and not a place that came first; None if that is where it is.

    The place that comes first is where the data is, else the first that the
    request names, else the first of the catalogue that has the environment.
    """
    data = next((name for name in needs.nearness if _at(name, facts)), None)
    named = next(iter(needs.prefer or needs.locations), None)
    for first in (data, named):
        if first is None:
            continue
        if needs.share_near(won.location.name) if first == data else won.location.name == first:
            return None
        there = _at(first, facts)
        place = there[0].location.title if there else first
        why = said(place, needs, there, counts)
        if first == data:
            why = f"the data is at {place}, but {why}"
        return Moved(why, won.location.title)
    return _hardware_before(needs, won, facts)


def said(place: str, needs: Needs, there: Sequence[PoolFacts], counts: Mapping[str, Counts]) -> str:
    """Why a place does not serve a request now: ``Diamond has no GPU``."""
    anywhere = needs.model_copy(update={"locations": ()})
    of_environment = [f for f in there if needs.environment in (None, f.environment.name)]
    if not of_environment:
        return f"{place} has no {needs.environment or 'machines'}"
    fitting = [f for f in of_environment if not mismatch(anywhere, f)]
    if not fitting:
        return f"{place} {_lack(needs, of_environment)}"
    for each in fitting:
        if each.trouble is not None:
            return said_of(each.trouble, place)
    if all(each.unavailable or closed(each, counts.get(each.name, NONE)) for each in fitting):
        return f"{place} is closed for such machines"
    return f"{place} has none free now"


def _hardware_before(needs: Needs, won: PoolFacts, facts: Sequence[PoolFacts]) -> Moved | None:
    """What the first cloud of the catalogue lacks that has the environment in no fitting size."""
    clouds: dict[str, list[PoolFacts]] = {}
    for each in facts:
        if needs.environment in (None, each.environment.name):
            clouds.setdefault(each.pool.cloud, []).append(each)
    for cloud, there in clouds.items():
        if cloud == won.pool.cloud:
            return None
        if all(mismatch(needs, each) for each in there):
            same_place = there[0].location == won.location
            place = cloud if same_place else there[0].location.title
            here = won.pool.cloud if same_place else won.location.title
            return Moved(f"{place} {_lack(needs, there)}", here)
    return None


def _lack(needs: Needs, there: Sequence[PoolFacts]) -> str:
    """What none of these machines has, the rarest first."""
    sizes = [each.size for each in there]
    if (needs.gpus or needs.gpu_model) and not any(size.gpus for size in sizes):
        return "has no GPU"
    if needs.gpu_model and all(size.gpu_model != needs.gpu_model for size in sizes):
        return f"has no {needs.gpu_model}"
    if all(size.gpus < needs.gpus for size in sizes):
        return f"has no machine with {needs.gpus} GPUs"
    if all(size.cpus < needs.cpus for size in sizes):
        return f"has no machine with {needs.cpus:g} CPUs"
    if all(size.ram_gb < needs.ram_gb for size in sizes):
        return f"has no machine with {needs.ram_gb:g} GiB"
    return "has no machine with all of that"


def _at(location: str, facts: Sequence[PoolFacts]) -> list[PoolFacts]:
    return [each for each in facts if each.location.name == location]
