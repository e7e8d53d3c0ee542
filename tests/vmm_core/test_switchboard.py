"""The switchboard, with a real store behind it and real WebSockets in front."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from vmm_core.agent.protocol import BindError, Failed, Holding, Unbind, Unbound
from vmm_core.api.agents import AgentSocket
from vmm_core.api.models import PREFIX
from vmm_core.errors import BindFailed
from vmm_core.model import Machine, MachineState, Program, Session, Size
from vmm_core.signing import Signer
from vmm_core.store import Store
from vmm_core.switchboard import Switchboard
from vmm_core.tokens import sha256_of

from ..support.waiting import until_async
from .agents import WAIT_S, HungUpError, WireAgent
from .service import eventually

SESSION = Session(
    user="alice", program=Program(argv=("jupyterhub-singleuser",)), port=8888, health_path="/api"
)


class Exchange:
    """A switchboard at a port, and what it reported."""

    def __init__(self, store, signer, *, grace_s):
        self.store = store
        self.signer = signer
        self.reports: asyncio.Queue[tuple] = asyncio.Queue()
        self.switchboard = Switchboard(
            store,
            signer,
            replica="here",
            on_ready=lambda machine: self.reports.put(("ready", machine)),
            on_failed=lambda machine, reason: self.reports.put(("failed", machine, reason)),
            on_ended=lambda machine, status: self.reports.put(("ended", machine, status)),
            on_holding=lambda machine, what: self.reports.put(("holding", machine, what)),
            on_unbound=lambda machine: self.reports.put(("unbound", machine)),
            grace_s=grace_s,
        )
        application = Application(
            [(f"{PREFIX}/agent", AgentSocket, {"switchboard": self.switchboard})],
            websocket_max_message_size=64 * 1024,
        )
        socket, port = bind_unused_port()
        self.server = HTTPServer(application)
        self.server.add_socket(socket)
        self.url = f"http://127.0.0.1:{port}"

    async def close(self):
        self.server.stop()
        await self.switchboard.close()
        await self.server.close_all_connections()

    def agent(self, machine, token=None, **options):
        return WireAgent(self.url, machine, token or f"enrol-{machine}", **options)

    async def report(self):
        return await asyncio.wait_for(self.reports.get(), WAIT_S)


@pytest.fixture
async def store(tmp_path):
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/vmm.sqlite")
    await store.open()
    for name in ("m1", "m2"):
        now = datetime.now(UTC)
        await store.machines.add(
            Machine(
                id=name,
                pool="mantid@sim/small",
                cloud="sim",
                location="ral",
                environment="mantid",
                size=Size(name="small", cpus=1, ram_gb=1),
                state=MachineState.REQUESTED,
                fingerprint="f",
                created_at=now,
                changed_at=now,
            ),
            enrolment_sha256=sha256_of(f"enrol-{name}"),
        )
    await store.replicas.join("here", "http://127.0.0.1:1", gone_s=60)
    yield store
    await store.close()


@pytest.fixture
def open_exchange(store, tmp_path):
    @asynccontextmanager
    async def opened(grace_s=WAIT_S):
        exchange = Exchange(store, Signer.load_or_create(tmp_path / "key.pem"), grace_s=grace_s)
        try:
            yield exchange
        finally:
            await exchange.close()

    return opened


@pytest.fixture
async def exchange(open_exchange):
    async with open_exchange() as exchange:
        yield exchange


async def refuse_progress(percent, message):
    raise AssertionError("no progress was expected")


async def test_an_agent_enrols_and_says_ready(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet(root="/srv/m1", isolation="namespaces")
        await agent.ready()
        assert await exchange.report() == ("ready", "m1")
        assert exchange.switchboard.connected("m1")
        machine = await exchange.store.machines.get("m1")
        assert (machine.root, machine.isolation) == ("/srv/m1", "namespaces")


async def test_a_machine_that_can_never_be_ready_is_reported_with_the_reason(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.send(Failed(reason="there is no module named mantid"))
        assert await exchange.report() == ("failed", "m1", "there is no module named mantid")


async def test_what_machines_say_has_nothing_for_terminals_and_fits_in_the_ledger(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.send_text(
            json.dumps({"type": "failed", "reason": "a\nb\x1b[2Jc\0d" + 5000 * "e"})
        )
        _, _, reason = await exchange.report()
        assert reason.startswith("a b\N{REPLACEMENT CHARACTER}[2Jc\N{REPLACEMENT CHARACTER}dee")
        assert len(reason) == 4096


async def test_no_token_is_refused_before_the_upgrade(exchange):
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{exchange.url}{PREFIX}/agent")
    assert refused.value.status == 401


@pytest.mark.parametrize("token", ["wrong", "enrol-m2"])
async def test_a_wrong_token_is_hung_up_on(exchange, token):
    async with exchange.agent("m1", token) as agent:
        with pytest.raises(HungUpError) as hung_up:
            await agent.greet()
    assert hung_up.value.code == 4401
    assert not exchange.switchboard.connected("m1")


async def test_the_enrolment_token_works_once(exchange):
    async with exchange.agent("m1") as agent, exchange.agent("m1") as thief:
        await agent.greet()
        with pytest.raises(HungUpError) as hung_up:
            await thief.greet()
        assert hung_up.value.code == 4401
        assert await exchange.switchboard.probe("m1", WAIT_S)


async def test_of_two_agents_with_one_enrolment_token_one_gets_in(exchange):
    async with exchange.agent("m1") as one, exchange.agent("m1") as other:
        answers = await asyncio.gather(one.greet(), other.greet(), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["HungUpError", "WireAgent"]


async def test_the_reconnect_token_replaces_the_first_connection(exchange):
    async with exchange.agent("m1") as first:
        await first.greet()
        async with exchange.agent("m1", first.reconnect_token) as second:
            await second.greet()
            with pytest.raises(HungUpError) as hung_up:
                await first.receive()
            assert hung_up.value.code == 4409
            await second.ready()
            assert await exchange.report() == ("ready", "m1")
            assert await exchange.switchboard.probe("m1", WAIT_S)
            assert second.reconnect_token == first.reconnect_token


async def test_the_reconnect_token_of_another_machine_is_refused(exchange):
    async with exchange.agent("m2") as other:
        await other.greet()
        async with exchange.agent("m1", other.reconnect_token) as thief:
            with pytest.raises(HungUpError) as hung_up:
                await thief.greet()
    assert hung_up.value.code == 4401


async def test_bind_goes_signed_and_returns_what_the_agent_says(exchange):
    steps = []

    async def progress(percent, message):
        steps.append((percent, message))

    async with exchange.agent("m1") as agent:
        await agent.greet()
        binding = asyncio.create_task(exchange.switchboard.bind("m1", "l1", SESSION, progress))
        assert await agent.receive_bind(exchange.signer.public_pem) == ("l1", SESSION)
        await agent.progress("l1", 40, "mounting /data")
        await agent.progress("other", 50, "nobody's")
        await agent.bound("l1", 8888)
        bound = await asyncio.wait_for(binding, WAIT_S)
    assert bound.port == 8888
    assert steps == [(40, "mounting /data")]


async def test_a_failed_bind_carries_the_agents_sentence(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        binding = asyncio.create_task(
            exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress)
        )
        await agent.receive_bind(exchange.signer.public_pem)
        await agent.send(BindError(lease="l1", reason="the daemon dms-mount ended with status 3"))
        with pytest.raises(BindFailed, match="dms-mount ended with status 3"):
            await asyncio.wait_for(binding, WAIT_S)


async def test_progress_that_cannot_be_recorded_does_not_cost_the_session(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        binding = asyncio.create_task(
            exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress)
        )
        await agent.receive_bind(exchange.signer.public_pem)
        await agent.progress("l1", 40, "mounting /data")
        await agent.bound("l1", 8888)
        assert (await asyncio.wait_for(binding, WAIT_S)).port == 8888


async def test_a_bind_outlives_a_short_absence_of_its_agent(exchange):
    async with exchange.agent("m1") as first:
        await first.greet()
        binding = asyncio.create_task(
            exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress)
        )
        await first.receive_bind(exchange.signer.public_pem)
        await first.cut()
        async with exchange.agent("m1", first.reconnect_token) as second:
            await second.greet()
            await second.bound("l1", 8888)
            assert (await asyncio.wait_for(binding, WAIT_S)).port == 8888


async def test_a_bind_fails_when_its_agent_stays_away(open_exchange):
    async with open_exchange(grace_s=0.1) as exchange, exchange.agent("m1") as agent:
        await agent.greet()
        binding = asyncio.create_task(
            exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress)
        )
        await agent.receive_bind(exchange.signer.public_pem)
        await agent.cut()
        with pytest.raises(BindFailed, match="m1 went away"):
            await asyncio.wait_for(binding, WAIT_S)


async def test_a_bind_that_never_answers_ends_at_its_deadline(exchange):
    session = SESSION.model_copy(update={"timeout_s": -4.9})
    async with exchange.agent("m1") as agent:
        await agent.greet()
        with pytest.raises(BindFailed, match="did not finish"):
            await exchange.switchboard.bind("m1", "l1", session, refuse_progress)


async def test_a_machine_without_an_agent_cannot_be_bound_or_unbound(exchange):
    with pytest.raises(BindFailed, match="m1 went away"):
        await exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress)
    assert not await exchange.switchboard.unbind("m1", "l1")
    assert not await exchange.switchboard.probe("m1")


async def test_unbind_returns_when_all_is_reaped(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        unbinding = asyncio.create_task(exchange.switchboard.unbind("m1", "l1", WAIT_S))
        assert await agent.receive() == Unbind(lease="l1")
        await agent.send(Unbound(lease="l1"))
        assert await unbinding
        assert await exchange.report() == ("unbound", "m1")
        assert not await exchange.switchboard.unbind("m1", "l1", 0.05)


async def test_what_a_machine_holds_is_reported_and_so_is_a_late_end(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.send(Holding(lease="l1", reason="2 files"))
        assert await exchange.report() == ("holding", "m1", "2 files")
        await agent.send(Holding(lease="l1", reason=""))
        assert await exchange.report() == ("holding", "m1", "")
        await agent.send(Unbound(lease="l1"))
        assert await exchange.report() == ("unbound", "m1")


async def test_a_probe_of_a_machine_that_hangs_says_no(exchange):
    async with exchange.agent("m1", answer_pings=False) as agent:
        await agent.greet()
        assert exchange.switchboard.connected("m1")
        assert not await exchange.switchboard.probe("m1", 0.05)


async def test_a_session_that_ended_is_reported_with_its_status(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.ended("l1", 137)
        assert await exchange.report() == ("ended", "m1", 137)


async def test_the_ledger_says_where_an_agent_is_and_since_when_it_is_away(exchange, store):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        machine = await store.machines.get("m1")
        assert (machine.replica, machine.agent_lost_at) == ("here", None)
        await agent.cut()
        await until_async(lambda: not exchange.switchboard.connected("m1"), "m1 left", WAIT_S)
    gone = await eventually(lambda: store.machines.get("m1"), lambda m: m.replica is None)
    assert gone.agent_lost_at is not None
    async with exchange.agent("m1", agent.reconnect_token) as agent:
        await agent.greet()
        machine = await store.machines.get("m1")
        assert (machine.replica, machine.agent_lost_at) == ("here", None)


async def test_a_loss_noticed_late_does_not_take_the_machine_from_another_replica(exchange, store):
    await store.replicas.join("there", "http://127.0.0.1:2", gone_s=60)
    async with exchange.agent("m1") as agent:
        await agent.greet()
        assert await store.agents.connected("m1", "there", root="/", isolation="")
    await until_async(lambda: not exchange.switchboard.connected("m1"), "m1 left", WAIT_S)
    await store.agents.disconnected("m1", "here")
    assert (await store.machines.get("m1")).replica == "there"


async def test_a_loss_is_recorded_when_the_database_can_be_asked_again(
    exchange, store, monkeypatch
):
    monkeypatch.setattr("vmm_core.switchboard.AGAIN_S", 0.05)
    record, failures = store.agents.disconnected, iter(range(3))

    async def away(machine_id, replica_id):
        if next(failures, None) is not None:
            raise OSError("the database is away")
        await record(machine_id, replica_id)

    monkeypatch.setattr(store.agents, "disconnected", away)
    async with exchange.agent("m1") as agent:
        await agent.greet()
    await eventually(lambda: store.machines.get("m1"), lambda m: m.replica is None)


async def test_a_replica_that_was_thought_gone_takes_back_the_agents_it_has(exchange, store):
    await store.replicas.join("there", "http://127.0.0.1:2", gone_s=60)
    async with exchange.agent("m1") as stayed, exchange.agent("m2") as left:
        await stayed.greet()
        await left.greet()
        await store.replicas.leave("here")
        assert (await store.machines.get("m1")).replica is None
        assert await store.agents.connected("m2", "there", root="/", isolation="")
        await store.replicas.join("here", "http://127.0.0.1:1", gone_s=60)
        await exchange.switchboard.reclaim()
        with pytest.raises(HungUpError) as hung_up:
            await left.receive()
        assert hung_up.value.code == 4409
        assert (await store.machines.get("m1")).replica == "here"
        assert (await store.machines.get("m2")).replica == "there"


async def test_an_agent_is_sent_away_while_the_replica_is_thought_gone(exchange, store):
    await store.replicas.leave("here")
    async with exchange.agent("m1") as agent:
        with pytest.raises(HungUpError) as hung_up:
            await agent.greet()
    assert hung_up.value.code == 1012
    assert (await store.machines.get("m1")).replica is None


async def test_two_who_bind_the_same_get_the_same_answer(exchange):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        binds = [
            asyncio.create_task(exchange.switchboard.bind("m1", "l1", SESSION, refuse_progress))
            for _ in range(2)
        ]
        for _ in binds:
            await agent.receive_bind(exchange.signer.public_pem)
        binds[0].cancel()
        await asyncio.wait(binds[:1])
        await agent.bound("l1", 8888)
        assert (await asyncio.wait_for(binds[1], WAIT_S)).port == 8888


async def test_a_service_that_stops_leaves_its_agents_to_be_taken_at_once(exchange, store):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await exchange.switchboard.close()
        with pytest.raises(HungUpError) as hung_up:
            await agent.receive()
        assert hung_up.value.code == 1012
        await until_async(lambda: not exchange.switchboard.connected("m1"), "m1 left", WAIT_S)
        await store.replicas.leave("here")
        assert (await store.machines.get("m1")).agent_lost_at is not None


@pytest.mark.parametrize(
    "text", ["", "{}", '{"type": "welcome", "reconnect_token": "x"}', "[1]", "x" * 70_000]
)
async def test_what_is_no_frame_ends_the_connection(exchange, text):
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.send_text(text)
        with pytest.raises(HungUpError) as hung_up:
            await agent.receive()
        assert hung_up.value.code in (4400, 1009, 1006)
        await until_async(lambda: not exchange.switchboard.connected("m1"), "m1 left", WAIT_S)


async def test_the_first_frame_must_be_hello(exchange):
    async with exchange.agent("m1") as agent:
        await agent.ready()
        with pytest.raises(HungUpError) as hung_up:
            await agent.receive()
    assert hung_up.value.code == 4400


async def test_a_report_that_fails_makes_the_agent_dial_again(store, tmp_path, caplog):
    exchange = Exchange(store, Signer.load_or_create(tmp_path / "key.pem"), grace_s=WAIT_S)

    async def broken(machine_id):
        raise RuntimeError("the database is locked")

    exchange.switchboard._on_ready = broken
    try:
        async with exchange.agent("m1") as agent:
            await agent.greet()
            await agent.ready()
            with pytest.raises(HungUpError) as hung_up:
                await agent.receive()
        assert hung_up.value.code == 1011
        assert "m1" in caplog.text
    finally:
        await exchange.close()


async def test_no_token_and_no_session_reaches_the_log(exchange, caplog):
    caplog.set_level("DEBUG")
    session = SESSION.model_copy(
        update={"program": Program(argv=("x",), env={"JUPYTERHUB_API_TOKEN": "s3cret-of-alice"})}
    )
    async with exchange.agent("m1") as agent:
        await agent.greet()
        binding = asyncio.create_task(
            exchange.switchboard.bind("m1", "l1", session, refuse_progress)
        )
        await agent.receive_bind(exchange.signer.public_pem)
        await agent.bound("l1", 8888)
        await binding
    assert "s3cret-of-alice" not in caplog.text
    assert agent.reconnect_token not in caplog.text
    assert "enrol-m1" not in caplog.text


async def test_an_agent_whose_welcome_was_lost_with_its_replica_enrols_again(exchange, store):
    """The process was frozen, or killed, between the ledger and the answer."""
    token = sha256_of("enrol-m1")
    await store.replicas.join("there", "http://127.0.0.1:2", gone_s=60)
    assert await store.agents.enrol("m1", token, sha256_of("never arrived"), "there")
    async with exchange.agent("m1") as early:
        with pytest.raises(HungUpError):
            await early.greet()
    await store.replicas.leave("there")
    async with exchange.agent("m1") as agent:
        await agent.greet()
        await agent.ready()
        assert await exchange.report() == ("ready", "m1")
    await eventually(lambda: store.machines.get("m1"), lambda m: m.replica is None)
    async with exchange.agent("m1", agent.reconnect_token) as agent:
        await agent.greet()
    await eventually(lambda: store.machines.get("m1"), lambda m: m.replica is None)
    async with exchange.agent("m1") as thief:
        with pytest.raises(HungUpError) as hung_up:
            await thief.greet()
    assert hung_up.value.code == 4401
