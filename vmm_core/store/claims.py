"""Answers many requests for machines in one transaction, each as if it were alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..allocation.bookings import Taken
from ..allocation.books import Books
from ..allocation.explain import Decision
from ..allocation.facts import Counts
from ..allocation.limits import NOTHING, Usage, of_needs
from ..allocation.queue import Ask, Standing, standings
from ..allocation.rules import Rules
from ..errors import Impossible, LimitReached, VmmError
from ..model import Explanation, Lease, LeaseState, Needs, QueuePlace, Reservation
from .engine import Transaction
from .queries import claims, leases, machines, reservations, stock
from .queries.claims import Claim
from .queries.usage import usage
from .records import MachineRow

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for."""

    owner: str
    frontend: str
    key: str
    needs: Needs
    groups: tuple[str, ...] = ()
    """The owner's."""
    reservation: str | None = None
    """The booking that it is to be part of; None: one that fits, or none."""

    @property
    def lease_key(self) -> Key:
        """One lease lasts for each."""
        return self.frontend, self.owner, self.key


@dataclass(frozen=True, slots=True)
class Asked:
    """The lease that a request is answered with."""

    lease: Lease
    new: bool
    """Whether this request made it."""


@dataclass(frozen=True, slots=True)
class Line:
    """Those who wait, and what they wait for."""

    now: datetime
    asks: Sequence[Ask]
    usage: Usage
    machines: Sequence[MachineRow]
    """All that are not deleted."""
    boot_times_s: Mapping[str, Sequence[float]]
    """For each pool, how long its newest machines took from asked for to vacant."""
    taken: Taken
    """What is leased and booked, and until when."""


async def line_of(tx: Transaction, rules: Rules) -> Line:
    """The line as it is now."""
    asks = await claims.waiting(tx)
    return Line(
        now=tx.now,
        asks=asks,
        usage=await usage(tx, rules, asks),
        machines=await stock.rows(tx),
        boot_times_s=await machines.boot_times_s(tx),
        taken=await reservations.taken_for_booking(tx),
    )


@dataclass(frozen=True, slots=True)
class _New:
    """A request that may have a lease, which is not written yet."""

    request: Request
    ask: Ask
    decision: Decision


async def answer(
    tx: Transaction, rules: Rules, requests: Sequence[Request]
) -> list[Asked | VmmError]:
    """For each request, in their order, its lease or why it has none.

    Nothing is written for those that are refused.
    """
    await tx.alone()
    live = await leases.live_many(tx, {request.lease_key for request in requests})
    counts = await machines.counts(tx)
    books = Books(await reservations.taken(tx))
    asks = await claims.waiting(tx, books)
    books.join(asks)
    hoping = [_ask(tx, number, request) for number, request in enumerate(requests)]
    used = await usage(tx, rules, [*asks, *hoping])
    new: dict[Key, _New] = {}
    refused: dict[int, VmmError] = {}
    decisions: dict[tuple[Needs, tuple[str, ...], Reservation | None], Decision] = {}
    for number, (request, ask) in enumerate(zip(requests, hoping, strict=True)):
        if request.lease_key in live or request.lease_key in new:
            continue
        try:
            booking = books.find(request.reservation, request.owner, request.groups, request.needs)
            ask = replace(ask, booking=booking) if booking else ask
            kind = (request.needs, request.groups, booking)
            if kind not in decisions:
                decisions[kind] = books.decision(rules, ask, counts)
            _check(rules, request, decisions[kind], used)
        except VmmError as error:
            refused[number] = error
            continue
        if booking is not None:
            books.use(booking)
            books.join([ask])
        new[request.lease_key] = _New(request, ask, decisions[kind])
        wanted = of_needs(request.needs)
        used.waiting[request.owner] = used.waiting.get(request.owner, NOTHING) + wanted
    made = await _make(tx, rules, list(new.values()), asks, counts, used, books) if new else {}
    answers: list[Asked | VmmError] = []
    told: set[Key] = set()
    for number, request in enumerate(requests):
        key = request.lease_key
        if number in refused:
            answers.append(refused[number])
        elif key in live:
            answers.append(Asked(live[key], False))
        else:
            answers.append(Asked(made[key], key not in told))
            told.add(key)
    return answers


async def _make(
    tx: Transaction,
    rules: Rules,
    new: Sequence[_New],
    asks: Sequence[Ask],
    counts: Mapping[str, Counts],
    used: Usage,
    books: Books,
) -> dict[Key, Lease]:
    """Write the leases of new requests, with a machine for each whose turn it is."""
    everybody = [*asks, *(each.ask for each in new)]
    names = {each.ask.lease for each in new}
    got = {
        each.grant.ask.lease: each
        for each in await claims.claim(tx, rules, everybody, counts, used, books, new=names)
    }
    left = [ask for ask in everybody if ask.lease not in got]
    places: dict[str, Standing] = {}
    if any(ask.lease in names for ask in left):
        stand = standings(left, rules, counts, used, tx.now)
        places = {each.ask.lease: each for each in stand}
    made = []
    for each in new:
        claim = got.get(each.ask.lease)
        lease = _held(each, claim) if claim else _waits(each, places[each.ask.lease])
        made.append((lease, each.ask))
    await claims.add(tx, made)
    return {each.request.lease_key: lease for each, (lease, _) in zip(new, made, strict=True)}


def _held(new: _New, claim: Claim) -> Lease:
    """The lease of one that got a machine at once."""
    lease = _lease(new, LeaseState.ACQUIRED, claim.explanation, claim.grant.group)
    return lease.model_copy(update={"machine": claim.machine, "ends_at": claim.grant.ends_at})


def _waits(new: _New, standing: Standing) -> Lease:
    """The lease of one that has to wait."""
    before = standing.place - 1
    why = new.decision.waiting(standing.held, before, standing.of_group)
    lease = _lease(new, LeaseState.WAITING, why, standing.group)
    return lease.model_copy(update={"queue": QueuePlace(place=standing.place)})


def _lease(new: _New, state: LeaseState, why: Explanation, group: str) -> Lease:
    return Lease(
        id=new.ask.lease,
        owner=new.request.owner,
        frontend=new.request.frontend,
        key=new.request.key,
        needs=new.request.needs,
        group=group,
        state=state,
        reservation=new.ask.booking.id if new.ask.booking else None,
        explanation=why,
        created_at=new.ask.since,
    )


def _ask(tx: Transaction, number: int, request: Request) -> Ask:
    """The request in the queue: behind those of its batch that came before it."""
    return Ask(
        lease=f"l-{uuid.uuid4().hex[:16]}",
        needs=request.needs,
        owner=request.owner,
        groups=request.groups,
        since=tx.now + timedelta(microseconds=number),
    )


def _check(rules: Rules, request: Request, decision: Decision, used: Usage) -> None:
    """Refuse what can never be, and what goes beyond the owner's limit."""
    if not decision.possible:
        raise Impossible(decision.impossible())
    if why := rules.refusal(request.owner, decision, used):
        raise LimitReached(why)
