"""What a choice means, given all that is offered now: the needs of a request to the VMM. Pure.

Whatever cannot be had is an :class:`.OptionsError` that says why in one sentence
and, where something would work at once, what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vmm_core.model import Environment, Needs, Offer, Size

from .moves import Move, move_to
from .options import Options, OptionsError, did_you_mean, nearest
from .wording import hardware, listing, number

MOST_MOVES = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice that the VMM can be asked for."""

    needs: Needs
    environment: Environment

    def near(self, locations: tuple[str, ...]) -> Choice:
        """The same near data: ``LOCATION=SHARE`` of its bytes."""
        return replace(self, needs=Needs(**(dict(self.needs) | {"near": locations})))


def settle(options: Options, offers: Sequence[Offer]) -> Choice:
    """The needs of ``options``, given all that is offered now.

    With no environment named it is the first that meets the rest, one that is
    free before one that is not.

    Raises:
        OptionsError: it cannot be had, or an unknown name.
    """
    if not offers:
        raise OptionsError("No environment is offered here yet: ask the facility.", "environment")
    _check_names(options, offers)
    wanted = [offer for offer in offers if meets(offer, options)]
    known = [offer for offer in offers if offer.size and _there(offer, options)]
    if not wanted or (known and not any(offer.size for offer in wanted)):
        raise _impossible(options, offers)
    able = [offer for offer in wanted if offer.available]
    if not able:
        raise OptionsError(
            f"{_what(options, offers)} cannot be had now: {wanted[0].reason or 'no reason given'}.",
            "unavailable",
            alternatives(options, offers),
        )
    best = min(able, key=_soonest)
    size = best.size if options.size else None
    return Choice(
        environment=best.environment,
        needs=Needs(
            environment=best.environment.name,
            cpus=max(options.cpus or 0, size.cpus if size else 0),
            ram_gb=max(options.ram_gb or 0, size.ram_gb if size else 0),
            gpus=max(options.gpus or 0, size.gpus if size else 0),
            gpu_model=size.gpu_model if size else None,
            locations=(options.location,) if options.location else (),
        ),
    )


def alternatives(options: Options, offers: Sequence[Offer]) -> tuple[Move, ...]:
    """What would start instead, nearest to the choice and soonest first; at most three.

    Only the same environment, elsewhere or in another size, and only what is
    ready now: a move that makes the user wait again is none.
    """
    others = [
        offer
        for offer in offers
        if offer.available
        and offer.free
        and not meets(offer, options)
        and options.environment in (None, offer.environment.name)
    ]
    others.sort(
        key=lambda offer: (offer.location.name == options.location, _too_small(offer, options))
    )
    return tuple(move_to(offer) for offer in others[:MOST_MOVES])


def _check_names(options: Options, offers: Sequence[Offer]) -> None:
    environments = _unique(offer.environment.name for offer in offers)
    if options.environment is not None and options.environment not in environments:
        raise OptionsError(
            f"There is no environment {options.environment!r}"
            f"{did_you_mean(options.environment, environments)}; "
            f"the environments are {listing(environments)}.",
            "environment",
            _nearest_moves(options.environment, offers),
        )
    here = [o for o in offers if options.environment in (None, o.environment.name)]
    locations = _unique(offer.location.name for offer in offers)
    if options.location is not None and options.location not in locations:
        raise OptionsError(
            f"There is no location {options.location!r}"
            f"{did_you_mean(options.location, locations)}; "
            f"the locations are {listing(locations)}.",
            "location",
            alternatives(options, offers),
        )
    sizes = _unique(offer.size.name for offer in here if offer.size)
    unknown = any(offer.size is None and meets(offer, options) for offer in here)
    if options.size is not None and options.size not in sizes and not unknown:
        raise OptionsError(
            f"There is no size {options.size!r}{did_you_mean(options.size, sizes)}; "
            f"the sizes are {listing(sizes)}.",
            "size",
            alternatives(options, offers),
        )


