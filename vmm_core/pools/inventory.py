"""What the catalogue means at its clouds: the opened clouds, their sizes, fingerprints.

Sizes are asked when the service starts. A cloud that does not tell them then is
asked again at every step of the pool manager; until it does, its pools make no
machine and serve nobody, its place is shown with why, as one that does not
answer or that refuses us, and the service runs on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from .. import __version__
from ..agent.access import SshAccess
from ..agent.protocol import UserData
from ..allocation.facts import PoolFacts, Silent
from ..allocation.rules import Rules
from ..allocation.trouble import Trouble
from ..catalogue import Catalogue
from ..clouds.base import Cloud, CloudError, SizeFact
from ..clouds.registry import cloud_class
from ..errors import CatalogueError
from ..lifetimes.rules import ends_at
from ..mistakes import nearest
from ..model import Pool
from .backoff import trouble_of

_WEBSOCKIFY = 443
"""Where the browser finds the desktop of a machine with SSH."""


class Silence(NamedTuple):
    """Why a cloud has not told its sizes."""

    reason: str
    """In the cloud's own words, for operators."""
    trouble: Trouble
    """In a word, for what users are told."""


NOT_ASKED = Silence("was not asked yet", Trouble.AWAY)


class Inventory:
    """The catalogue with its clouds."""

    def __init__(
        self,
        catalogue: Catalogue,
        clouds: Mapping[str, Cloud],
        *,
        service_url: str,
        public_key: str,
    ) -> None:
        """``service_url`` is the VMM as dialled from machines, ``public_key`` signs binds (PEM)."""
        self.catalogue = catalogue
        self.clouds = MappingProxyType(dict(clouds))
        self.silent: dict[str, Silence] = dict.fromkeys(clouds, NOT_ASKED)
        """Clouds whose sizes are not known, with why."""
        self._troubles: Mapping[str, tuple[Trouble, bool]] = {}
        self._shut: frozenset[str] = frozenset()
        self._draining: Mapping[str, str] = {}
        self._told: tuple[PoolFacts, ...] | None = None
        self._service_url = service_url
        self._public_key = public_key
        self._facts: dict[str, PoolFacts] = {}

    @classmethod
    async def open(cls, catalogue: Catalogue, *, service_url: str, public_key: str) -> Inventory:
        """Open every cloud of the catalogue and ask its sizes.

        Raises:
            CatalogueError: a pool names a size that its cloud does not know.
        """
        clouds: dict[str, Cloud] = {}
        for account in catalogue.clouds.values():
            kind = cloud_class(account.kind)
            clouds[account.name] = kind(account.name, kind.Options(**account.options))
        inventory = cls(catalogue, clouds, service_url=service_url, public_key=public_key)
        try:
            await inventory.ask()
        except CatalogueError:
            await inventory.close()
            raise
        return inventory

    async def close(self) -> None:
        """Release the clouds' connections. Machines are not touched."""
        for cloud in self.clouds.values():
            await cloud.close()

    async def ask(self) -> None:
        """Ask the sizes of clouds that have not told them yet.

        Raises:
            CatalogueError: a pool names a size that its cloud does not know.
        """
        mistakes = []
        for name in list(self.silent):
            try:
                sizes = await self.clouds[name].sizes()
            except CloudError as error:
                self.silent[name] = Silence(str(error), trouble_of(error))
                continue
            for pool in self.catalogue.pools.values():
                if pool.cloud != name:
                    continue
                if pool.size in sizes:
                    self._told = None
                    self._facts[pool.name] = self._fact(pool, sizes[pool.size])
                else:
                    mistakes.append(
                        f"{self.catalogue.where.get(pool.name, pool.name)}: "
                        f"cloud {name!r} has no size {pool.size!r}: {nearest(pool.size, sizes)}"
                    )
            del self.silent[name]
        if mistakes:
            raise CatalogueError("\n".join(mistakes))

    def facts(self) -> tuple[PoolFacts, ...]:
        """The pools whose clouds have told their sizes, in the catalogue's order."""
        if self._told is None:
            self._told = tuple(
                self._as_it_is_now(self._facts[n]) for n in self.catalogue.pools if n in self._facts
            )
        return self._told

    def tell_troubles(self, troubles: Mapping[str, tuple[Trouble, bool]]) -> None:
        """For each pool in trouble: which, and whether it lasts until an operator acts."""
        if troubles != self._troubles:
            self._troubles, self._told = dict(troubles), None

    def tell_switches(self, shut: Collection[str], draining: Mapping[str, str]) -> None:
        """Which pools operators paused, and which clouds they drain, with who does and why."""
        if (frozenset(shut), draining) != (self._shut, self._draining):
            self._shut, self._draining, self._told = frozenset(shut), dict(draining), None

    @property
    def decide(self) -> Rules:
        """By which machines are given out now: filters and ranks the pools for one request."""
        catalogue = self.catalogue
        return Rules(
            self.facts(),
            self.unanswered(),
            catalogue.limits,
            partial(ends_at, catalogue.lifetimes),
        )

    def unanswered(self) -> tuple[Silent, ...]:
        """What the catalogue has at clouds that have not told their sizes, in its order."""
        catalogue = self.catalogue
        places = dict.fromkeys(
            (pool.environment, pool.cloud)
            for pool in catalogue.pools.values()
            if pool.cloud in self.silent
        )
        return tuple(
            Silent(
                environment=catalogue.environments[environment],
                location=catalogue.locations[catalogue.clouds[cloud].location],
                cloud=cloud,
                trouble=self.silent[cloud].trouble,
            )
            for environment, cloud in places
        )

    def user_data(self, pool: PoolFacts, machine_id: str, enrolment_token: str) -> str:
        """What a machine of ``pool`` is given at creation, as JSON."""
        return UserData(
            service=self._service_url,
            machine=machine_id,
            enrolment_token=enrolment_token,
            public_key=self._public_key,
            preload=pool.environment.preload,
            ssh=self._ssh(pool.environment.name),
        ).model_dump_json()

    def ports(self, pool: PoolFacts) -> tuple[int, ...]:
        """Ports of a machine that are dialled besides the session's own."""
        ssh = self._ssh(pool.environment.name)
        return (ssh.port, _WEBSOCKIFY) if ssh else ()

    def _ssh(self, environment: str) -> SshAccess | None:
        """How machines of an environment are reached over SSH; None: they are not."""
        topcat = self.catalogue.topcat
        return topcat.access_of(environment) if topcat else None

    def _as_it_is_now(self, facts: PoolFacts) -> PoolFacts:
        if facts.pool.cloud in self._draining:
            facts = replace(facts, unavailable=self._draining[facts.pool.cloud])
        if facts.name in self._shut:
            facts = replace(facts, pool=facts.pool.model_copy(update={"paused": True}))
        if facts.name not in self._troubles:
            return facts
        trouble, stopped = self._troubles[facts.name]
        return replace(facts, trouble=trouble, stopped=stopped)

    def _fact(self, pool: Pool, fact: SizeFact) -> PoolFacts:
        account = self.catalogue.clouds[pool.cloud]
        environment = self.catalogue.environments[pool.environment]
        built_from = {
            "cloud": account.model_dump(mode="json", include={"name", "kind", "options"}),
            "image": environment.image,
            "preload": environment.preload,
            "size": fact.size.model_dump(mode="json"),
            "service": self._service_url,
            "key": self._public_key,
            "version": __version__,
        }
        if ssh := self._ssh(environment.name):
            built_from["ssh"] = ssh.model_dump(mode="json")
        canonical = json.dumps(built_from, sort_keys=True)
        return PoolFacts(
            pool=pool,
            environment=environment,
            location=self.catalogue.locations[account.location],
            size=fact.size,
            fingerprint=hashlib.sha256(canonical.encode()).hexdigest()[:16],
            unavailable=fact.unavailable,
        )
