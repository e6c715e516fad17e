"""One row per document or payment: allocations by reference, instalments, credit notes, corrections, currencies."""

from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.audit import Actor
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.ledger.checking import check_ledger
from customers.models import (
    Allocation,
    Company,
    CreditAccount,
    CreditSegment,
    Customer,
    ExchangeRate,
    Instalment,
    Invoice,
    Payment,
)

from .conftest import TODAY, TRANSACTIONS, codes, take

pytestmark = pytest.mark.django_db

HEADER = ["type", "customer", "name", "country", "vat", "number", "instalment", "date", "due", "currency"]
HEADER += ["amount", "settles"]


def invoice(number, amount, *, issued="2026-01-10", due="2026-02-10", customer="C1", part="", currency="EUR"):
    return ["invoice", customer, "", "", "", number, part, issued, due, currency, amount, ""]


def credit(number, amount, settles="", *, issued="2026-01-20", customer="C1"):
    return ["credit_note", customer, "", "", "", number, "", issued, issued, "EUR", amount, settles]


def payment(number, amount, settles="", *, on="2026-02-15", customer="C1", currency="EUR"):
    return ["payment", customer, "", "", "", number, "", on, "", currency, amount, settles]


def open_amounts():
    rows = Instalment.objects.filter(superseded_at__isnull=True).order_by("invoice__number", "number")
    return {
        (number, n): minor
        for number, n, minor in rows.values_list("invoice__number", "number", "open_amount")
    }


@pytest.fixture
def transactions(mapping):
    return mapping("transactions", TRANSACTIONS)


def test_a_payment_settles_its_references_in_order_and_the_rest_stays_unapplied(transactions, csv_file):
    rows = [
        invoice("F1", "100"),
        invoice("F2", "50"),
        payment("P1", "120", "F1; F2"),
        payment("P2", "75", "F2"),
    ]
    report = take(csv_file(HEADER, rows), transactions)
    assert report.counts["documents"] == 2 and report.counts["allocations"] == 3
    assert open_amounts() == {("F1", 1): 0, ("F2", 1): 0}
    assert Payment.objects.get(key="P2").open_amount.minor == 4500
    first = Instalment.objects.get(invoice__number="F1")
    assert (first.settled_on, first.settled_by) == (date(2026, 2, 15), "cash")
    assert set(Allocation.objects.values_list("days_late", flat=True)) == {5}
    assert list(check_ledger()) == []
    assert take(csv_file(HEADER, rows), transactions).changes_nothing


def test_explicit_amounts_and_fiscal_years(transactions, csv_file):
    rows = [
        invoice("F1", "100"),
        invoice("F1", "80", issued="2025-06-01", due="2025-07-01"),
        payment("P1", "60", "F1@2025:40; F1@2026:20"),
        payment("P2", "10", "F1"),
    ]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [(5, "settles", "ambiguous_document")]
    left = Instalment.objects.values_list("invoice__fiscal_year", "open_amount")
    assert dict(left) == {2025: 4000, 2026: 8000}


@pytest.mark.parametrize(
    ("settles", "code"),
    [
        ("F9", "unknown_document"),
        ("F3", "unknown_document"),
        ("F1:150", "exceeds_payment"),
        ("F2:60", "exceeds_open"),
        ("F1:x", "bad_reference"),
        ("F4", "currency_of_document"),
    ],
)
def test_references_that_do_not_hold(transactions, csv_file, settles, code):
    ExchangeRate.objects.create(
        base="USD", quote="EUR", on=date(2026, 1, 1), rate=Decimal("0.9"), source="test"
    )
    rows = [
        invoice("F1", "100"),
        invoice("F2", "50"),
        invoice("F3", "70", customer="C2"),
        invoice("F4", "30", currency="USD"),
        payment("P1", "120", settles),
    ]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [(6, "settles", code)]
    assert not Payment.objects.exists() and Invoice.objects.count() == 4


def test_instalments_are_settled_oldest_first(transactions, csv_file):
    rows = [
        invoice("F1", "60", part="2", due="2026-03-31"),
        invoice("F1", "40", part="1", due="2026-02-28"),
        payment("P1", "50", "F1"),
    ]
    take(csv_file(HEADER, rows), transactions)
    assert Invoice.objects.get().amount.minor == 10000
    assert open_amounts() == {("F1", 1): 0, ("F1", 2): 5000}
    assert list(check_ledger()) == []


