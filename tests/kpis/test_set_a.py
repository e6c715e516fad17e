"""Set A of the published oracles, posted as facts and measured through the database."""

from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.money import Money
from customers.disputes import close_dispute, open_dispute
from customers.models import Promise
from customers.promises import settle_promises, take_promise, withdraw_promise
from kpis.ageing import ageing_at
from kpis.figures import report_figures
from kpis.report import kpi_report
from kpis.scope import Scope

from .ledgers import ACTOR, first

AS_OF = date(2026, 3, 31)


def eur(amount) -> Money:
    return Money.of(Decimal(amount), "EUR")


@pytest.fixture
def set_a(book):
    """Receivables 480,000 on 1 January, sales 300/280/310 thousand, 520,000 open on 31 March."""
    account = book.account()
    opening_due = [
        (date(2026, 1, 29), 11_000), (date(2025, 12, 31), 7_000), (date(2025, 12, 30), 12_000)
    ]  # fmt: skip
    old = sum(amount for _due, amount in opening_due)
    for due, amount in opening_due:
        book.invoice(account, amount, date(2025, 11, 1), due)
    paid_off = book.invoice(account, 480_000 - old, date(2025, 12, 1), date(2025, 12, 31))
    book.pay(paid_off, date(2026, 1, 10))

    # January and February: all paid but what the ageing shows; the credit note is set off in its bucket.
    january = book.invoice(account, 300_000 - 10_000, date(2026, 1, 5), date(2026, 2, 4))
    book.pay(january, date(2026, 2, 4))
    book.invoice(account, 10_000, date(2026, 1, 6), date(2026, 1, 30))
    february = [
        (date(2026, 3, 30), 40_000), (date(2026, 3, 1), 35_000), (date(2026, 2, 28), 20_000)
    ]  # fmt: skip
    rows = [book.invoice(account, amount, date(2026, 2, 2), due) for due, amount in february]
    rest = book.invoice(account, 280_000 + 5_000 - 95_000, date(2026, 2, 3), date(2026, 3, 5))
    book.pay(rest, date(2026, 3, 5))
    note = book.credit_note(account, 5_000, date(2026, 2, 20))
    book.apply_credit(note, rows[1], 5_000, date(2026, 2, 25))
    book.invoice(account, 310_000, date(2026, 3, 2), date(2026, 4, 1))
    # 80,000 more not due, of sales before the year: long terms.
    return account


@pytest.fixture
def long_terms(book, set_a):
    """The 80,000 not yet due that were sold before January, within the opening receivables."""
    return book.invoice(set_a, 80_000, date(2025, 12, 20), AS_OF)


def test_ageing_of_set_a(set_a, long_terms):
    ageing = ageing_at(AS_OF)["EUR"]
    assert {name: bucket.amount for name, bucket in ageing.buckets.items()} == {
        "not_due": eur(390_000),
        "1-30": eur(70_000),
        "31-60": eur(30_000),
        "61-90": eur(18_000),
        "90+": eur(12_000),
    }
    assert ageing.open_amount == eur(520_000)
    assert float(ageing.past_due_share) == 0.25
    assert round(float(ageing.over_90_share), 6) == 0.023077
    assert ageing.ties and ageing.control.invoices == eur(520_000)


def test_dso_family_of_set_a(set_a, long_terms):
    figures = report_figures(kpi_report(AS_OF))
    assert figures["sales_90_days"] == "890000.00"
    assert round(figures["dso_simple"], 4) == 52.5843
    assert figures["dso_count_back"] == 52.0 and figures["dso_count_back_exceeds"] is None
    assert round(figures["best_possible_dso"], 4) == 39.4382
    assert round(figures["average_days_delinquent"], 4) == 13.1461
    # The opening of the posted ledger holds the 80,000 of long terms beside the 480,000 of the sheet.
    assert figures["collection_effectiveness"] == (560 + 890 - 520) / (560 + 890 - 390)
    assert figures["open_amount"] == "520000.00" and figures["overdue_amount"] == "130000.00"
    assert figures["past_due_share"] == 0.25
    assert figures["ties_to_ledger"] is True


