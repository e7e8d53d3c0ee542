"""The spawn page and the progress page in a real browser, with a screenshot of each."""

import re

import pytest
from playwright.sync_api import expect, sync_playwright

from vmm_core.model import Needs

from ..conftest import browser_program
from ..support import pages
from ..support.hub import wait_until
from ..support.messages import expected, says
from .conftest import ONLY_THERE, SILENT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.root,
    pytest.mark.mount,
    pytest.mark.timeout(240),
]

SANS = "sans-for-sans2d"
NONE_READY = "artemis"
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, stack, log_in):
    """Opens alice's spawn page in a new browser, with errors of scripts as failures."""
    contexts, errors = [], []
    log_in("alice")  # stops at the end what the browser starts

    def open_page(server="", fragment="", **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(error))
        pages.log_in(page, stack.hub_url, "alice", stack.settings.password)
        page.goto(f"{stack.hub_url}/hub/spawn/alice{server and '/'}{server}{fragment}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def picked(page, name):
    return page.locator(f"input[name={name}]:checked").get_attribute("value")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desktop", 1280), ("between", 760), ("narrow", 390)])
def test_the_page_fits(open_page, shots, scheme, name, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(page.locator(".daaas-result")).to_contain_text("You get")
    page.screenshot(path=shots / f"spawn-{scheme}-{name}.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("button", name="Start")).to_be_in_viewport()


def test_everything_can_be_done_with_the_keyboard(open_page):
    page = open_page()
    first = page.locator("input[name=environment]:checked")
    first.focus()
    before = picked(page, "environment")
    page.keyboard.press("ArrowDown")
    assert picked(page, "environment") != before
    card = page.locator(".daaas-card:has(:focus-visible)")
    assert card.evaluate("card => getComputedStyle(card).outlineStyle") == "solid"
    for name in ("location", "cpus", "ram_gb", "gpus"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == name
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "submit"


def test_what_the_choice_rules_out_is_disabled_with_the_reason(open_page):
    page = open_page()
    pages.choose(page, NONE_READY)
    isis = page.locator(".daaas-pill", has=page.locator("[value=isis]"))
    expect(isis.locator("input")).to_be_disabled()
    expect(isis).to_contain_text("not offered here")
    pages.choose(page, SANS, "isis")
    expect(page.locator(".daaas-result")).to_contain_text("at ISIS")


def test_a_place_that_does_not_answer_is_shown_as_that(open_page, stack, shots):
    words = expected("allocation", "gone: since the service started, where offers are shown").user
    away = words.replace("Diamond", "Diamond Light Source")
    page = open_page(viewport={"width": 1280, "height": 1100})
    pill = page.locator(".daaas-pill", has=page.locator(f"[value={SILENT}]"))
    expect(pill.locator("input")).to_be_disabled()
    expect(pill.locator(".daaas-status")).to_have_text(f"not available: {away}")
    card = page.locator(f".daaas-card:has([value={ONLY_THERE}])")
    expect(card.locator("input")).to_be_disabled()
    expect(card.locator(".daaas-status")).to_have_text(f"not available: {away}")
    pages.choose(page, SANS)
    expect(pill.locator(".daaas-status")).to_have_text(f"not available: {away}")
    expect(page.locator("[data-group=cpus] .daaas-pill", has_text="null")).to_have_count(0)
    expect(page.locator(".daaas-result")).to_contain_text("You get")
    page.screenshot(path=shots / "spawn-a-place-is-away.png", full_page=True)
    pages.choose(page, NONE_READY)
    expect(pill.locator(".daaas-status")).to_have_text("not offered here")

    with stack.vmm() as vmm:
        (offer,) = vmm.offers(Needs(environment=ONLY_THERE))
    assert (offer.size, offer.free, offer.available) == (None, 0, False)
    assert says(away, offer.reason)


def test_what_is_free_is_followed(open_page, stack):
    page = open_page()
    status = page.locator(f".daaas-card:has([value={SANS}]) .daaas-status")
    with stack.vmm() as vmm:
        wait_until(lambda: free(vmm) == 3, "the pools are full")
        expect(status).to_have_text("3 ready now", timeout=PATIENCE_MS)
        # So many that the pool cannot be full again before the page has looked.
        needs = Needs(environment=SANS, locations=("isis",))
        leases = [vmm.acquire(needs, key=f"follow-{number}") for number in range(4)]
        expect(status).not_to_have_text("3 ready now", timeout=PATIENCE_MS)
        for lease in leases:
            vmm.release(lease.id)


def free(vmm):
    return sum(offer.free for offer in vmm.offers(Needs(environment=SANS)))


def test_a_link_fills_the_form_and_starts_nothing(open_page):
    page = open_page(fragment="#environment=muon&location=isis")
    assert (picked(page, "environment"), picked(page, "location")) == ("muon", "isis")
    assert page.url.endswith("/hub/spawn/alice#environment=muon&location=isis")


def test_progress_is_shown_and_a_named_server_can_be_cancelled(open_page, stack, shots):
    """JupyterHub 6.1's own button stops the default server instead."""
    page = open_page(server="fit")
    pages.choose(page, NONE_READY)
    pages.press_start(page)
    expect(page.get_by_role("heading")).to_have_text("Starting your server “fit”")
    expect(page.locator("#progress-log")).to_contain_text("is free now, one is start")
    page.screenshot(path=shots / "progress.png")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url("**/hub/spawn/alice/fit")
    with stack.vmm() as vmm:
        assert vmm.leases("alice") == []
    assert picked(page, "environment") == NONE_READY  # it remembers


def test_it_works_without_javascript(open_page, stack):
    page = open_page(java_script_enabled=False)
    page.check(f"input[name=environment][value={SANS}]")
    page.click("button[type=submit]")
    page.wait_for_url(re.compile("/hub/spawn-pending/alice|/user/alice/"))
    with stack.vmm() as vmm:
        assert [lease.needs.environment for lease in vmm.leases("alice")] == [SANS]