def test_a_document_with_a_bad_instalment_is_refused_whole(transactions, csv_file):
    rows = [
        invoice("F1", "60", part="1"),
        invoice("F1", "x", part="2"),
        invoice("F2", "5"),
        payment("P1", "10", "F1"),
    ]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [
        (2, "number", "sibling_refused"),
        (3, "amount", "bad_number"),
        (5, "settles", "unknown_document"),
    ]
    assert open_amounts() == {("F2", 1): 500}


def test_a_credit_note_settles_an_invoice_beside_cash(transactions, csv_file):
    rows = [invoice("F1", "100"), credit("K1", "30", "F1"), payment("P1", "70", "F1")]
    take(csv_file(HEADER, rows), transactions)
    assert open_amounts() == {("F1", 1): 0, ("K1", 1): 0}
    settled = dict(Instalment.objects.values_list("invoice__number", "settled_by"))
    assert settled == {"F1": "cash", "K1": "credit"}
    assert list(check_ledger()) == []
    assert take(csv_file(HEADER, rows), transactions).changes_nothing


def test_payments_settle_documents_already_stored(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    take(csv_file(HEADER, [payment("P1", "100")]), transactions)
    assert open_amounts() == {("F1", 1): 10000}
    later = take(csv_file(HEADER, [payment("P1", "100", "F1")]), transactions)
    assert later.counts["payments"] == 0 and later.counts["allocations"] == 1
    assert open_amounts() == {("F1", 1): 0}
    allocation = Allocation.objects.get()
    assert allocation.effective_on == date(2026, 2, 15) and allocation.known_on == TODAY
    assert list(check_ledger()) == []


def test_a_corrected_invoice_keeps_its_allocations(transactions, csv_file):
    rows = [invoice("F1", "100"), payment("P1", "60", "F1")]
    take(csv_file(HEADER, rows), transactions)
    rows[0] = invoice("F1", "90", due="2026-02-20")
    report = take(csv_file(HEADER, rows), transactions)
    assert report.counts["corrections"] == 1
    assert open_amounts() == {("F1", 1): 3000}
    kept = Allocation.objects.get(superseded_at__isnull=True)
    assert kept.days_late == -5 and kept.known_on == TODAY and kept.amount.minor == 6000
    assert list(check_ledger()) == []
    rows[0] = invoice("F1", "50")
    refused = take(csv_file(HEADER, rows), transactions)
    assert codes(refused)[0] == (2, "number", "below_allocated")
    assert open_amounts() == {("F1", 1): 3000}
    undo_batch(report.batch, actor=Actor.job("test"), reason="wrong", on=TODAY)
    assert open_amounts() == {("F1", 1): 4000}
    assert Allocation.objects.get(superseded_at__isnull=True).days_late == 5
    assert list(check_ledger()) == []


def test_a_corrected_payment_keeps_its_allocations(transactions, csv_file):
    rows = [invoice("F1", "100"), payment("P1", "60", "F1")]
    take(csv_file(HEADER, rows), transactions)
    report = take(csv_file(HEADER, [rows[0], payment("P1", "80", "F1", on="2026-02-25")]), transactions)
    assert report.counts["payment_corrections"] == 1 and report.counts["payments"] == 0
    current = Payment.objects.get(superseded_at__isnull=True)
    assert (current.amount.minor, current.open_amount.minor) == (8000, 2000)
    kept = Allocation.objects.get(superseded_at__isnull=True)
    assert kept.effective_on == date(2026, 2, 25) and kept.days_late == 15
    assert list(check_ledger()) == []
    refused = take(csv_file(HEADER, [payment("P1", "50", "F1")]), transactions)
    assert codes(refused) == [(2, "amount", "below_allocated")]


def test_foreign_currency_is_converted_at_the_issue_day_or_refused(transactions, csv_file):
    ExchangeRate.objects.create(
        base="USD", quote="EUR", on=date(2026, 1, 1), rate=Decimal("0.9"), source="test"
    )
    rows = [
        invoice("F1", "100", currency="USD"),
        invoice("F2", "100", currency="JPY"),
        invoice("F3", "100", currency="USD", issued="2025-12-31", due="2026-01-31"),
        payment("P1", "50", "F1", currency="USD"),
    ]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [(3, "currency", "missing_rate"), (4, "currency", "missing_rate")]
    instalment = Instalment.objects.get()
    assert (instalment.amount.minor, instalment.account_amount.minor) == (10000, 9000)
    assert Allocation.objects.get().account_amount.minor == 4500
    assert list(check_ledger()) == []


def test_amounts_follow_the_currency_s_decimals(transactions, csv_file):
    ExchangeRate.objects.create(
        base="EUR", quote="JPY", on=date(2026, 1, 1), rate=Decimal(160), source="test"
    )
    rows = [invoice("F1", "1000", currency="JPY"), invoice("F2", "10.5", currency="JPY")]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [(3, "amount", "too_many_decimals")]
    assert Invoice.objects.get().amount.minor == 1000


def test_customers_are_made_with_checked_identifiers(transactions, csv_file):
    good, wrong = "IT00743110157", "IT00743110158"
    rows = [invoice("F1", "1"), invoice("F2", "1", customer="C2"), invoice("F3", "1", customer="C3")]
    rows[0][2:5] = ["Rossi", "it", good]
    rows[1][2:5] = ["Bianchi", "IT", wrong]
    rows[2][2:5] = ["Rossi bis", "IT", "00743110157"]
    report = take(csv_file(HEADER, rows), transactions)
    assert codes(report) == [(3, "vat", "bad_identifier"), (4, "vat", "vat_of_other_customer")]
    assert all(p.severity == "warning" for p in report.problems)
    found = dict(Customer.objects.values_list("code", "vat_number"))
    assert found == {"C1": good, "C2": "", "C3": good}
    assert Customer.objects.get(code="C1").country == "IT"


def test_an_existing_company_with_one_segment_is_used(transactions, csv_file):
    company = Company.objects.create(code="main", name="Ours", currency="EUR")
    segment = CreditSegment.objects.create(company=company, code="only", name="Only")
    take(csv_file(HEADER, [invoice("F1", "10")]), transactions)
    assert CreditAccount.objects.get().segment == segment
    assert Company.objects.count() == 1


def test_another_company_is_chosen_by_its_code(transactions, csv_file):
    Company.objects.create(code="other", name="Other", currency="GBP")
    take(csv_file(HEADER, [invoice("F1", "10", currency="GBP")]), transactions, company="other")
    assert Invoice.objects.get().company.code == "other"
    assert CreditAccount.objects.get().currency == "GBP"


def test_columns_that_only_later_parts_of_a_file_use_are_taken_whole(transactions, csv_file):
    """The first thousand rows hold only usual values; then a kind, an instalment, a tab and a payment come."""
    usual = [invoice(f"F{n:04d}", "1") for n in range(1100)]
    unusual = [
        invoice("PARTS", "2", part="1"),
        invoice("PARTS", "3", due="2026-03-10", part="2"),
        invoice("TAB\there", "4"),
        invoice("BACK\\slash", "5"),
        credit("K1", "1", "F0000"),
        payment("P1", "1", "F0001"),
        invoice("BAD", "much"),
    ]
    report = take(csv_file(HEADER, [*usual, *unusual, invoice("LAST", "6")]), transactions)
    assert codes(report) == [(1108, "amount", "bad_number")]
    assert (report.counts["documents"], report.counts["refused"], report.counts["payments"]) == (1105, 1, 1)
    stored = open_amounts()
    assert [stored["PARTS", n] for n in (1, 2)] == [200, 300]
    assert (stored["TAB\there", 1], stored["BACK\\slash", 1], stored["LAST", 1]) == (400, 500, 600)
    assert (stored["F0000", 1], stored["F0001", 1], stored["F1099", 1], stored["K1", 1]) == (0, 0, 100, 0)
    assert Invoice.objects.get(number="K1").kind == "credit_note"
    assert list(check_ledger()) == []


def test_a_file_that_breaks_off_half_read_leaves_the_connection_as_it_was(transactions, csv_file):
    rows = [invoice(f"F{n:04d}", "1") for n in range(2100)]
    rows[2050] = invoice("x" * 140_000, "1")
    with pytest.raises(ImportRefused, match="2002"):
        take(csv_file(HEADER, rows), transactions)
    assert not Invoice.objects.exists()
    assert take(csv_file(HEADER, rows[:3], name="again.csv"), transactions).counts["documents"] == 3


def test_a_document_dated_ahead_does_not_make_the_ledger_complete_until_then(transactions, csv_file):
    rows = [invoice("F1", "100"), invoice("F2", "50", issued="2026-12-04", due="2027-01-04")]
    assert take(csv_file(HEADER, rows), transactions).complete_through == TODAY
