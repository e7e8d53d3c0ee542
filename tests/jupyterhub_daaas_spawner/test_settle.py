import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_daaas_spawner.options import Options, OptionsError
from jupyterhub_daaas_spawner.settle import alternatives, settle
from vmm_core.model import Needs

from .examples import (
    DIAMOND,
    GPU,
    ISIS,
    LARGE,
    MANTID,
    OFFERS,
    OUT_OF_ORDER,
    REFUSED,
    SILENT,
    SMALL,
    TOMO,
    offer,
)


def refusal(options, offers=OFFERS):
    with pytest.raises(OptionsError) as caught:
        settle(options, offers)
    return caught.value


def test_an_environment_alone_leaves_the_rest_to_the_vmm():
    choice = settle(Options(environment="mantid"), OFFERS)
    assert choice.needs == Needs(environment="mantid")
    assert choice.environment == MANTID


def test_nothing_named_is_the_first_that_is_free():
    assert settle(Options(), OFFERS).needs == Needs(environment="mantid")
    assert settle(Options(), OFFERS[3:]).needs == Needs(environment="tomography")


def test_without_an_environment_the_first_that_meets_the_rest():
    needs = settle(Options(cpus=8, location="isis"), OFFERS[3:]).needs
    assert needs == Needs(environment="tomography", cpus=8, locations=("isis",))


def test_a_size_sets_the_amounts_and_more_may_be_asked_beside_it():
    needs = settle(Options(environment="mantid", size="small", ram_gb=3), OFFERS).needs
    assert (needs.cpus, needs.ram_gb, needs.gpus) == (2, 4, 0)
    needs = settle(Options(environment="mantid", size="large"), OFFERS).needs
    assert (needs.cpus, needs.ram_gb) == (8, 32)


def test_what_is_not_free_now_may_still_be_asked_for():
    needs = settle(Options(environment="mantid", location="isis", size="small"), OFFERS).needs
    assert needs == Needs(environment="mantid", cpus=2, ram_gb=4, locations=("isis",))


def test_an_unknown_environment_lists_the_known_and_offers_the_nearest():
    error = refusal(Options(environment="mantis"))
    assert str(error) == (
        "There is no environment 'mantis', did you mean 'mantid'; "
        "the environments are mantid, tomography."
    )
    assert error.moves[0].options["environment"] == "mantid"


def test_an_impossible_size_says_what_the_largest_is():
    error = refusal(Options(environment="mantid", cpus=64))
    assert str(error) == (
        "Mantid is not offered with 64 CPUs: the largest machine has 8 CPUs, 32 GiB."
    )
    assert error.reason == "impossible"
    assert error.moves[0].options == {
        "environment": "mantid",
        "location": "isis",
        "size": "large",
    }


def test_the_largest_are_told_where_none_is_larger_in_everything():
    offers = (offer(TOMO, ISIS, LARGE, free=1), offer(TOMO, ISIS, GPU, free=1))
    assert str(refusal(Options(environment="tomography", cpus=8, gpus=1), offers)) == (
        "Tomography is not offered with 8 CPUs and 1 GPUs: "
        "the largest machine has 8 CPUs, 32 GiB or 4 CPUs, 16 GiB, 1 GPU."
    )


def test_an_environment_that_is_elsewhere_says_where():
    error = refusal(Options(environment="mantid", location="isis"), OFFERS[2:])
    assert str(error) == "Mantid is not offered at ISIS, only at Diamond <DLS>."
    assert error.moves[0].options["location"] == "diamond"


def test_an_unavailable_offer_gives_its_reason_and_a_place_that_has_one():
    error = refusal(Options(environment="tomography", gpus=1))
    assert str(error) == "Tomography cannot be had now: this host has no GPU."
    assert error.reason == "unavailable"
    assert [move.options["location"] for move in error.moves] == ["isis"]


def test_no_offers_at_all_is_said_plainly():
    assert "No environment is offered here yet" in str(refusal(Options(), ()))


def test_alternatives_are_ready_now_and_elsewhere_first():
    moves = alternatives(Options(environment="mantid", location="isis", size="small"), OFFERS)
    assert [move.label for move in moves] == [
        "Start Mantid at Diamond <DLS> with 2 CPUs, 4 GiB (3 ready now)",
        "Start Mantid at ISIS with 8 CPUs, 32 GiB (1 ready now)",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (Options(environment="cryst"), "Crystallography cannot be had now: ESRF does not answer"),
        (Options(environment="cryst", cpus=9), "Crystallography cannot be had now: ESRF does not"),
        (Options(environment="cryst", size="m1"), "Crystallography cannot be had now: ESRF does"),
        (Options(environment="mantid", location="esrf"), "Mantid at ESRF cannot be had now: ESRF"),
        (
            Options(environment="mantid", cpus=64),
            "Mantid is not offered with 64 CPUs: "
            "the largest machine has 8 CPUs, 32 GiB; ESRF does not answer now.",
        ),
        (Options(environment="cryst", location="isis"), "not offered at ISIS, only at ESRF."),
    ],
)
def test_a_place_that_does_not_answer_is_said_so_and_promised_nothing(options, told):
    error = refusal(options, (*OFFERS, *SILENT))
    assert told in str(error)
    assert all(move.options["location"] != "esrf" for move in error.moves)


def test_a_place_that_refuses_us_is_said_to_be_out_of_order():
    error = refusal(Options(environment="cryst"), (*OFFERS, *REFUSED))
    assert str(error) == f"Crystallography cannot be had now: {OUT_OF_ORDER}."


def test_a_place_that_does_not_answer_keeps_nobody_from_another():
    offers = (*SILENT, *OFFERS)
    assert settle(Options(), offers) == settle(Options(), OFFERS)
    assert settle(Options(size="large"), offers) == settle(Options(size="large"), OFFERS)
    assert alternatives(Options(environment="mantid"), offers) == alternatives(
        Options(environment="mantid"), OFFERS
    )


NAMES = st.none() | st.sampled_from(["mantid", "tomography", "isis", "diamond", "small", "gpu"])
AMOUNTS = st.none() | st.integers(0, 64)


@given(NAMES, NAMES, NAMES, AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_choice_is_met_by_an_offer_or_refused_in_one_sentence(e, lo, s, cpus, ram, gpus):
    options = Options(environment=e, location=lo, size=s, cpus=cpus, ram_gb=ram, gpus=gpus)
    try:
        needs = settle(options, OFFERS).needs
    except OptionsError as error:
        refused = error
    else:
        assert any(
            each.available
            and each.environment.name == needs.environment
            and each.size.cpus >= needs.cpus
            and each.size.ram_gb >= needs.ram_gb
            and each.size.gpus >= needs.gpus
            and each.location.name in (needs.locations or ("isis", "diamond"))
            for each in OFFERS
        )
        assert e in (None, needs.environment)
        return
    assert str(refused).endswith(".")
    for move in refused.moves:
        assert settle(Options.model_validate(move.options), OFFERS)


def test_two_clouds_at_one_place_are_one_place():
    offers = (offer(MANTID, DIAMOND, SMALL), offer(MANTID, DIAMOND, SMALL, free=2))
    assert settle(Options(location="diamond"), offers).needs.locations == ("diamond",)
