"""Every main page, opened by the person it is made for: nothing axe calls serious or critical, nothing cut off."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import propose_limit_change
from customers.holds import place_hold
from customers.limit_comments import comment_on
from customers.models import ImportBatch, ImportMapping, LimitChange
from scoring.engine import rescore
from scoring.proposals import evidence_of
from tests.customers.imports.conftest import SETTLED
from tests.desk_world import TODAY, fill
from tests.factories import ACTOR, invoice, make_account
from tests.people import make_cast
from worklists.runs import build_worklists

# What axe says of a page is said of its HTML, which comes from the same rows on every database.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

TABS = ("invoices", "payments", "limits", "timeline", "events", "history", "audit")
PAGES = {
    "controller, on a customer": tuple(f"/desk/customers/{{customer}}/?tab={tab}" for tab in TABS),
    "controller": (
        "/desk/",
        "/desk/customers/",
        "/desk/limits/propose/{fresh}/",
        "/desk/limits/holds/",
        "/desk/limits/holds/place/{fresh}/",
        "/desk/reminders/in-doubt/",
    ),
    "controller, in the admin": (
        *(f"/admin/customers/{name}/" for name in ("importbatch", "customer", "instalment", "payment")),
        *(f"/admin/customers/{name}/" for name in ("promise", "dispute", "limitchange", "legalevent")),
        "/admin/customers/customer/{customer}/change/",
        "/admin/customers/legalevent/add/",
        "/admin/scoring/accountscore/",
        "/desk/profile/",
    ),
    "approver": ("/desk/limits/", "/desk/limits/{change}/", "/desk/limits/holds/", "/desk/"),
    "collector": ("/desk/worklist/", "/desk/customers/{customer}/", "/admin/dunning/reminder/"),
    "manager": (
        "/desk/kpis/",
        "/desk/kpis/instalments/?bucket=overdue",
        *(f"/desk/kpis/{name}/" for name in ("accounts", "payments", "documents", "promises")),
    ),
    "auditor": ("/desk/changes/", "/admin/core/auditentry/", "/admin/core/user/"),
}
PHONE = {"width": 390, "height": 844}
# Lists of a phone (d-table--cards) show every cell; other tables may scroll, the page itself never.
OFF_THE_SIDE = """() => [
  ...(document.documentElement.scrollWidth > innerWidth ? ["the page runs off the side"] : []),
  ...Array.from(document.querySelectorAll(".d-table--cards"))
    .filter(table => table.scrollWidth > table.parentElement.clientWidth + 1)
    .map(table => "a list runs off: " + table.querySelector("thead").textContent.trim().slice(0, 40))]"""


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = TODAY
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=TODAY)
    fill(cast.account, cast.collector, decisions=False)
    cast.fresh = make_account(cast.company, "Bianchi Srl", portfolio=cast.portfolio)
    invoice(cast.fresh, "80.00", TODAY - timedelta(days=90))
    rescore(TODAY)
    place_hold(cast.account, reason_code="long_overdue", actor=ACTOR, on=TODAY, note="Nobody answers")
    cast.change = propose_limit_change(
        cast.account,
        Money.of(5000, "EUR"),
        actor=Actor.person(cast.controller),
        as_of=TODAY,
        reason_code="customer_request",
        evidence=evidence_of(cast.account, TODAY),
    )
    comment_on(cast.change, author=cast.controller, text="They wait for it.", on=TODAY)
    build_worklists(TODAY)
    return cast


@pytest.mark.parametrize("who", PAGES)
def test_the_pages_of_a_role(desk, who, browser_page, login, axe):
    page = browser_page
    login(page, getattr(desk, who.split(",")[0]))
    found, wide = [], page.viewport_size
    for address in PAGES[who]:
        path = address.format(
            customer=desk.account.customer_id, fresh=desk.fresh.pk, change=LimitChange.objects.get().pk
        )
        response = page.goto(path)
        assert response.status == 200, path
        found += [f"{path}: {line}" for line in axe(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path}: runs off the side")
        if path.startswith("/desk/"):
            page.set_viewport_size(PHONE)
            found += [f"{path}: on a phone {what}" for what in page.evaluate(OFF_THE_SIDE)]
            page.set_viewport_size(wide)
    assert found == []


def test_login_and_import_with_a_refused_row(desk, browser_page, login, axe):
    page = browser_page
    page.goto("/admin/login/")
    assert axe(page) == []
    spec = SETTLED | {"company": {"code": "acme"}, "segment": {"code": "main", "name": "Main"}}
    ImportMapping.objects.create(slug="our-erp", layout="settled", spec=spec)
    login(page, desk.controller)
    page.goto("/admin/customers/importbatch/add/")
    assert axe(page) == []
    lines = "customer,number,issued,due,amount,settled,paid,disputed\nN-1,1,2026-09-01,2026-10-01,1o,,,no\n"
    page.locator("input[type=file]").set_input_files(
        {"name": "october.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    )
    page.get_by_label("Mapping").select_option("our-erp")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Findings")).to_be_visible()
    assert axe(page) == []


def test_an_empty_desk_says_where_to_begin(browser_page, login, axe):
    cast = make_cast()
    cast.account.customer.accounts.all().delete()
    cast.elsewhere.customer.accounts.all().delete()
    page = browser_page
    login(page, cast.controller)
    for path in ("/desk/", "/desk/customers/"):
        page.goto(path)
        expect(page.get_by_role("link", name="Import your ledger")).to_have_attribute(
            "href", "/admin/customers/importbatch/add/"
        )
        assert axe(page) == []
    login(page, cast.manager)
    page.goto("/desk/kpis/")
    expect(page.locator("main")).to_contain_text("Nothing to measure on this day")
    assert axe(page) == []


def test_the_filters_of_a_list_open_and_close_by_keyboard(desk, browser_page, login):
    login(browser_page, desk.controller)
    browser_page.goto("/admin/customers/legalevent/")
    browser_page.focus("#searchbar")
    browser_page.keyboard.press("Tab")
    button = browser_page.get_by_role("button", name="Filters")
    expect(button).to_be_focused()
    browser_page.keyboard.press("Enter")
    panel = browser_page.locator("#changelist-filter")
    expect(panel).to_be_visible()
    expect(panel.locator(":focus")).to_have_count(1)
    browser_page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()