def test_boundary_dates_fall_where_the_sheet_says(book):
    account = book.account()
    dues = ["2026-03-31", "2026-03-30", "2026-03-01", "2026-02-28", "2026-01-30", "2026-01-29", "2025-12-31"]
    for n, due in enumerate([*dues, "2025-12-30"]):
        book.invoice(account, 10**n, date(2025, 12, 1), date.fromisoformat(due))
    buckets = ageing_at(AS_OF)["EUR"].buckets
    assert [buckets[name].amount.amount for name in buckets] == [1, 110, 11_000, 1_100_000, 10_000_000]


def test_days_beyond_terms(book):
    account = book.account()
    due = date(2026, 3, 1)
    for amount, paid in (
        (1_000, "2026-03-11"),
        (3_000, "2026-03-01"),
        (2_000, "2026-02-24"),
        (4_000, "2026-03-21"),
    ):
        book.pay(book.invoice(account, amount, date(2026, 1, 30), due), date.fromisoformat(paid))
    figures = report_figures(kpi_report(AS_OF))
    assert figures["days_beyond_terms"] == 8.0
    assert figures["days_late"] == 9.0
    assert figures["paid_in_time_share"] == 0.5


def test_promise_kept_rate(book):
    account = book.account()
    given, due = date(2026, 2, 2), date(2026, 2, 10)
    book.complete_through(AS_OF)
    came = [10_000] * 6 + [4_000] * 2 + [0] * 2
    for amount in came:
        invoice = book.invoice(account, 10_000, date(2026, 1, 1))
        take_promise(account, [(first(invoice), Decimal(10_000))], due_on=due, given_on=given, actor=ACTOR)
        if amount:
            book.pay(invoice, date(2026, 2, 9), amount)
    extra = book.invoice(account, 10_000, date(2026, 1, 1))
    mistake = take_promise(
        account, [(first(extra), Decimal(10_000))], due_on=due, given_on=given, actor=ACTOR
    )
    withdraw_promise(mistake, on=given, actor=ACTOR, reason_code="mistake")
    settle_promises(AS_OF, actor=ACTOR)
    figures = report_figures(kpi_report(AS_OF))
    assert figures["promise_kept_rate"] == 0.6
    assert figures["promise_kept_rate_by_value"] == 0.68
    assert figures["promises_judged"] == 10
    assert Promise.objects.count() == 11
    # Before the judging day (due date and grace) nothing is judged, although six are paid.
    assert report_figures(kpi_report(date(2026, 2, 11)))["promise_kept_rate"] is None


def test_dispute_rates(book):
    account = book.account()
    invoices = [book.invoice(account, 250, date(2026, 1, 10)) for _ in range(40)]
    for opened, row in enumerate(invoices[:4]):
        dispute = open_dispute(
            account, [(first(row), Decimal(125))], reason="quality", opened_on=date(2026, 2, 1), actor=ACTOR
        )
        if opened < 3:
            on = date(2026, 2, 1 + (5, 8, 20)[opened])
            close_dispute(dispute, outcome="rejected", on=on, actor=ACTOR)
    figures = report_figures(kpi_report(AS_OF))
    assert figures["dispute_rate"] == 0.1
    assert figures["dispute_rate_by_value"] == 0.05
    assert figures["open_disputed_share"] == 125 / 10_000
    assert figures["disputed"]["31-60"] == "125.00"
    assert (figures["dispute_days_mean"], figures["dispute_days_median"]) == (11.0, 8.0)
    # On 3 February all four were open.
    assert report_figures(kpi_report(date(2026, 2, 3)))["disputed_amount"] == "500.00"


def test_empty_ledger_has_no_rates(book):
    figures = report_figures(kpi_report(AS_OF, scope=Scope(company_id=book.company.pk)))
    assert figures["open_amount"] == "0.00" and figures["currency"] == "EUR"
    for key in ("past_due_share", "dso_simple", "dso_count_back", "promise_kept_rate", "dispute_rate"):
        assert figures[key] is None
    assert figures["ties_to_ledger"] is True
