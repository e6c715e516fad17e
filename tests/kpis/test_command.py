"""`manage.py kpis`: its keys, its numbers, its refusals."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.core.management import CommandError, call_command

from customers.models import ExchangeRate

from .ledgers import Book

AS_OF = date(2026, 3, 31)


def run(**options) -> dict:
    out = io.StringIO()
    call_command("kpis", format="json", stdout=out, **{"as_of": str(AS_OF), **options})
    return json.loads(out.getvalue())


def test_keys_and_kinds(book):
    book.invoice(book.account(), "100.00", date(2026, 1, 5))
    figures = run()
    assert {
        "as_of", "currency", "open_amount", "overdue_amount", "past_due_share", "open_invoices", "ageing",
        "dso_simple", "dso_count_back", "dso_count_back_exceeds", "promise_kept_rate",
    } <= figures.keys()  # fmt: skip
    assert list(figures["ageing"]) == ["not_due", "1-30", "31-60", "61-90", "90+"]
    assert (figures["as_of"], figures["currency"]) == ("2026-03-31", "EUR")
    assert figures["open_amount"] == figures["ageing"]["31-60"] == "100.00"
    assert figures["past_due_share"] == 1.0 and figures["open_invoices"] == 1


def test_same_as_adding_up_a_settled_ledger_by_hand(book):
    """Invoices with one settlement each, as the public test ledger has them, against plain sums."""
    random, account = Random(7), book.account()
    ledger = []
    for _ in range(60):
        issued = date(2025, 6, 1) + timedelta(days=random.randrange(330))
        amount = Decimal(random.randrange(500, 20_000)) / 100
        settled = issued + timedelta(days=random.randrange(0, 140))
        ledger.append((issued, issued + timedelta(days=30), amount, settled))
        book.pay(book.invoice(account, amount, issued), settled)
    for as_of in (date(2025, 6, 3), date(2025, 9, 30), date(2025, 12, 15), AS_OF, date(2026, 9, 1)):
        figures = run(as_of=str(as_of))
        open_rows = [(due, amount) for issued, due, amount, settled in ledger if issued <= as_of < settled]
        total = sum((amount for _due, amount in open_rows), Decimal(0))
        overdue = sum((amount for due, amount in open_rows if due < as_of), Decimal(0))
        sales = sum(
            (amount for issued, _d, amount, _s in ledger if as_of - timedelta(days=90) < issued <= as_of),
            Decimal(0),
        )
        assert figures["open_amount"] == f"{total:.2f}"
        assert figures["overdue_amount"] == f"{overdue:.2f}"
        assert figures["open_invoices"] == len(open_rows)
        if total:
            assert figures["past_due_share"] == pytest.approx(float(overdue / total), abs=1e-12)
        if sales:
            assert figures["dso_simple"] == pytest.approx(float(total / sales * 90), abs=1e-9)
        else:
            assert figures["dso_simple"] is None
        assert figures["ties_to_ledger"] is True


def test_count_back_over_a_month_not_yet_ended(book):
    account = book.account()
    book.invoice(account, "280.00", date(2026, 2, 10))
    book.invoice(account, "100.00", date(2026, 3, 5))
    book.pay(book.invoice(account, "20.00", date(2026, 3, 6)), date(2026, 3, 7))
    # 380 open: March up to the 10th sold 120 (10 days), the other 260 are 26 days of February's 280.
    assert run(as_of="2026-03-10")["dso_count_back"] == 36.0


def test_count_back_of_a_book_nobody_ever_paid_is_its_whole_history(book):
    """Receivables never exceed what was sold, so a complete ledger does not run out of months."""
    account = book.account()
    book.invoice(account, "100.00", date(2026, 1, 20))
    book.invoice(account, "100.00", date(2026, 3, 5))
    book.credit_note(account, "30.00", date(2026, 3, 10))
    figures = run()
    assert figures["receivables"] == "170.00" and figures["open_credit_notes"] == "30.00"
    assert figures["dso_count_back"] == 31 + 28 + 31 and figures["dso_count_back_exceeds"] is None


def test_states_totals_in_a_currency_at_dated_rates(book):
    other = Book("uk", "GBP")
    book.invoice(book.account(), "100.00", date(2026, 3, 5))
    other.invoice(other.account(), "80.00", date(2026, 3, 5))
    with pytest.raises(CommandError, match="No exchange rate GBP/EUR"):
        run()
    ExchangeRate.objects.create(base="EUR", quote="GBP", on=date(2026, 3, 1), rate="0.80", source="ECB")
    figures = run(currency="eur")
    assert figures["open_amount"] == "200.00" and figures["currency"] == "EUR"
    assert figures["by_currency"]["GBP"]["open_amount"] == "80.00"
    assert figures["rates"] == [
        {"base": "EUR", "quote": "GBP", "rate": "0.80000000", "on": "2026-03-01", "source": "ECB"}
    ]
    assert run(company="uk")["open_amount"] == "80.00" and run(company="uk")["currency"] == "GBP"


def test_a_single_foreign_currency_needs_no_rate(book):
    book.invoice(book.account(currency="USD"), "100.00", date(2026, 3, 5))
    assert run()["currency"] == "USD"


def test_yen_have_no_decimals(db):
    book = Book("jp", "JPY")
    book.invoice(book.account(), "1500", date(2026, 3, 5))
    assert run()["open_amount"] == "1500"


def test_table_prints_the_same(book):
    book.invoice(book.account(), "100.00", date(2026, 1, 5))
    out = io.StringIO()
    call_command("kpis", as_of=str(AS_OF), stdout=out)
    lines = dict(line.rsplit(maxsplit=1) for line in out.getvalue().splitlines())
    assert lines["open_amount"] == lines["ageing 31-60"] == "100.00"
    assert lines["dso_simple"] == "90.0000" and lines["promise_kept_rate"] == "-"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_of": "31.3.2026"}, "YYYY-MM-DD"),
        ({"company": "nope"}, "No company 'nope'. Known: acme"),
        ({"known_at": "2026-01-01", "recorded_by": "2026-01-01T00:00:00"}, "not both"),
        ({"recorded_by": "yesterday"}, "recorded-at stamp"),
        ({"portfolio": "nope"}, "portfolios have the code"),
    ],
)
def test_refusals_name_the_cure(book, options, message):
    with pytest.raises(CommandError, match=message):
        run(**options)