def _impossible(options: Options, offers: Sequence[Offer]) -> OptionsError:
    """Why nothing meets the options: not at this place, or larger than the largest."""
    moves = alternatives(options, offers)
    what = _what(Options(environment=options.environment), offers)
    here = [o for o in offers if options.environment in (None, o.environment.name)]
    there = [o for o in here if _there(o, options)]
    if not there:
        places = listing(_unique(offer.location.title for offer in here))
        return OptionsError(
            f"{what} is not offered at {_place(options, offers)}, only at {places}.",
            "location",
            moves,
        )
    largest = " or ".join(hardware(size) for size in _largest(o.size for o in there if o.size))
    asked = [
        text
        for value, text in (
            (options.cpus, f"{number(options.cpus or 0)} CPUs"),
            (options.ram_gb, f"{number(options.ram_gb or 0)} GiB"),
            (options.gpus, f"{options.gpus} GPUs"),
        )
        if value
    ]
    if options.size and not asked:
        asked = [f"the size {options.size}"]
    at = f" at {_place(options, offers)}" if options.location else ""
    silent = "".join(f"; {why}" for why in _unique(o.reason for o in there if not o.size))
    return OptionsError(
        f"{what} is not offered with {' and '.join(asked)}{at}: "
        f"the largest machine has {largest}{silent}.",
        "impossible",
        moves,
    )


def meets(offer: Offer, options: Options) -> bool:
    """Whether the offer has what the options ask for, or may. Says nothing of what is free."""
    return _there(offer, options) and (offer.size is None or _enough(offer.size, options))


def _there(offer: Offer, options: Options) -> bool:
    return options.environment in (None, offer.environment.name) and options.location in (
        None,
        offer.location.name,
    )


def _enough(size: Size, options: Options) -> bool:
    return (
        options.size in (None, size.name)
        and size.cpus >= (options.cpus or 0)
        and size.ram_gb >= (options.ram_gb or 0)
        and size.gpus >= (options.gpus or 0)
    )


def _too_small(offer: Offer, options: Options) -> float:
    """How much of what was asked the offer lacks: 0 none, 1 all of one kind."""
    lacks, size = 0.0, offer.size
    if size is None:
        return lacks
    for has, asked in (
        (size.cpus, options.cpus),
        (size.ram_gb, options.ram_gb),
        (size.gpus, options.gpus),
    ):
        if asked:
            lacks += max(0.0, 1 - has / asked)
    return lacks


def _soonest(offer: Offer) -> tuple[bool, float]:
    return (offer.free == 0, offer.next_in_s if offer.next_in_s is not None else float("inf"))


def _largest(sizes: Iterable[Size]) -> list[Size]:
    """Those of which no other has as much of everything; of equals the first."""
    kept: list[Size] = []
    for size in sorted(set(sizes), key=lambda s: (s.cpus, s.ram_gb, s.gpus), reverse=True):
        if not any(
            k.cpus >= size.cpus and k.ram_gb >= size.ram_gb and k.gpus >= size.gpus for k in kept
        ):
            kept.append(size)
    return kept


def _what(options: Options, offers: Sequence[Offer]) -> str:
    for offer in offers:
        if offer.environment.name == options.environment:
            at = f" at {_place(options, offers)}" if options.location else ""
            return f"{offer.environment.title}{at}"
    return "Any environment"


def _place(options: Options, offers: Sequence[Offer]) -> str:
    titles = (o.location.title for o in offers if o.location.name == options.location)
    return next(titles, options.location or "")


def _nearest_moves(name: str, offers: Sequence[Offer]) -> tuple[Move, ...]:
    names = _unique(offer.environment.name for offer in offers)
    meant = nearest(name, names)
    able = [o for o in offers if o.environment.name == meant and o.available and o.free]
    return tuple(move_to(offer) for offer in sorted(able, key=_soonest)[:1])


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
