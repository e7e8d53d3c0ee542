"""Who says in which groups a user is, what that lets them see and have, and limits over HTTP."""

from __future__ import annotations

import pytest

from vmm_core.client import VmmClient
from vmm_core.errors import BadRequest, Impossible, LimitReached, NotAllowed
from vmm_core.model import LeaseState, Needs
from vmm_core.tokens import Scope, add_token

from ...support.messages import expected, says
from ..service import Site, eventually

RULES = """\
limits:
  - {each: user, machines: 2}
  - {group: training, machines: 0}
"""


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    text = site.catalogue.read_text()
    text = text.replace("title: GPU notebooks", "title: GPU notebooks, groups: [staff, beam]")
    site.catalogue.write_text(text + RULES)
    site.tokens["carol"] = add_token(site.tokens_file, "carol", (Scope.LEASE,), ("staff",))
    site.tokens["trainee"] = add_token(site.tokens_file, "trainee", (Scope.LEASE,), ("training",))
    return site


@pytest.fixture
async def client(service, site):
    made = []

    def client(name: str) -> VmmClient:
        made.append(VmmClient(service.url, site.tokens[name]))
        return made[-1]

    yield client
    for each in made:
        await each.close()


GPU = Needs(environment="gpu")


def names(found) -> set[str]:
    return {getattr(each, "environment", each).name for each in found}


async def test_each_sees_what_each_may_use(client):
    alice, carol, hub, watcher = (client(name) for name in ("alice", "carol", "hub", "watcher"))
    for who, seen in ((alice, {"mantid"}), (carol, {"mantid", "gpu"}), (hub, {"mantid", "gpu"})):
        assert names(await who.environments()) == names(await who.offers()) == seen
    assert names(await watcher.environments()) == {"mantid", "gpu"}
    for groups, seen in (((), {"mantid"}), (("beam", "x"), {"mantid", "gpu"})):
        assert names(await hub.environments(groups=groups)) == seen
        assert names(await hub.offers(groups=groups)) == seen


async def test_only_frontends_say_in_which_groups_somebody_is(client):
    alice = client("alice")
    for work in (
        alice.acquire(GPU, groups=["staff"]),
        alice.offers(groups=["staff"]),
        alice.environments(groups=[]),
    ):
        with pytest.raises(NotAllowed, match="may not say in which groups"):
            await work


async def test_what_is_for_others_is_refused_in_a_sentence(client):
    with pytest.raises(NotAllowed) as caught:
        await client("alice").acquire(GPU)
    assert says(expected("limits", "an environment for others").user, str(caught.value))
    with pytest.raises(NotAllowed):
        await client("hub").acquire(GPU, owner="dave", groups=["guests"])
    with pytest.raises(Impossible):  # what nobody named is not there for them
        await client("alice").acquire(Needs(gpus=1))
    with pytest.raises(BadRequest, match=r"known are mantid$"):  # nor is it told of
        await client("alice").acquire(Needs(environment="zzz"))
    lease = await client("hub").acquire(GPU, owner="dave", groups=["guests", "beam"])
    assert lease.group == "beam"
    carols = await client("carol").acquire(GPU)
    assert carols.group == "staff"


async def test_a_users_limit_is_told_with_the_remedy(client):
    alice = client("alice")
    leases = [await alice.acquire(Needs(environment="mantid")) for _ in range(2)]
    with pytest.raises(LimitReached) as caught:
        await alice.acquire(Needs(environment="mantid"))
    assert says(expected("limits", "full: the user's limit").user, str(caught.value))
    await alice.release(leases[0].id)
    assert (await alice.acquire(Needs(environment="mantid"))).id


async def test_a_groups_limit_lets_wait_with_place_and_reason(client):
    trainee = client("trainee")
    lease = await trainee.acquire(Needs(environment="mantid"))
    assert lease.state is LeaseState.WAITING
    assert lease.queue is not None
    assert (lease.queue.place, lease.queue.estimate_s) == (1, None)
    assert says(
        expected("limits", "full: the group's limit is nothing").user, lease.explanation.summary
    )


async def test_who_waits_is_told_the_place_and_an_estimate(client, site):
    hub = client("hub")

    async def vacant():
        return (await hub.offers(Needs(environment="mantid")))[0].free

    await eventually(vacant)
    got = [await hub.acquire(Needs(environment="mantid"), owner=f"u{n}") for n in range(2)]

    async def acquired():
        return [(await hub.lease(lease.id)).state for lease in got]

    await eventually(acquired, lambda states: set(states) == {LeaseState.ACQUIRED})
    late = [await hub.acquire(Needs(environment="mantid"), owner=f"v{n}") for n in range(2)]
    assert [lease.queue.place for lease in late] == [1, 2]
    listed = {lease.id: lease for lease in await hub.leases()}
    assert [listed[lease.id].queue.place for lease in late] == [1, 2]
    assert listed[got[0].id].queue is None
    assert late[1].explanation.summary.endswith("; 1 is before you")


async def test_offers_tell_what_is_free_later(client):
    from datetime import UTC, datetime, timedelta

    hub = client("hub")
    later = datetime.now(UTC) + timedelta(days=1)
    mantid = Needs(environment="mantid")
    (offer,) = await hub.offers(mantid, at=later, for_h=8)
    assert offer.free_at == 2, "the pool's maximum"
    await hub.acquire(mantid, owner="u")

    async def free_at():
        return (await hub.offers(mantid, at=later))[0].free_at

    await eventually(free_at, lambda free: free == 1)
    assert (await hub.offers(mantid))[0].free_at is None
    with pytest.raises(Exception, match="at is a time from now on"):
        await hub.offers(mantid, at=later - timedelta(days=9))
