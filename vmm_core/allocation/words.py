"""What users read of places and sizes, and why a place does not serve. Pure.

Users know places and sizes, not pools: the names of pools are for operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..model import Needs, Size
from .facts import NONE, Counts, PoolFacts, Silent
from .match import closed, counted, may_have, mismatch
from .trouble import said_of


def amounts(cpus: float, ram_gb: float, gpus: int, gpu_model: str | None) -> str:
    """``4 CPUs, 16 GiB, 1 GPU (V100)``: what is not 0."""
    words = [counted(cpus, "CPU")] if cpus else []
    words += [f"{ram_gb:g} GiB"] if ram_gb else []
    if gpus or gpu_model:
        words.append(counted(gpus or 1, "GPU") + (f" ({gpu_model})" if gpu_model else ""))
    return ", ".join(words)


def hardware(size: Size) -> str:
    """What a machine has: ``4 CPUs, 16 GiB``."""
    return amounts(size.cpus, size.ram_gb, size.gpus, size.gpu_model)


def describe(needs: Needs, facts: Iterable[PoolFacts] = (), silent: Iterable[Silent] = ()) -> str:
    """The needs in words: ``Mantid with 4 CPUs, 16 GiB, 1 GPU at Diamond``.

    ``facts`` and ``silent`` give the titles; what they do not know is told by its name.
    """
    known: tuple[PoolFacts | Silent, ...] = (*facts, *silent)
    environments = {each.environment.name: each.environment.title for each in known}
    places = {each.location.name: each.location.title for each in known}
    words = "a machine"
    if needs.environment:
        words = environments.get(needs.environment, needs.environment)
    if wanted := amounts(needs.cpus, needs.ram_gb, needs.gpus, needs.gpu_model):
        words += f" with {wanted}"
    if needs.locations:
        words += f" at {either(places.get(name, name) for name in needs.locations)}"
    return words


def either(titles: Iterable[str]) -> str:
    """``Diamond or Rutherford``, each once."""
    return " or ".join(dict.fromkeys(titles))


def shut(facts: PoolFacts, counts: Counts) -> str:
    """Why nobody is served from there now, for users; empty if somebody is.

    Which machines a place has is the operator's choice, and how it is made is not told.
    """
    why, place = closed(facts, counts), facts.location.title
    told = {"", facts.unavailable}
    if facts.trouble is not None:
        told.add(said_of(facts.trouble, place))
    return why if why in told else f"{place} is closed for such machines"


class Moved(NamedTuple):
    """Why a request is not served where it would first have been, and where it is."""

    why: str
    here: str


def elsewhere(
    needs: Needs,
    won: PoolFacts,
    facts: Sequence[PoolFacts],
    counts: Mapping[str, Counts],
    silent: Sequence[Silent] = (),
) -> Moved | None:
    """Why ``won`` serves and not a place that came first; None if that is where it is.

    The place that comes first is where the data is, else the first that the
    request names, else the first of the catalogue that has the environment.
    ``silent`` is what did not tell its sizes yet.
    """
    known: tuple[PoolFacts | Silent, ...] = (*facts, *silent)
    titles = {each.location.name: each.location.title for each in known}
    anywhere = needs.model_copy(update={"locations": ()})
    untold = {s.location.name: s for s in reversed(silent) if may_have(anywhere, s)}
    data = next((name for name in needs.nearness if name in untold or _at(name, facts)), None)
    named = next(iter(needs.prefer or needs.locations), None)
    for first in (data, named):
        if first is None:
            continue
        if needs.share_near(won.location.name) if first == data else won.location.name == first:
            return None
        there = _at(first, facts)
        mute = untold.get(first)
        place = titles.get(first, first)
        if mute and all(mismatch(anywhere, each) for each in there):
            why = said_of(mute.trouble, place)
        else:
            why = said(place, needs, there, counts, won.environment.title)
        if first == data:
            why = f"the data is at {place}, but {why}"
        return Moved(why, won.location.title)
    return _hardware_before(needs, won, facts)


def said(
    place: str,
    needs: Needs,
    there: Sequence[PoolFacts],
    counts: Mapping[str, Counts],
    environment: str,
) -> str:
    """Why a place does not serve a request now: ``Diamond has no GPU``.

    ``environment`` is the title of what is needed.
    """
    anywhere = needs.model_copy(update={"locations": ()})
    of_environment = [f for f in there if needs.environment in (None, f.environment.name)]
    if not of_environment:
        return f"{place} has no {environment if needs.environment else 'machines'}"
    fitting = [f for f in of_environment if not mismatch(anywhere, f)]
    if not fitting:
        return f"{place} {_lack(needs, of_environment)}"
    for each in fitting:
        if each.trouble is not None:
            return said_of(each.trouble, place)
    if all(each.unavailable for each in fitting):
        return f"{place} cannot give such machines ({fitting[0].unavailable})"
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
    if (most_gpus := max(size.gpus for size in sizes)) < needs.gpus:
        return f"has no machine with more than {counted(most_gpus, 'GPU')}"
    if (most_cpus := max(size.cpus for size in sizes)) < needs.cpus:
        return f"has no machine with more than {counted(most_cpus, 'CPU')}"
    if (most_gb := max(size.ram_gb for size in sizes)) < needs.ram_gb:
        return f"has no machine with more than {most_gb:g} GiB"
    return "has no machine with all of that"


def _at(location: str, facts: Sequence[PoolFacts]) -> list[PoolFacts]:
    return [each for each in facts if each.location.name == location]
