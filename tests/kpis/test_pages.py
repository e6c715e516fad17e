"""The pages: what they show, what they link to, and that their queries do not grow with the rows."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import ExchangeRate, Instalment
from customers.promises import settle_promises, take_promise
from kpis.report import kpi_report
from kpis.trend import comparison_day, month_ends

from .ledgers import ACTOR, first

AS_OF = date(2026, 3, 31)
PAGES = ["", "accounts/", "instalments/", "payments/", "documents/", "promises/"]
# Session, user, permissions, access, the menu and the choices of the filters are about ten of them.
MOST_QUERIES = {"": 32}


@pytest.fixture
def reader(client, book, make_reader):
    user = make_reader("bruno", book.company)
    client.force_login(user)
    return user


def trade(book, customers: int) -> None:
    book.complete_through(AS_OF)
    for _ in range(customers):
        account = book.account("Rossi & <b>Figli</b>")
        for month in (1, 2, 3):
            invoice = book.invoice(account, "100.00", date(2026, month, 3), date(2026, month, 20))
            if month == 1:
                take_promise(
                    account, [(first(invoice), Decimal(50))], due_on=date(2026, 2, 10), given_on=date(2026, 2, 2),
                    actor=ACTOR,
                )  # fmt: skip
                book.pay(invoice, date(2026, 2, 9), "50.00")
        book.cash(account, "5.00", date(2026, 3, 3))
    settle_promises(AS_OF, actor=ACTOR)


def test_queries_are_constant_in_rows(client, book, reader):
    addresses = {page: f"/desk/kpis/{page}?as_of={AS_OF}" for page in PAGES}

    def queries(page: str) -> int:
        cache.clear()  # the menu's counts are asked again each time
        with CaptureQueriesContext(connection) as captured:
            assert client.get(addresses[page]).status_code == 200
        return len(captured)

    trade(book, 1)
    client.get(addresses[""])
    few = {page: queries(page) for page in PAGES}
    trade(book, 6)
    for page in PAGES:
        assert queries(page) == few[page] <= MOST_QUERIES.get(page, 20), page


def test_overview_shows_the_figures_and_links_to_their_rows(client, book, reader):
    trade(book, 2)
    page = client.get(f"/desk/kpis/?as_of={AS_OF}")
    text = page.content.decode()
    assert "500.00" in text
    assert f"/desk/kpis/instalments/?as_of={AS_OF}&amp;bucket=overdue" in text
    assert "ties to the ledger" in text and "does not tie" not in text
    assert "Rossi &amp; &lt;b&gt;Figli" in text and "<b>Figli" not in text
    assert text.count("<svg") > 6 and "style=" not in text.split('class="d-page"')[1].split("</main>")[0]
    tiles = {tile.label: tile for tile in page.context["tiles"]}
    assert tiles["Overdue"].value.amount == 500
    # A month earlier January's half and February's were late.
    assert tiles["Overdue"].then.amount == 300 and tiles["Overdue"].tone == "bad"
    assert tiles["Promises kept"].value == 1.0


def test_the_list_behind_a_figure_sums_to_it(client, book, reader):
    trade(book, 18)
    for bucket in ("overdue", "open", "1-30", "31-60", "90+", "disputed", "credits"):
        response = client.get("/desk/kpis/instalments/", {"as_of": AS_OF, "bucket": bucket})
        assert response.status_code == 200
    pages, total = [], Decimal(0)
    for number in (1, 2):
        response = client.get(
            "/desk/kpis/instalments/", {"as_of": AS_OF, "bucket": "overdue", "page": number}
        )
        pages.append(response.context["rows"])
        total += sum(row.open.amount for row in response.context["rows"])
    assert [len(rows) for rows in pages] == [50, 4]
    (shown,) = response.context["totals"]
    assert shown.amount.amount == total == 18 * 250
    assert shown.amount == kpi_report(AS_OF).ageing.overdue


def test_unknown_figure_is_not_found(client, book, reader):
    assert client.get("/desk/kpis/instalments/?bucket=1=1").status_code == 404


def test_bad_day_says_so_and_shows_today(client, book, reader):
    response = client.get("/desk/kpis/?as_of=31.3.2026")
    assert response.status_code == 200 and "Enter a valid date" in response.content.decode()


def test_empty_desk_teaches(client, book, reader):
    text = client.get("/desk/kpis/?as_of=2020-01-01").content.decode()
    assert "Nothing to measure on this day" in text


def test_missing_rate_shows_each_currency_apart(client, book, reader):
    account = book.account()
    book.invoice(account, "100.00", date(2026, 1, 5))
    book.invoice(account, "70.00", date(2026, 1, 5))
    # Posting needs the rate; it was deleted since.
    ExchangeRate.objects.create(base="EUR", quote="JPY", on=date(2025, 1, 1), rate="160", source="ECB")
    book.invoice(account, "7000", date(2026, 1, 5), currency="JPY")
    ExchangeRate.objects.all().delete()
    response = client.get(f"/desk/kpis/?as_of={AS_OF}")
    text = response.content.decode()
    assert "No exchange rate JPY/EUR" in text and "7,000" in text and "170.00" in text
    assert client.get(f"/desk/kpis/?as_of={AS_OF}&export=csv").status_code == 409


def test_a_ledger_that_does_not_tie_shows_red(client, book, reader):
    trade(book, 1)
    row = Instalment.objects.filter(open_amount=10000).first()
    # A counter gone wrong by a cent, as only a bug or a hand on the database could make it.
    Instalment.objects.filter(pk=row.pk).update(open_amount=9999)
    text = client.get(f"/desk/kpis/?as_of={AS_OF}").content.decode()
    assert "does not tie to the ledger" in text and "-0.01" in text
    assert not kpi_report(AS_OF).ties


def test_months_of_the_trend_and_the_day_compared_with():
    assert month_ends(AS_OF, 3) == [date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    assert month_ends(date(2026, 3, 15), 1) == [date(2026, 2, 28)]
    assert comparison_day(AS_OF) == date(2026, 2, 28)
    assert comparison_day(date(2026, 3, 30)) == date(2026, 2, 28)
    assert comparison_day(date(2026, 2, 28)) == date(2026, 1, 31)
    assert comparison_day(date(2026, 3, 15)) == date(2026, 2, 15)


def test_points_over_time_equal_the_report_of_their_day(book):
    trade(book, 2)
    book.pay(book.invoice(book.account(), "999.99", date(2026, 1, 1)), date(2026, 3, 1))
    days = [AS_OF - timedelta(days=n) for n in (10, 29, 30, 31, 45, 60)]
    for day, point in zip(days, kpi_report(AS_OF, other_days=days).others, strict=True):
        alone = kpi_report(day)
        assert point.ageing.buckets.keys() == alone.ageing.buckets.keys()
        assert point.ageing.open_amount == alone.ageing.open_amount
        assert point.ageing.overdue == alone.ageing.overdue
        assert (point.dso_simple, point.dso_count_back) == (alone.now.dso_simple, alone.now.dso_count_back)


def test_lists_of_several_currencies_state_the_same_figure(client, book, reader):
    ExchangeRate.objects.create(base="EUR", quote="GBP", on=date(2025, 1, 1), rate="0.87", source="ECB")
    account = book.account()
    for day in (5, 25):
        for due in (date(2026, 2, 3), date(2026, 3, 20), date(2026, 4, 20)):
            book.invoice(account, "33.33", date(2026, 1, day), due, currency="GBP")
            book.invoice(account, "10.01", date(2026, 1, day), due)
    book.credit_note(account, "7.77", date(2026, 1, 8), currency="GBP")
    book.cash(account, "3.33", date(2026, 1, 8), currency="GBP")
    report = kpi_report(AS_OF, currency="EUR")
    expected = {
        "instalments/?bucket=open": report.ageing.open_amount,
        "instalments/?bucket=overdue": report.ageing.overdue,
        "instalments/?bucket=1-30": report.ageing.buckets["1-30"].amount,
        "instalments/?bucket=credits": report.ageing.credits,
        "payments/?": report.ageing.unapplied,
        "documents/?": report.sales,
    }
    for address, figure in expected.items():
        response = client.get(f"/desk/kpis/{address}&as_of={AS_OF}&currency=EUR")
        assert response.context["stated"] == figure
        assert response.context["rate_rows"]
