"""The spawner in a real hub, on a real VMM with local machines and a real DMS."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmm_core.client import Vmm
from vmm_core.model import LeaseState, Needs, Program, Session

from ..support.hub import wait_until

pytestmark = [pytest.mark.root, pytest.mark.mount, pytest.mark.timeout(240)]

SANS = "sans-for-sans2d"
NONE_READY = "artemis"  # the demo keeps none of these ready: each has to boot


def leases(stack, user):
    with stack.vmm() as vmm:
        return vmm.leases(user)


def no_lease(stack, user):
    return lambda: not leases(stack, user)


def test_the_form_shows_what_the_vmm_offers(stack, log_in):
    page = log_in("alice").get("/hub/spawn/alice")
    with stack.vmm() as vmm:
        offered = {offer.environment.name for offer in vmm.offers()}
    assert {radio["value"] for radio in page.find_all("input", attrs={"name": "environment"})} == (
        offered
    )
    tomography = page.find("input", value="tomography-recommended")
    assert tomography.has_attr("disabled")
    assert "not available: " in tomography.find_parent("label").text


def test_a_start_by_the_form_tells_every_page_each_step_and_ends_in_a_notebook(stack, log_in):
    alice = log_in("alice")
    with ThreadPoolExecutor() as pages:
        alice.submit(alice.get("/hub/spawn/alice"), environment=NONE_READY, location="clf")
        first, second = pages.map(lambda _: alice.events(), range(2))
    assert first == second
    words = [event["message"] for event in first]
    assert words[1] == "Asking for a machine with Artemis"
    assert "Getting access to your data" in words
    assert "Starting the notebook server" in words
    assert first[-1]["ready"], words
    model = alice.wait_ready()
    assert model["user_options"] == {"environment": NONE_READY, "location": "clf"}
    assert alice.notebook_answers()
    [lease] = leases(stack, "alice")
    assert (lease.needs.environment, lease.machine.location) == (NONE_READY, "clf")
    alice.stop()
    assert leases(stack, "alice") == []

    def gone():
        with stack.vmm() as vmm:
            return lease.machine.id not in {machine.id for machine in vmm.machines()}

    wait_until(gone, "the machine is deleted")


def test_a_start_that_names_nothing_takes_what_is_free(stack, log_in):
    bob = log_in("bob")
    assert bob.start().status_code in (201, 202)
    bob.wait_ready()
    [lease] = leases(stack, "bob")
    assert lease.machine is not None


def test_two_named_servers_have_two_machines(stack, log_in):
    bob = log_in("bob")
    for server in ("fit", "plot"):
        bob.start(server, environment=SANS)
    for server in ("fit", "plot"):
        bob.wait_ready(server)
        assert bob.notebook_answers(server)
    assert len({lease.machine.id for lease in leases(stack, "bob")}) == 2
    bob.stop("fit")
    assert len(leases(stack, "bob")) == 1
    assert bob.notebook_answers("plot")


def test_a_name_that_is_no_unix_account_gets_one(stack, log_in):
    smith = log_in("d.smith@facility.org")
    smith.start(environment=SANS)
    smith.wait_ready()
    assert leases(stack, "d.smith@facility.org")


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        ({"environment": "sans"}, 400, "There is no environment 'sans', did you mean 'sans-for"),
        ({"environment": SANS, "cpus": 9999}, 409, "is not offered with 9999 CPUs: the largest"),
        ({"environment": "tomography-recommended"}, 409, "cannot be had now: "),
        ({"environment": SANS, "location": "mars"}, 400, "There is no location 'mars'"),
        ({"environment": SANS, "cpus": "many"}, 400, "The option cpus cannot be 'many'"),
        ({"image": "x"}, 400, "There is no option 'image'"),
        (
            {"environment": SANS, "near": "/archive/none"},
            400,
            "There is no data at '/archive/none'",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(stack, log_in, options, status, sentence):
    alice = log_in("alice")
    answer = alice.start(**options)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]
    assert leases(stack, "alice") == []


def test_a_refusal_on_the_page_offers_the_next_move_as_a_link(stack, log_in):
    alice = log_in("alice")
    told = []

    def refused():  # within the second that the hub waits before it shows the progress page
        told.append(alice.submit(alice.get("/hub/spawn/alice"), environment=SANS, cpus="9999"))
        return told[-1].status_code == 409

    wait_until(refused, "the start is refused at once")
    for page in (told[-1].text, str(alice.get("/hub/spawn-pending/alice"))):
        assert "the largest machine has" in page
        assert f'href="/hub/spawn/alice?opt-environment={SANS}&amp;opt-location=' in page
    alice.get(f"/hub/spawn/alice?opt-environment={SANS}&opt-location=clf")
    alice.wait_ready()
    assert alice.notebook_answers()


def test_cancelling_a_start_gives_the_machine_back(stack, log_in):
    alice = log_in("alice")
    alice.begin(environment=NONE_READY)
    alice.stop()
    assert leases(stack, "alice") == []


def test_a_server_outlives_a_restart_of_the_hub(stack, log_in):
    alice = log_in("alice")
    alice.start(environment=SANS)
    alice.wait_ready()
    [before] = leases(stack, "alice")
    restart_hub(stack)
    alice = log_in("alice")
    assert alice.wait_ready()
    assert [lease.id for lease in leases(stack, "alice")] == [before.id]
    assert alice.notebook_answers()
    alice.stop()
    assert leases(stack, "alice") == []


def test_a_hub_killed_in_the_middle_of_a_start_gives_the_machine_back(stack, log_in):
    alice = log_in("alice")
    answer = alice.begin(environment=NONE_READY)
    wait_until(lambda: leases(stack, "alice"), "the lease is asked for")
    restart_hub(stack, signal.SIGKILL)
    assert not answer.result().ok  # the start was cut off
    wait_until(no_lease(stack, "alice"), "the forgotten lease is given back")


@pytest.fixture
def hub_vmm(stack):
    """The VMM as the hub sees it."""
    with Vmm(stack.vmm_url, (stack.state / "hub" / "vmm.token").read_text().strip()) as vmm:
        yield vmm


def test_a_lease_left_waiting_for_something_else_is_replaced(stack, log_in, hub_vmm):
    alice = log_in("alice")
    left = hub_vmm.acquire(Needs(environment="muon"), owner="alice", key="alice/")
    alice.start(environment=SANS)
    alice.wait_ready()
    [lease] = leases(stack, "alice")
    assert lease.needs.environment == SANS
    assert hub_vmm.lease(left.id).state is LeaseState.RELEASED


def test_a_lease_that_an_earlier_start_has_used_up_is_replaced(stack, log_in, hub_vmm):
    alice = log_in("alice")
    left = hub_vmm.acquire(Needs(environment=SANS), owner="alice", key="alice/")
    hub_vmm.wait(left.id, timeout_s=60)
    serve = Program(argv=("python3", "-m", "http.server", "--bind", "127.0.0.1", "8888"))
    hub_vmm.bind(left.id, Session(user="alice", program=serve, port=8888, health_path="/"))
    alice.start(environment=SANS)
    alice.wait_ready()
    assert alice.notebook_answers()
    [lease] = leases(stack, "alice")
    assert lease.id != left.id


def test_a_notebook_server_that_ends_by_itself_gives_the_machine_back(stack, log_in):
    alice = log_in("alice")
    alice.start(environment=SANS)
    alice.wait_ready()
    assert alice.notebook("POST", "/api/shutdown").ok
    wait_until(no_lease(stack, "alice"), "the lease is over")

    def noticed():
        alice.get("/hub/home")  # which makes the hub look
        return alice.server() is None

    wait_until(noticed, "the hub knows")


def test_a_vmm_that_is_away_closes_the_spawn_page_but_no_server(stack, log_in):
    alice, bob = log_in("alice"), log_in("bob")
    alice.start(environment=SANS)
    alice.wait_ready()
    stack.stop_part("vmm", signal.SIGKILL)
    try:
        page = bob.get("/hub/spawn/bob")
        assert "the service that hands out machines does not answer" in page.text
        assert not page.find_all("input", attrs={"name": "environment"})
        answer = bob.start(environment=SANS)
        assert answer.status_code == 503
        assert "the service that hands out machines does not answer" in answer.json()["message"]
        assert alice.server()["ready"]
        assert alice.notebook_answers()
        alice.stop()  # and the machine is given back later
    finally:
        stack.start_vmm()
        stack.wait_for("vmm", f"{stack.vmm_url}/vmm/api/v1/health")
    wait_until(no_lease(stack, "alice"), "the lease is given back when the VMM is there again")


def test_a_dms_that_is_away_is_told_and_leaves_nothing_behind(stack, log_in):
    alice = log_in("alice")
    stack.stop_part("dms", signal.SIGKILL)
    try:
        answer = alice.start(environment=SANS)
        assert answer.status_code == 503
        assert "the service that brings your data does not answer" in answer.json()["message"]
        wait_until(no_lease(stack, "alice"), "the lease is given back")
    finally:
        stack.start_dms()
        stack.wait_for("dms", f"{stack.dms_url}/dms/api/v1/health")


def restart_hub(stack, how=signal.SIGTERM):
    stack.stop_part("hub", how)
    stack.start_hub()
    stack.wait_for("hub", f"{stack.hub_url}/hub/health")
