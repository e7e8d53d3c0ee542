"""Where the data is that a user wants to be near, asked of the DMS with the user's own token.

The two services do not know each other: the spawner asks the DMS for the
locations of the bytes and hands them to the VMM as a wish of the request.
"""

from __future__ import annotations

import re
from contextlib import suppress

from dms_core.client.service import DmsClient
from dms_core.errors import BadRequest, NotAllowed, NotFound
from dms_core.model import Policy

from .options import OptionsError

_EXPERIMENT = re.compile(r"(?:RB)?(\d{5,10})", re.IGNORECASE)


async def nearness(dms: DmsClient, wanted: str) -> tuple[str, ...]:
    """``LOCATION=SHARE`` for each location that has some of the data, as a request's ``near``.

    Args:
        dms: with the user's token: data that the user may not know of is not there.
        wanted: a path such as ``/archive/…``, or an experiment's number, ``RB1310123``.

    Raises:
        OptionsError: there is no such data for this user.
        DmsError: the DMS cannot tell.
    """
    try:
        found = await dms.where_is([await _path(dms, wanted)])
    except (BadRequest, NotAllowed, NotFound):
        raise _unknown(wanted) from None
    return tuple(f"{each.location}={each.share:.2f}" for each in found if each.share >= 0.01)


async def _path(dms: DmsClient, wanted: str) -> str:
    if wanted.startswith("/"):
        return wanted
    number = _EXPERIMENT.fullmatch(wanted)
    if number is None:
        raise _unknown(wanted)
    for volume in await dms.volumes():
        if volume.policy is not Policy.RB:
            continue
        async for instrument in dms.scan(f"/{volume.name}"):
            path = f"{instrument.path}/RBNumber/RB{number[1]}"
            with suppress(NotAllowed, NotFound):
                return (await dms.lookup(path)).path
    raise _unknown(wanted)


def _unknown(wanted: str) -> OptionsError:
    return OptionsError(
        f"There is no data at {wanted!r} that you may read: give near as a path like "
        "/archive/… or as the number of one of your experiments like RB1310123.",
        "near",
    )
