"""A manager looks back: the figures of a past day, the instalments behind one of them, and the files that prove it."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import expect

from tests.desk_world import TODAY
from tests.factories import invoice, make_account, pay

# What scripts and styles do in a browser is asked once; what the pages read and write is tested on every database, and
# the approver's and the collector's journeys go from the browser to the rows on each.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

THEN = date(2026, 9, 30)


def amount(text):
    return Decimal(text.replace("EUR", "").replace("\xa0", "").replace(",", "").strip())


@pytest.fixture
def desk(cast, settings):
    """Overdue on THEN: 1,000.40 + 250.10 + 75.00; one was paid later, another fell due later."""
    settings.BUSINESS_DATE = TODAY
    other = make_account(cast.company, "Bianchi Srl", portfolio=cast.portfolio)
    paid_later = invoice(cast.account, "1000.40", THEN - timedelta(days=60))
    pay(paid_later, THEN + timedelta(days=10))
    invoice(other, "250.10", THEN - timedelta(days=90))
    invoice(other, "75.00", THEN - timedelta(days=31))
    invoice(other, "9999.00", THEN - timedelta(days=30))
    invoice(cast.account, "123.00", TODAY - timedelta(days=40))
    return cast


def download(page, name, folder):
    with page.expect_download() as started:
        page.get_by_role("link", name=name, exact=True).click()
    path = Path(folder) / started.value.suggested_filename
    started.value.save_as(path)
    return path


def test_a_figure_of_a_past_day_opens_to_what_makes_it(desk, browser_page, login, live_server, tmp_path):
    page = browser_page
    login(page, desk.manager)
    page.goto("/")
    expect(page).to_have_url(live_server.url + "/desk/kpis/")
    page.locator("input[name=as_of]").fill(THEN.isoformat())
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**as_of=2026-09-30**")
    tile = page.get_by_label("Key figures").get_by_role("link").filter(has_text="Overdue")
    expect(tile.locator(".d-tile__value")).to_contain_text("1,326")
    expect(page.locator(".d-badge--good", has_text="ties to the ledger")).to_be_visible()

    tile.click()
    rows = page.get_by_role("region", name="Overdue instalments").locator("tbody tr")
    expect(rows).to_have_count(3)
    shown = [amount(text) for text in rows.locator("td:last-child").all_inner_texts()]
    assert sorted(shown) == [Decimal("75.00"), Decimal("250.10"), Decimal("1000.40")]
    total = Decimal("1325.50")
    assert sum(shown) == amount(page.locator("tfoot td").last.inner_text()) == total

    with download(page, "CSV", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    facts = {line[0]: line[1] for line in lines if line[0].startswith("#")}
    table = [line for line in lines if not line[0].startswith("#")]
    column = table[0].index("open")
    assert facts["# as of"] == "2026-09-30"
    assert Decimal(facts["# control total EUR"]) == sum(Decimal(row[column]) for row in table[1:]) == total

    path = download(page, "XLSX", tmp_path)
    assert path.name == "instalments-overdue-2026-09-30.xlsx"
    book = openpyxl.load_workbook(path)
    about = {row[0]: row[1] for row in book["About"].iter_rows(values_only=True)}
    header, *cells = book["Rows"].iter_rows(values_only=True)
    column = header.index("open")
    assert about["control total EUR"] == pytest.approx(1325.50)
    assert sum(Decimal(str(row[column])) for row in cells) == total
