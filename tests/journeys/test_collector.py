"""A collector's morning by keyboard: call, promise, e-mail, dispute, snooze, undo; then on a phone."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group

from creditdesk.core import roles
from creditdesk.core.models import User
from customers.models import Access, Contact, Dispute, Promise
from dunning.models import Reminder
from tests.factories import invoice, make_account, make_company
from worklists.models import FollowUp, WorklistRow
from worklists.runs import build_worklists

TODAY = date(2026, 11, 23)
NAMES = ["Alfa", "Beta", "Gamma", "Delta", "Epsilon", "Zeta"]


@pytest.fixture
def marta(transactional_db, settings):
    settings.BUSINESS_DATE = TODAY
    company = make_company(complete_through=TODAY)
    user = User.objects.create_user("marta", password="x", first_name="Marta", is_staff=True)
    user.groups.add(Group.objects.get(name=roles.COLLECTOR))
    Access.objects.create(user=user, company=company)
    for position, name in enumerate(NAMES):
        account = make_account(company, f"{name} Srl", language="it", country="IT")
        account.collector = user
        account.save()
        Contact.objects.create(
            customer=account.customer,
            name=f"Anna {name}",
            email=f"anna@{name.lower()}.example",
            phone="+39 051 0000 0729",
            preference="Mon-Thu, 9-12",
        )
        invoice(account, f"{12000 - position * 1000}.00", TODAY - timedelta(days=50), 30)
    build_worklists(TODAY)
    return user


def current(page):
    return page.locator("#wl-name").inner_text()


def wait_for(page, name):
    page.wait_for_function("n => document.querySelector('#wl-name')?.textContent.includes(n)", arg=name)


def left(page):
    return int(page.locator(".wl-totals b").first.inner_text())


def test_a_morning_without_a_mouse(marta, browser_page, login, axe, screenshot):
    page = browser_page
    login(page, marta)
    page.goto("/desk/worklist/")
    page.evaluate("window.stayed = true")
    assert "Alfa" in current(page)
    assert left(page) == 6
    assert axe(page) == []

    # A call, answered with one digit and Enter.
    page.keyboard.press("c")
    page.wait_for_selector("#wl-act[data-verb=call]")
    assert axe(page) == []
    screenshot(page, "worklist-call")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    wait_for(page, "Beta")
    assert left(page) == 5
    assert page.locator("#wl-list [data-row]").filter(has_text="Alfa").is_hidden(), "folded under 'done'"
    assert page.evaluate("document.activeElement.id") == "wl-customer", "focus moved on"
    assert "Next: Beta" in page.locator("#wl-live").inner_text()

    # A promise: the amount stands there already.
    page.keyboard.press("p")
    page.wait_for_selector("#wl-act[data-verb=promise]")
    assert page.locator("#act-amount").input_value() == "11,000.00"
    page.locator("#act-amount").fill("999999")
    page.keyboard.press("Enter")
    page.wait_for_selector("#wl-act .errorlist, #wl-act .d-error")
    assert page.evaluate("document.activeElement.id") == "act-amount", "focus goes to the mistake"
    assert axe(page) == []
    page.locator("#act-amount").fill("5000")
    page.keyboard.press("Enter")
    wait_for(page, "Gamma")
    assert Promise.objects.get().amount.minor == 500_000

    # A reminder in the customer's language, read before it is written.
    page.keyboard.press("e")
    page.wait_for_selector("#wl-act[data-verb=email] .wl-letter")
    assert "Gentile Anna Gamma" in page.locator(".wl-letter").inner_text()
    screenshot(page, "worklist-reminder")
    page.keyboard.press("Enter")
    wait_for(page, "Delta")
    assert Reminder.objects.get().state == "held"

    # A dispute on part of an invoice.
    page.keyboard.press("d")
    page.wait_for_selector("#wl-act[data-verb=dispute]")
    page.locator("#act-amount").fill("1500")
    page.keyboard.press("Enter")
    wait_for(page, "Epsilon")
    assert Dispute.objects.get().amount.minor == 150_000

    # Held back, thought better of, undone.
    page.keyboard.press("s")
    page.wait_for_selector("#wl-act[data-verb=snooze]")
    page.locator("#act-reason").select_option("internal")
    page.keyboard.press("Enter")
    wait_for(page, "Zeta")
    page.keyboard.press("u")
    wait_for(page, "Epsilon")
    assert left(page) == 2
    assert WorklistRow.objects.get(account__customer__name="Epsilon Srl").state == "open"

    # A note stays; j and k walk; Esc closes; ? helps.
    page.keyboard.press("n")
    page.wait_for_selector("#wl-act[data-verb=note]")
    page.keyboard.type("Moves office in January")
    page.keyboard.press("Enter")
    page.wait_for_selector("#wl-story >> xpath=../.. >> text=Moves office in January")
    page.keyboard.press("j")
    wait_for(page, "Zeta")
    page.keyboard.press("k")
    wait_for(page, "Epsilon")
    page.keyboard.press("c")
    page.wait_for_selector("#wl-act")
    page.keyboard.press("Escape")
    page.wait_for_selector("#wl-act", state="detached")
    page.keyboard.press("?")
    page.wait_for_selector("#wl-help[open]")
    assert axe(page) == []
    page.keyboard.press("Escape")
    assert page.evaluate("window.stayed"), "no page was loaded in between"
    assert FollowUp.objects.count() == 7
    screenshot(page, "worklist-desk")


def test_one_hand_on_a_phone(marta, browser_page, login, axe, screenshot):
    page = browser_page
    page.set_viewport_size({"width": 390, "height": 844})
    login(page, marta)
    page.goto("/desk/worklist/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing runs off the side"
    for verb in page.locator(".wl-bar .wl-verb:visible").all():
        box = verb.bounding_box()
        assert box["height"] >= 44 and box["y"] > 700, "within the thumb's reach"
    assert axe(page) == []
    page.locator("[data-key=c]").click()
    page.locator(".wl-choice").first.click()
    screenshot(page, "worklist-phone-call")
    assert axe(page) == []
    page.locator("#wl-act [type=submit]").click()
    wait_for(page, "Beta")
    page.locator("#wl-side summary").first.click()
    page.locator("#wl-list [data-row]").filter(has_text="Delta").click()
    wait_for(page, "Delta")
    assert left(page) == 5
    screenshot(page, "worklist-phone")
