import pytest

from jupyterhub_daaas_spawner.wording import availability, duration, hardware, listing
from vmm_core.model import Size

from .examples import DIAMOND, ISIS, MANTID, SMALL, offer


def test_hardware_in_words():
    assert hardware(Size(name="a", cpus=1, ram_gb=0.5)) == "1 CPU, 0.5 GiB"
    size = Size(name="a", cpus=28, ram_gb=180, gpus=2, gpu_model="RTX 4000")
    assert hardware(size) == "28 CPUs, 180 GiB, 2 GPUs (RTX 4000)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 s"),
        (16, "about 20 s"),
        (55, "about 55 s"),
        (56, "about 1 min"),
        (61, "about 2 min"),
    ],
)
def test_an_estimate_is_rounded_up(seconds, words):
    assert duration(seconds) == words


def test_what_is_free_is_added_up():
    offers = [offer(MANTID, ISIS, SMALL, free=1), offer(MANTID, DIAMOND, SMALL, free=2)]
    assert availability(offers) == "3 ready now"


def test_the_soonest_counts_when_none_is_free():
    offers = [offer(MANTID, ISIS, SMALL, next_in_s=70), offer(MANTID, DIAMOND, SMALL, next_in_s=18)]
    assert availability(offers) == "next in about 20 s"


def test_without_an_estimate_what_is_on_its_way():
    assert availability([offer(MANTID, ISIS, SMALL, booting=2)]) == "2 starting up"
    assert availability([offer(MANTID, ISIS, SMALL)]) == "none ready; you would wait for one"


def test_why_not_counts_only_if_nothing_can_be_had():
    off = offer(MANTID, ISIS, SMALL, reason="no GPU here")
    assert availability([off, off]) == "not available: no GPU here"
    assert availability([off, offer(MANTID, DIAMOND, SMALL, free=1)]) == "1 ready now"


def test_why_one_would_wait_counts_only_if_it_is_so_everywhere():
    full = offer(MANTID, ISIS, SMALL, reason="ISIS is full now").model_copy(
        update={"available": True}
    )
    assert availability([full, full]) == "ISIS is full now; you would wait for one"
    other = offer(MANTID, DIAMOND, SMALL)
    assert availability([full, other]) == "none ready; you would wait for one"


def test_a_long_listing_is_cut_with_the_number_left_out():
    assert listing(["a", "b"]) == "a, b"
    assert listing("abcd", most=2) == "a, b and 2 more"
