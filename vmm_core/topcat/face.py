"""What TopCAT's calls do: types are environments, machines are leases of TopCAT's token."""

from __future__ import annotations

import asyncio
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from ..catalogue import Catalogue
from ..errors import BadRequest, NotAllowed, NotAuthenticated, NotFound, VmmError
from ..leases import Leases
from ..model import Lease, LeaseState, Needs
from ..store import Store
from ..store.topcat import TopcatRows
from ..tokens import Caller, Scope, TokensFile
from . import answers
from .answers import Answer
from .options import NOBODY_YET, TopcatOptions

log = logging.getLogger(__name__)

TRIES = 3
"""Machines that are tried until one answers."""

LARGEST_LOGO = 1 << 20
"""Bytes; a larger one is not sent."""

_TYPE, _CLOUD, _LEASE = "environment", "cloud", "lease"


class Face:
    """The four calls.

    Args:
        options: the catalogue's section.
        catalogue: the environments.
        store: the ledger.
        leases: what acquires and releases.
        tokens: who may call.
        probe: whether a machine's agent answers.
    """

    def __init__(
        self,
        options: TopcatOptions,
        *,
        catalogue: Catalogue,
        store: Store,
        leases: Leases,
        tokens: TokensFile,
        probe: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._options = options
        self._catalogue = catalogue
        self._leases = leases
        self._tokens = tokens
        self._probe = probe
        self._rows = TopcatRows(store.transactions)

    def caller(self, user: str, password: str) -> Caller:
        """Who calls.

        Raises:
            NotAuthenticated: name and token do not belong together, or are not TopCAT's.
            NotAllowed: the token lacks the scope.
        """
        found = self._tokens.caller(password)
        known = found is not None and hmac.compare_digest(found.name.encode(), user.encode())
        if found is None or not known or found.name != self._options.frontend:
            raise NotAuthenticated(
                "VMM-User and VMM-Password are not TopCAT's: set vmmUser and vmmPassword of the "
                "plugin to the name and the token that `vmm token NAME --scope lease:any` gave"
            )
        if Scope.LEASE_ANY not in found.scopes:
            raise NotAllowed(
                f"the token {found.name!r} may not lease for TopCAT's users: "
                "it needs the scope lease:any"
            )
        return found

    async def machine_types(self) -> list[Answer]:
        """All types."""
        options, catalogue = self._options, self._catalogue
        offered = [catalogue.environments[name] for name in options.environments]
        pools = list(catalogue.pools.values())
        return answers.machine_types(
            offered,
            pools=pools,
            offers=await self._leases.offers(),
            groups=options.groups,
            numbers=await self._rows.numbers(_TYPE, options.environments),
            clouds=await self._rows.numbers(_CLOUD, [pool.cloud for pool in pools]),
        )

    async def machine_type(self, number: int) -> list[Answer] | None:
        """The list of this one type; None if there is none."""
        return [one for one in await self.machine_types() if one["id"] == number] or None

    async def acquire(self, number: int) -> Answer | None:
        """A machine of a type that is ready and answers; None if there is none now.

        Raises:
            NotFound: there is no such type.
        """
        environment = await self._environment(number)
        for _ in range(TRIES):
            lease = await self._lease(environment)
            if lease is None or lease.machine is None:
                return None
            if await self._probe(lease.machine.id):
                numbers = await self._rows.numbers(_LEASE, [lease.id])
                return answers.machine(lease, number=numbers[lease.id], type_number=number)
            log.warning("machine %s did not answer when TopCAT acquired it", lease.machine.id)
            await self._leases.release(lease.id)
        return None

    async def delete(self, number: int) -> Answer:
        """Release a machine; deleting it again is fine.

        Raises:
            NotFound: TopCAT has acquired no such machine.
        """
        lease_id = await self._rows.name(_LEASE, number)
        if lease_id is None:
            raise NotFound(f"TopCAT has acquired no machine {number}")
        lease = await self._leases.get(lease_id)
        if lease.frontend != self._options.frontend:
            raise NotFound(f"TopCAT has acquired no machine {number}")
        await self._leases.release(lease_id)
        return {"id": number, "state": "deleted"}

    async def description(self, number: int) -> Answer:
        """What is shown of a type.

        Raises:
            NotFound: there is no such type.
        """
        environment = self._catalogue.environments[await self._environment(number)]
        logo = await asyncio.to_thread(_logo, environment.logo)
        return answers.description(environment, number=number, logo=logo)

    async def _environment(self, number: int) -> str:
        name = await self._rows.name(_TYPE, number)
        if name is None or name not in self._options.environments:
            raise NotFound(f"there is no machine type {number}: ask /machinetypes which there are")
        return name

    async def _lease(self, environment: str) -> Lease | None:
        """A lease that has a machine; nobody is left waiting."""
        try:
            lease = await self._leases.acquire(
                owner=NOBODY_YET,
                frontend=self._options.frontend,
                key=uuid.uuid4().hex,
                needs=Needs(environment=environment),
            )
        except (BadRequest, NotAuthenticated):
            raise
        except VmmError as error:  # a limit, or nothing can serve it now: "try again later"
            log.info("TopCAT gets no machine of %s: %s", environment, error)
            return None
        if lease.state is LeaseState.ACQUIRED:
            return lease
        await self._leases.release(lease.id)
        # It may have been served in that moment, then it is released with its machine.
        log.info("TopCAT gets no machine of %s: none is ready", environment)
        return None


def _logo(path: str) -> bytes:
    """The PNG in a file, or a blank one."""
    if not path:
        return answers.BLANK
    try:
        with Path(path).open("rb") as file:
            logo = file.read(LARGEST_LOGO + 1)
    except OSError as error:
        log.warning("the logo %s cannot be read: %s", path, error.strerror)
        return answers.BLANK
    if len(logo) > LARGEST_LOGO or not logo.startswith(b"\x89PNG\r\n\x1a\n"):
        log.warning("the logo %s is no PNG of at most %d bytes", path, LARGEST_LOGO)
        return answers.BLANK
    return logo
