from datetime import UTC, datetime

import pytest

from jupyterhub_daaas_spawner.story import plain, told
from vmm_core.model import LeaseEvent

PLACES = {"isis": "ISIS Neutron and Muon Source"}


def event(stage, message):
    return LeaseEvent(
        lease="l", number=0, at=datetime.now(UTC), stage=stage, percent=5, message=message
    )


@pytest.mark.parametrize(
    ("stage", "message", "words"),
    [
        ("requested", "alice asked for a machine", None),
        (
            "waiting",
            "no machine is free now, one is starting up at Diamond",
            "No machine is free now, one is starting up at Diamond",
        ),
        (
            "claimed",
            "got vmm-175a3956bc76 at isis",
            "Got a machine at ISIS Neutron and Muon Source",
        ),
        ("claimed", "got vmm-175a3956bc76 at mars", "Got a machine at mars"),
        (
            "claimed",
            "the data is at Diamond, but Diamond has none free now: got vmm-175a3956bc76 at isis",
            "The data is at Diamond, but Diamond has none free now: got a machine at "
            "ISIS Neutron and Muon Source",
        ),
        (
            "waiting",
            "Diamond is full now, you get the next machine that comes free",
            "Diamond is full now, you get the next machine that comes free",
        ),
        ("binding", "vmm-175a3956bc76 answers", "The machine answers"),
        ("binding", "Starting jupyterhub-singleuser", "Starting the notebook server"),
        ("ready", "the session answers", "The session answers"),
    ],
)
def test_an_event_is_told_in_the_users_words(stage, message, words):
    assert told(event(stage, message), PLACES) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.0, ", where your data is"), (0.8, ", where 80% of your data is"), (0.0, "")],
)
def test_a_place_that_has_the_data_is_told_as_such(share, words):
    message = told(event("claimed", "got vmm-175a3956bc76 at isis"), PLACES, {"isis": share})
    assert message == f"Got a machine at ISIS Neutron and Muon Source{words}"


def test_nothing_is_told_of_nothing():
    assert plain("") == ""
