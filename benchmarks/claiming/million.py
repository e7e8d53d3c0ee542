"""A million claims, and how many machines were given to two people.

Several processes with many claimers each ask the ledger for machines and give them back, as
fast as they can, on one database. Machines that were given back are made vacant again behind
the ledger's back, because a million rows of machines are not the point; what each claim got is
written down by the claimer. Two counts must be nought:

* leases in the ledger that last at the same time with the same machine, looked for after each
  round of claims, before anything is given back;
* machines that two claimers were told in the same round, by what each of them wrote down.

The unique index on ``leases.machine`` is dropped first, so that it is the claim that is
counted and not the index, which would turn a double into an error.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from itertools import chain

from sqlalchemy import insert, text

from vmm_core.allocation.facts import PoolFacts
from vmm_core.allocation.rules import Rules
from vmm_core.model import Environment, Location, Machine, MachineState, Needs, Pool, Size
from vmm_core.store import Store
from vmm_core.store.claims import Asked, Request
from vmm_core.store.tables import machines

PROCESSES = 4
STOCK = 2000
BATCH = 125
"""Requests of one transaction; each process has two such on their way at any time."""
POOL = Pool(environment="ready", cloud="sim", size="small", ready=STOCK, maximum=STOCK)
FACTS = PoolFacts(
    pool=POOL,
    environment=Environment(name="ready", title="Ready"),
    location=Location(name="here", title="Here"),
    size=Size(name="small", cpus=4, ram_gb=8),
    fingerprint="now",
)
RULES = Rules([FACTS])


def count_doubles(url: str, claims: int) -> dict[str, float]:
    """Claim so many times; the doubles, and how fast it went."""
    asyncio.run(_prepare(url))
    began, busy_s, made, doubles = time.perf_counter(), 0.0, 0, 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        number = 0
        while made < claims:
            round_began = time.perf_counter()
            each = STOCK // PROCESSES + BATCH  # more ask than there are machines
            work = [(url, f"{number}-{process}", each) for process in range(PROCESSES)]
            got = list(chain.from_iterable(pool.starmap(_claim, work)))
            busy_s += time.perf_counter() - round_began
            made += len(got)
            doubles += sum(count - 1 for count in Counter(got).values())
            doubles += asyncio.run(_looked_and_given_back(url))
            number += 1
            if number % 25 == 0:
                print(f"{made} claims, {doubles} doubles", flush=True)
    print(f"{made} claims took {time.perf_counter() - began:.0f} s with all", flush=True)
    return {
        "double_claims": float(doubles),
        "claims_counted": float(made),
        "ledger_claims_per_s": made / busy_s,
    }


def _claim(url: str, name: str, number: int) -> list[str]:
    return asyncio.run(_claims(url, name, number))


async def _claims(url: str, name: str, number: int) -> list[str]:
    """Ask so many times, in batches of which two are on their way; the machines that were got."""
    store = Store(url)
    await store.open()
    got: list[str] = []
    wanted = iter(range(0, number, BATCH))

    async def ask() -> None:
        for start in wanted:
            requests = [
                Request(f"u-{name}-{n}", "bench", "k", Needs())
                for n in range(start, min(start + BATCH, number))
            ]
            for answer in await store.leases.answer(requests, RULES):
                if isinstance(answer, Asked) and answer.lease.machine is not None:
                    got.append(answer.lease.machine.id)

    await asyncio.gather(ask(), ask())
    await store.close()
    return got


async def _looked_and_given_back(url: str) -> int:
    """The doubles that the ledger shows; then the round's leases go and its machines come back."""
    store = Store(url)
    await store.open()
    async with store.transactions.write() as tx:
        query = text(
            "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM leases "
            "WHERE ended_at IS NULL AND machine IS NOT NULL GROUP BY machine) AS held WHERE n > 1"
        )
        doubles = int((await tx.connection.execute(query)).scalar_one())
        lost = text(
            "SELECT count(*) FROM machines WHERE state = 'acquired' AND id NOT IN "
            "(SELECT machine FROM leases WHERE ended_at IS NULL AND machine IS NOT NULL)"
        )
        doubles += int((await tx.connection.execute(lost)).scalar_one())
        await tx.connection.execute(text("TRUNCATE lease_events, leases CASCADE"))
        await tx.connection.execute(text("UPDATE machines SET state = 'vacant'"))
    await store.close()
    return doubles


async def _prepare(url: str) -> None:
    store = Store(url)
    await store.open()
    now = store.now()
    rows = []
    for number in range(STOCK):
        machine = Machine(
            id=f"vmm-{number:06}",
            pool=POOL.name,
            cloud=POOL.cloud,
            location="here",
            environment="ready",
            size=FACTS.size,
            state=MachineState.VACANT,
            fingerprint="now",
            created_at=now,
            changed_at=now,
        )
        values = machine.model_dump(mode="json", include={"size", "ports"})
        plain = machine.model_dump(exclude={"lease", "size", "ports"})
        rows.append({**plain, **values, "vacant_at": now})
    async with store.transactions.write() as tx:
        await tx.connection.execute(insert(machines), rows)
        await tx.connection.execute(
            text("ALTER TABLE leases DROP CONSTRAINT IF EXISTS leases_machine_key")
        )
    await store.close()
