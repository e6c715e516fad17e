"""The login page under the real content security policy, with and without the form."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from playwright.sync_api import expect

# What scripts and styles do in a browser is asked once; what the pages read and write is tested on every database, and
# the approver's and the collector's journeys go from the browser to the rows on each.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def superuser():
    return get_user_model().objects.create_superuser("boss", "boss@example.com", "correct horse")


def test_a_superuser_logs_in_by_the_form(superuser, browser_page, live_server, screenshot, axe):
    page = browser_page
    page.goto(reverse("admin:index"))
    assert axe(page) == []
    page.get_by_label("Username").fill("boss")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(live_server.url + reverse("admin:index"))
    screenshot(page, "admin-home")


def test_a_session_cookie_is_enough_for_other_journeys(superuser, browser_page, live_server, login):
    login(browser_page, superuser)
    browser_page.goto(reverse("admin:index"))
    expect(browser_page).to_have_url(live_server.url + reverse("admin:index"))
