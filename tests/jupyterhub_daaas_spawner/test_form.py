import json

import pytest
from bs4 import BeautifulSoup

from jupyterhub_daaas_spawner.form import OptionForm, draw, undrawable
from jupyterhub_daaas_spawner.options import Options

from .examples import (
    DIAMOND,
    GPU,
    ISIS,
    MANTID,
    OFFERS,
    OUT_OF_ORDER,
    REFUSED,
    SILENT,
    SMALL,
    TOMO,
    offer,
)


def page(chosen=None, offers=OFFERS, paths=()):
    html = OptionForm(paths).render(draw("", offers, chosen or Options()))
    return BeautifulSoup(html, "html.parser")


def radios(page, name):
    return {each["value"]: each for each in page.find_all("input", attrs={"name": name})}


def test_every_environment_is_a_radio_with_what_is_free():
    drawn = page()
    assert list(radios(drawn, "environment")) == ["mantid", "tomography"]
    card = radios(drawn, "environment")["mantid"].find_parent("label")
    assert card.find(class_="daaas-status").text == "4 ready now"
    assert "SANS2D" in card.text
    assert "Mantid 6.11" in card.text


def test_location_and_amounts_are_radio_groups_in_fieldsets():
    drawn = page()
    values = {
        field["data-group"]: [each["value"] for each in field.find_all("input")]
        for field in drawn.find_all("fieldset", attrs={"data-group": True})
    }
    assert values == {
        "location": ["", "isis", "diamond"],
        "cpus": ["", "2", "4", "8"],
        "ram_gb": ["", "4", "16", "32"],
        "gpus": ["", "1"],
    }
    assert all(field.legend for field in drawn.find_all("fieldset"))


def test_what_nobody_can_have_is_disabled_with_the_reason():
    drawn = page()
    assert radios(drawn, "gpus")["1"].has_attr("disabled")
    offers = (offer(TOMO, DIAMOND, GPU, reason="this host has no GPU"), offer(MANTID, ISIS, SMALL))
    drawn = page(offers=offers)
    tomography = radios(drawn, "environment")["tomography"]
    assert tomography.has_attr("disabled")
    assert "not available: this host has no GPU" in tomography.find_parent("label").text
    assert list(radios(drawn, "environment")) == ["mantid", "tomography"]


@pytest.mark.parametrize(
    ("untold", "place", "why"),
    [(SILENT, "esrf", "ESRF does not answer now"), (REFUSED, "diamond", OUT_OF_ORDER)],
)
def test_a_place_that_told_no_sizes_is_shown_with_why_and_nothing_is_made_up_of_it(
    untold, place, why
):
    others = tuple(each for each in OFFERS if each.location.name != place)
    drawn = page(offers=(*untold, *others))
    for group, value in (("location", place), ("environment", "cryst")):
        radio = radios(drawn, group)[value]
        assert radio.has_attr("disabled")
        status = radio.find_parent("label").find(class_="daaas-status")
        assert status.text == f"not available: {why}"
    mantid = radios(drawn, "environment")["mantid"].find_parent("label")
    ready = sum(each.free for each in others if each.environment == MANTID)
    assert mantid.find(class_="daaas-status").text == f"{ready} ready now"
    for amount in ("cpus", "ram_gb", "gpus"):
        assert list(radios(drawn, amount)) == list(radios(page(offers=others), amount))
    row = json.loads(drawn.find(id="daaas-offers").text)[0]
    assert (row["cpus"], row["ram_gb"], row["gpus"]) == (None, None, None)


def test_the_choice_of_last_time_is_picked_and_first():
    drawn = page(Options(environment="tomography", location="isis", cpus=8))
    assert next(iter(radios(drawn, "environment"))) == "tomography"
    picked = {each["name"]: each["value"] for each in drawn.find_all("input", checked=True)}
    assert picked == {
        "environment": "tomography",
        "location": "isis",
        "cpus": "8",
        "ram_gb": "",
        "gpus": "",
    }


def test_a_choice_that_is_gone_is_not_picked():
    picked = page(Options(environment="gone", location="gone", gpus=1)).find_all(
        "input", checked=True
    )
    assert [(each["name"], each["value"]) for each in picked] == [
        ("location", ""),
        ("cpus", ""),
        ("ram_gb", ""),
        ("gpus", ""),
    ]


def test_titles_are_text_and_the_offers_for_the_script_are_json():
    hostile = MANTID.model_copy(update={"title": "</script><script>alert(1)</script>"})
    drawn = page(offers=(offer(hostile, DIAMOND, SMALL, free=1),))
    assert not any("alert" in script.text for script in drawn.find_all("script"))
    [row] = json.loads(drawn.find(id="daaas-offers").text)
    assert (row["place"], row["free"]) == ("Diamond <DLS>", 1)


def test_when_nothing_can_be_started_the_page_says_so_and_asks_nothing():
    html = OptionForm().render(undrawable("", "The VMM is away."))
    drawn = BeautifulSoup(html, "html.parser")
    assert drawn.find(role="alert").p.text == "The VMM is away."
    assert not drawn.find_all("input")
    assert not drawn.find_all("button")


@pytest.mark.parametrize("name", ["daaas_form.html", "daaas_form.css"])
def test_a_site_replaces_a_template_by_its_own(tmp_path, name):
    (tmp_path / name).write_text("/* ours */")
    html = OptionForm([str(tmp_path)]).render(draw("", OFFERS, Options()))
    assert "/* ours */" in html
