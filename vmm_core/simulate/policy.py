"""A policy to try: how the pools are sized, how long machines boot, what a manager may do.

A YAML file; every key may be left out::

    pools:                      # by environment; "*" is for all that are not named
      "*": {ready: 2, maximum: 30}
      muon:
        maximum: 30
        sizing:                 # as in a catalogue
          forecast: {miss: 0.005, timezone: Europe/London}
    boot: {median_s: 300, sigma: 0.25, least_s: 60, most_s: 590}
    manager: {booting_per_cloud: 50, wait_limit_s: 1800}
    limits: {machines: 400}     # of the one cloud that there is
    warm_up_days: 56            # played, and not counted
    seed: 1                     # of the boot times

Boot times are lognormal between their bounds. iCalendar files are looked for beside
the policy. A catalogue (a file with ``clouds`` and ``environments``) is a policy too,
with the defaults of everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..allocation.facts import PoolFacts
from ..calendars.files import read_calendar
from ..calendars.ical import Calendar
from ..catalogue import Catalogue
from ..catalogue import load as load_catalogue
from ..clouds.base import Limits
from ..errors import BadRequest
from ..model import Environment, Location, Noun, Pool, Size, Sizing
from ..pools.policy import Policy as ManagerPolicy
from ..pools.sizing import Floors
from .records import Told
from .replay import Replay
from .trace import Request


class PoolPolicy(Noun):
    """The pool of an environment."""

    ready: int = Field(default=1, ge=0)
    maximum: int = Field(default=50, ge=0)
    sizing: Sizing = Sizing()


class Boot(Noun):
    """How long machines boot: a lognormal distribution between bounds."""

    median_s: float = Field(default=300, gt=0)
    sigma: float = Field(default=0.25, ge=0, description="of its logarithm")
    least_s: float = Field(default=60, ge=0)
    most_s: float = Field(default=590, gt=0)

    def times(self, seed: str) -> Iterator[float]:
        """Of one machine after the other, in seconds."""
        luck = Random(seed)  # noqa: S311 - made up to be repeated, nothing secret
        while True:
            drawn = luck.lognormvariate(math.log(self.median_s), self.sigma)
            yield min(max(drawn, self.least_s), self.most_s)


class Manager(Noun):
    """What the pool manager may do; see :class:`vmm_core.pools.policy.Policy`."""

    booting_per_cloud: int = Field(default=50, ge=1)
    wait_limit_s: float = Field(default=1800, gt=0)


class Ceiling(Noun):
    """What the cloud allows in all."""

    machines: int | None = Field(default=None, ge=0)
    cpus: float | None = Field(default=None, ge=0)
    ram_gb: float | None = Field(default=None, ge=0)
    gpus: int | None = Field(default=None, ge=0)


class Policy(Noun):
    """The file."""

    pools: dict[str, PoolPolicy] = Field(default_factory=dict)
    boot: Boot = Boot()
    manager: Manager = Manager()
    limits: Ceiling | None = None
    warm_up_days: float = Field(default=56, ge=0)
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy, ready to be tried on a trace."""

    policy: Policy
    pools: Sequence[PoolFacts]
    floors: Floors
    limits: Mapping[str, Limits]

    @property
    def manager(self) -> ManagerPolicy:
        """The numbers of the pool manager."""
        return replace(ManagerPolicy(), **self.policy.manager.model_dump())

    def run(self, requests: Sequence[Request], *, warm_up_days: float | None = None) -> Told:
        """Try it, on a trace in order of time.

        What is played in the warm-up days (the policy's unless given) does not count.

        Raises:
            BadRequest: the trace is no longer than that.
        """
        days = self.policy.warm_up_days if warm_up_days is None else warm_up_days
        begin, last = requests[0].at, requests[-1].at
        since = (begin // 86400 + days) * 86400 if days else 0.0
        if since > last:
            raise BadRequest(
                f"the trace has {(last - begin) / 86400:.0f} days, all of which are warm-up: "
                f"take a longer one, or let warm_up_days be less than {days:g}"
            )
        boots = self.boots()
        replay = Replay(
            self.pools,
            self.floors,
            lambda name: next(boots[name]),
            policy=self.manager,
            limits=self.limits,
        )
        return replay.run(requests, since=since, end=(last // 86400 + 1) * 86400)

    def boots(self) -> dict[str, Iterator[float]]:
        """For each pool the boot times of its machines; the same each time."""
        policy = self.policy
        return {f.name: policy.boot.times(f"{policy.seed}/{f.name}") for f in self.pools}


def load(path: Path, requests: Sequence[Request]) -> Trial:
    """Read a policy, or a catalogue, for the environments of a trace.

    Raises:
        BadRequest: it cannot be read, is wrong, or has no pool for an environment.
        CatalogueError: the catalogue is wrong.
    """
    try:
        document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"the policy {path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, YAMLError) as error:
        raise BadRequest(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if isinstance(document, dict) and "environments" in document and "clouds" in document:
        return _of_catalogue(load_catalogue(path), requests, path)
    try:
        policy = Policy.model_validate(document or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise BadRequest(f"{path}: {where or 'the policy'}: {first['msg']}") from None
    files = {file for pool in policy.pools.values() for file in pool.sizing.files}
    return of_policy(policy, requests, _calendars(files, path.parent), str(path))


def of_policy(
    policy: Policy,
    requests: Sequence[Request],
    calendars: Mapping[str, Calendar],
    name: str = "the policy",
) -> Trial:
    """A pool for each environment of the trace; ``calendars`` are by the names of their files."""
    facts = []
    for environment, size in _sizes(requests).items():
        given = policy.pools.get(environment) or policy.pools.get("*")
        if given is None:
            raise BadRequest(
                f'{name} has no pool for {environment}: add it to pools, or "*" for all others'
            )
        pool = Pool(
            environment=environment,
            cloud="cloud",
            size=environment,
            ready=given.ready,
            maximum=given.maximum,
            sizing=given.sizing,
        )
        facts.append(facts_of(pool, size))
    limits = {}
    if policy.limits:
        limits["cloud"] = Limits(**policy.limits.model_dump())
    return Trial(policy, facts, Floors(calendars), limits)


def facts_of(pool: Pool, size: Size, location: str = "here") -> PoolFacts:
    """What allocation knows of a pool."""
    return PoolFacts(
        pool=pool,
        environment=Environment(name=pool.environment, title=pool.environment),
        location=Location(name=location, title=location),
        size=size,
        fingerprint="simulated",
    )


def _of_catalogue(catalogue: Catalogue, requests: Sequence[Request], path: Path) -> Trial:
    """The catalogue's pools; of sizes that only a cloud can tell, what the trace asks for."""
    sizes = _sizes(requests)
    lacking = [name for name in sizes if name not in catalogue.environments]
    if lacking:
        raise BadRequest(f"{path} has no environment {lacking[0]!r}, which the trace asks for")
    facts = []
    for pool in catalogue.pools.values():
        if pool.environment in sizes:
            size = sizes[pool.environment].model_copy(update={"name": pool.size})
            facts.append(facts_of(pool, size, catalogue.clouds[pool.cloud].location))
    files = {file for each in facts for file in each.pool.sizing.files}
    return Trial(Policy(), facts, Floors(_calendars(files, path.parent)), {})


def _calendars(files: Iterable[Path], folder: Path) -> dict[str, Calendar]:
    return {str(file): read_calendar(folder / file) for file in sorted(files)}


def _sizes(requests: Sequence[Request]) -> dict[str, Size]:
    """For each environment a size that meets all its requests, in the order of names."""
    found: dict[str, list[float]] = {}
    for request in requests:
        most = found.setdefault(request.environment, [0.001, 0.001, 0])
        for place, value in enumerate((request.cpus, request.ram_gb, request.gpus)):
            most[place] = max(most[place], value)
    return {
        name: Size(name=name, cpus=cpus, ram_gb=ram_gb, gpus=int(gpus))
        for name, (cpus, ram_gb, gpus) in sorted(found.items())
    }
