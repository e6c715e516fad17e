"""The customer page in a browser: tabs without a reload, by keyboard, light and dark, with nothing axe calls serious."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from scoring.engine import rescore
from tests.desk_world import TODAY, fill

# What scripts and styles do in a browser is asked once; what the pages read and write is tested on every database, and
# the approver's and the collector's journeys go from the browser to the rows on each.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = TODAY
    fill(cast.account, cast.collector)
    rescore(TODAY)
    return cast


def test_the_controller_reads_a_case(desk, browser_page, login, screenshot, axe):
    page = browser_page
    login(page, desk.controller)
    page.goto(reverse("desk:customers"))
    assert axe(page) == []
    page.get_by_role("link", name=desk.account.customer.name).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(desk.account.customer.name)
    assert axe(page) == []
    page.evaluate("window.sameDocument = true")
    tab = page.get_by_role("navigation", name="Details").get_by_role("link", name="Payments")
    tab.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Applied to")).to_be_visible()
    expect(tab).to_have_attribute("aria-current", "page")
    assert page.evaluate("window.sameDocument") is True
    assert "tab=payments" in page.url
    screenshot(page, "customer-page")


def test_the_page_works_dark_and_on_a_phone(desk, browser_page, login, screenshot, axe):
    page = browser_page
    login(page, desk.manager)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(reverse("desk:customer", args=[desk.account.customer_id]))
    expect(page.locator("html.dark")).to_be_attached()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "customer-page-phone-dark")
