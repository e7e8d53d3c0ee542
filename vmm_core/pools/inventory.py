"""What the catalogue means at its clouds: the opened clouds, their sizes, fingerprints.

Sizes are asked when the service starts. A cloud that does not tell them then is
asked again at every step of the pool manager; until it does, its pools make no
machine and serve nobody, its place is shown with why, as one that does not
answer or that refuses us, and the service runs on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from .. import __version__
from ..agent.protocol import UserData
from ..allocation.explain import Decision, decide
from ..allocation.facts import Counts, PoolFacts, Silent
from ..allocation.trouble import Trouble
from ..catalogue import Catalogue, nearest
from ..clouds.base import Cloud, CloudError, SizeFact
from ..clouds.registry import cloud_class
from ..errors import CatalogueError
from ..model import Needs, Pool
from .backoff import trouble_of


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
        self.troubles: Mapping[str, tuple[Trouble, bool]] = {}
        """For each pool in trouble: which, and whether it lasts until an operator acts."""
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
        return tuple(
            self._with_trouble(self._facts[n]) for n in self.catalogue.pools if n in self._facts
        )

    def decide(self, needs: Needs, counts: Mapping[str, Counts]) -> Decision:
        """Filter and rank the pools for one request."""
        return decide(needs, self.facts(), counts, self.unanswered())

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
        ).model_dump_json()

    def _with_trouble(self, facts: PoolFacts) -> PoolFacts:
        if facts.name not in self.troubles:
            return facts
        trouble, stopped = self.troubles[facts.name]
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
        canonical = json.dumps(built_from, sort_keys=True)
        return PoolFacts(
            pool=pool,
            environment=environment,
            location=self.catalogue.locations[account.location],
            size=fact.size,
            fingerprint=hashlib.sha256(canonical.encode()).hexdigest()[:16],
            unavailable=fact.unavailable,
        )
