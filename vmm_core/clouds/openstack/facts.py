"""What is asked of OpenStack before a machine can be made: flavors, image, network, zone.

Names are looked up when they are needed and believed for a minute: people
replace images and networks under the same name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from openstack import exceptions as exc
from openstack.compute.v2.flavor import Flavor
from openstack.connection import Connection

from ..base import Refused, SizeFact
from .account import Account
from .options import Options
from .sizes import size_fact

BELIEVED_S = 60.0
"""How long an answer is used without asking again."""

Result = TypeVar("Result")


class Facts:
    """The facts of one cloud."""

    def __init__(self, name: str, options: Options, account: Account) -> None:
        self._name = name
        self._options = options
        self._account = account
        self._known: dict[str, tuple[float, Any]] = {}

    async def sizes(self) -> dict[str, SizeFact]:
        """The flavors that may be used, as sizes; always asked anew.

        Raises:
            Refused: the zone is not there.
        """
        self.forget()
        zones, flavors = await asyncio.gather(
            self._ask("list zones", lambda c: [z.name for z in c.compute.availability_zones()]),
            self._flavors(),
        )
        if self._options.zone not in zones:
            raise Refused(
                f"cloud {self._name} has no availability zone {self._options.zone!r}: its zones "
                f"are {', '.join(sorted(zones))}"
            )
        return {name: size_fact(flavor, self._options) for name, flavor in flavors.items()}

    def forget(self) -> None:
        """Ask everything anew: an operator may have put right what was refused."""
        self._known.clear()

    async def flavor(self, size: str) -> str:
        """The id of the flavor of that size.

        Raises:
            Refused: there is none, or no machine can have it.
        """
        flavors = await self._flavors()
        if size not in flavors:
            known = ", ".join(flavors) or "none"
            raise Refused(
                f"cloud {self._name} has no flavor {size!r} that may be used: it has {known}"
            )
        if why := size_fact(flavors[size], self._options).unavailable:
            raise Refused(why)
        return str(flavors[size].id)

    async def image(self, name: str) -> str:
        """The id of an environment's image."""
        wanted = self._options.images.get(name, name)
        image = await self._ask(f"find image {wanted}", lambda c: found(c.image.find_image, wanted))
        if image is None:
            raise Refused(
                f"cloud {self._name} has no image {wanted!r}: upload it, or name the image that "
                f"is meant by {name!r} in the cloud's option images"
            )
        return str(image.id)

    async def port_place(self) -> dict[str, Any]:
        """Network and security groups of a machine's port."""
        wanted = self._options.network
        network = await self._ask(
            f"find network {wanted}", lambda c: found(c.network.find_network, wanted)
        )
        if network is None:
            raise Refused(
                f"cloud {self._name} has no network {wanted!r}: correct its option network, or "
                f"share the network with the project"
            )
        place: dict[str, Any] = {"network_id": network.id}
        if self._options.security_groups:
            place["security_group_ids"] = [
                await self._group(group) for group in self._options.security_groups
            ]
        return place

    async def _group(self, wanted: str) -> str:
        group = await self._ask(
            f"find security group {wanted}", lambda c: found(c.network.find_security_group, wanted)
        )
        if group is None:
            raise Refused(
                f"cloud {self._name} has no security group {wanted!r}: correct its option "
                f"security_groups, or make the group"
            )
        return str(group.id)

    async def _flavors(self) -> dict[str, Flavor]:
        # With their extra specs, since Nova 17; openstacksdk's own way is a call for each.
        listed = await self._ask("list flavors", lambda c: list(c.compute.flavors()))
        allowed = self._options.flavors
        return {f.name: f for f in listed if not allowed or f.name in allowed}

    async def _ask(self, doing: str, work: Callable[[Connection], Result]) -> Result:
        asked_at, known = self._known.get(doing, (-BELIEVED_S, None))
        if time.monotonic() - asked_at < BELIEVED_S and known is not None:
            return known  # type: ignore[no-any-return]
        answer = await self._account.call(doing, work)
        self._known[doing] = (time.monotonic(), answer)
        return answer


def found(find: Callable[..., Result], wanted: str) -> Result | None:
    """What one of openstacksdk's ``find_*`` finds by name or id; None if there is none."""
    try:
        return find(wanted, ignore_missing=False)
    except exc.NotFoundException:
        return None
