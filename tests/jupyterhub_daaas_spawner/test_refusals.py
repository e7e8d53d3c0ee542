import pytest
from bs4 import BeautifulSoup
from jupyterhub.utils import format_exception

from dms_core.errors import Unreachable
from jupyterhub_daaas_spawner.failures import explain
from jupyterhub_daaas_spawner.moves import Move, move_to
from jupyterhub_daaas_spawner.refusals import Refused
from jupyterhub_daaas_spawner.settings import Settings
from vmm_core.errors import BindFailed, NotAuthenticated, Unavailable

from .examples import DIAMOND, MANTID, SMALL, offer


def test_the_hub_shows_our_words_and_the_next_move_as_a_link():
    """JupyterHub 6.1 shows `503 SpawnException(reason=…)` and the log's words by itself."""
    refused = Refused(
        "Mantid at <ISIS> is full.",
        reason="capacity",
        moves=[move_to(offer(MANTID, DIAMOND, SMALL, free=3))],
        again=Move("Try again", {"environment": "mantid"}),
        spawn_url="/hub/spawn/alice/fit",
    )
    text, html = format_exception(refused)
    assert text == (
        "Mantid at <ISIS> is full. What would work: Start Mantid at Diamond <DLS> "
        "with 2 CPUs, 4 GiB (3 ready now)."
    )
    page = BeautifulSoup(html, "html.parser")
    assert "Mantid at <ISIS> is full." in page.text
    assert [link["href"] for link in page.find_all("a")] == [
        "/hub/spawn/alice/fit?opt-environment=mantid&opt-location=diamond&opt-size=small",
        "/hub/spawn/alice/fit?opt-environment=mantid",
    ]


def test_nothing_a_name_holds_becomes_html():
    _, html = format_exception(
        Refused("<b>", reason="x", moves=[Move('"><script>', {"a": '"><script>'})], spawn_url="/s")
    )
    assert "<b>" not in html
    assert "<script>" not in html


def test_what_failed_is_told_in_the_users_words():
    assert "hands out machines does not answer" in explain(Unavailable("http://10.0.0.1")).message
    assert "10.0.0.1" not in explain(Unavailable("http://10.0.0.1")).message
    assert "brings your data" in explain(Unreachable("x")).message
    assert "token" in explain(NotAuthenticated("x")).message
    assert explain(BindFailed("dms-mount ended with status 1: Traceback | x")).message == (
        "The machine could not be made ready for you. The data mount ended with status 1."
    )


def test_a_token_file_that_cannot_be_read_is_named(tmp_path):
    settings = Settings(vmm_token_file=str(tmp_path / "gone"))
    with pytest.raises(NotAuthenticated, match=r"vmm_token_file .*/gone cannot be read"):
        settings.vmm_secret()
    (tmp_path / "gone").write_text("secret\n")
    assert settings.vmm_secret() == "secret"
