"""The spawn page's form, drawn from what the VMM offers now.

:func:`draw` decides what is shown (pure), :class:`OptionForm` renders it with a
Jinja template that a site can replace. The form is whole without JavaScript:
then a value is disabled only if no environment at all can have it, and the rest
is checked when the server starts. With JavaScript it follows the choice and
what is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, Template

from vmm_core.model import Environment as AnalysisEnvironment
from vmm_core.model import Lease, Offer

from .options import Options
from .wording import availability, hardware, kept, number

TEMPLATE = "daaas_form.html"

Light = Literal["ready", "soon", "off"]


@dataclass(frozen=True, slots=True)
class Card:
    """One environment to choose."""

    environment: AnalysisEnvironment
    status: str
    light: Light
    checked: bool

    @property
    def words(self) -> str:
        """What the search box looks in, in lower case."""
        e = self.environment
        return " ".join((e.name, e.title, e.description, *e.instruments, *e.software)).lower()


@dataclass(frozen=True, slots=True)
class Pill:
    """One value of a small choice. ``light`` is ``off`` where it cannot be had."""

    value: str
    label: str
    status: str
    light: Light
    checked: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A small choice: a location, or an amount of something."""

    name: str
    legend: str
    pills: tuple[Pill, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """Everything the template draws."""

    server: str
    cards: tuple[Card, ...] = ()
    groups: tuple[Group, ...] = ()
    offers: list[dict[str, object]] = field(default_factory=list)
    remembered: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""


def draw(server: str, offers: Sequence[Offer], chosen: Options, held: Sequence[Lease] = ()) -> Form:
    """The form for the named server ("" is the default one), ``chosen`` already picked.

    A choice that is not offered any more is simply not picked. ``held`` are the
    user's leases that are over and whose machines are still kept.
    """
    return Form(
        server=server,
        cards=tuple(_cards(offers, chosen)),
        groups=(
            _locations(offers, chosen),
            _amounts(offers, "cpus", "CPUs", chosen.cpus),
            _amounts(offers, "ram_gb", "Memory", chosen.ram_gb),
            _amounts(offers, "gpus", "GPUs", chosen.gpus),
        ),
        offers=[_row(offer) for offer in offers],
        remembered=chosen != Options(),
        notes=kept(held, {offer.location.name: offer.location.title for offer in offers}),
    )


def undrawable(server: str, problem: str) -> Form:
    """The form when nothing can be started now; ``problem`` is one sentence."""
    return Form(server=server, problem=problem)


class OptionForm:
    """Renders a :class:`Form`.

    Args:
        template_paths: folders searched before this package's own templates.
    """

    def __init__(self, template_paths: Iterable[str] = ()) -> None:
        self._template = _template(tuple(template_paths))

    def render(self, form: Form) -> str:
        """The HTML, without the surrounding ``<form>``, which is the hub's."""
        return self._template.render(form=form)


@lru_cache
def _template(paths: tuple[str, ...]) -> Template:
    loader = ChoiceLoader([FileSystemLoader(paths), PackageLoader(__package__)])
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=True
    )
    return environment.get_template(TEMPLATE)


def _cards(offers: Sequence[Offer], chosen: Options) -> Iterable[Card]:
    """In the catalogue's order, but the chosen one first and those that cannot be had last."""
    by_name: dict[str, list[Offer]] = {}
    for offer in offers:
        by_name.setdefault(offer.environment.name, []).append(offer)
    cards = [
        Card(
            environment=mine[0].environment,
            status=availability(mine),
            light=_light(mine),
            checked=name == chosen.environment and _light(mine) != "off",
        )
        for name, mine in by_name.items()
    ]
    return sorted(cards, key=lambda card: (card.light == "off", not card.checked))


def _locations(offers: Sequence[Offer], chosen: Options) -> Group:
    titles: Mapping[str, str] = {o.location.name: o.location.title for o in offers}
    pills = [
        _pill(name, title, [o for o in offers if o.location.name == name], chosen.location == name)
        for name, title in titles.items()
    ]
    return _group("location", "Location", "Any", pills)


def _amounts(offers: Sequence[Offer], name: str, legend: str, chosen: float | None) -> Group:
    known = [(float(getattr(offer.size, name)), offer) for offer in offers if offer.size]
    values = sorted({has for has, _ in known} - {0.0})
    unit = " GiB" if name == "ram_gb" else ""
    pills = [
        _pill(
            number(value),
            f"{number(value)}{unit}",
            [offer for has, offer in known if has == value],
            chosen == value,
        )
        for value in values
    ]
    return _group(name, legend, "None needed" if name == "gpus" else "Any", pills)


def _group(name: str, legend: str, open_label: str, pills: list[Pill]) -> Group:
    """With the first pill, which leaves the choice open, picked if no other is."""
    picked = any(pill.checked for pill in pills)
    return Group(name, legend, (Pill("", open_label, "", "ready", not picked), *pills))


def _pill(value: str, label: str, offers: Sequence[Offer], checked: bool) -> Pill:
    light = _light(offers)
    return Pill(value, label, availability(offers), light, checked and light != "off")


def _light(offers: Iterable[Offer]) -> Light:
    able = [offer for offer in offers if offer.available]
    if not able:
        return "off"
    return "ready" if any(offer.free for offer in able) else "soon"


def _row(offer: Offer) -> dict[str, object]:
    """An offer as the form's script reads it; of a size that is not known, nothing is said."""
    size = offer.size
    return {
        "environment": offer.environment.name,
        "location": offer.location.name,
        "place": offer.location.title,
        "cpus": size.cpus if size else None,
        "ram_gb": size.ram_gb if size else None,
        "gpus": size.gpus if size else None,
        "hardware": hardware(size),
        "free": offer.free,
        "booting": offer.booting,
        "next_in_s": offer.next_in_s,
        "available": offer.available,
        "reason": offer.reason,
    }
