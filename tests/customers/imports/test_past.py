"""Imports after the ledger moved on: claims follow corrections, and no past day's balance becomes negative."""

from datetime import date
from decimal import Decimal

import pytest
from django.utils import translation

from creditdesk.core.audit import Actor
from customers.disputes import open_dispute
from customers.imports.problems import reason
from customers.imports.undo import undo_batch
from customers.ledger import (
    allocate_payment,
    post_payment,
    reverse_allocation,
)
from customers.ledger.checking import check_ledger
from customers.models import (
    Allocation,
    DisputeItem,
    DunningBlock,
    Instalment,
    Invoice,
    Payment,
    PromiseItem,
    Source,
)
from customers.promises import take_promise
from tests import words

from .conftest import SETTLED, SNAPSHOT, TODAY, TRANSACTIONS, codes, take
from .test_settled import GOOD, OPEN, row
from .test_settled import HEADER as SETTLED_HEADER
from .test_snapshot import HEADER as SNAPSHOT_HEADER
from .test_snapshot import item
from .test_transactions import HEADER, invoice, payment

pytestmark = pytest.mark.django_db
ACTOR = Actor.job("test")


@pytest.fixture
def transactions(mapping):
    return mapping("transactions", TRANSACTIONS)


@pytest.fixture
def settled(mapping):
    return mapping("settled", SETTLED)


def instalment(number):
    return Instalment.objects.get(invoice__number=number, superseded_at__isnull=True)


def claim(number, promised="80", disputed="30"):
    stored = instalment(number)
    promise = take_promise(
        stored.account,
        [(stored, Decimal(promised))],
        due_on=date(2026, 11, 27),
        given_on=date(2026, 11, 10),
        actor=ACTOR,
    )
    dispute = open_dispute(
        stored.account,
        [(stored, Decimal(disputed))],
        reason="price",
        opened_on=date(2026, 11, 11),
        actor=ACTOR,
    )
    return promise, dispute


def pay(number, amount, on, key="X1"):
    """Money posted in the desk, settling the document."""
    stored = instalment(number)
    cash = post_payment(
        stored.account,
        Source.objects.get(code="erp"),
        key,
        received_on=on,
        amount=Decimal(amount),
        actor=ACTOR,
    )
    allocate_payment(cash, [(stored, Decimal(amount))], actor=ACTOR)
    return Allocation.objects.get(payment=cash, superseded_at__isnull=True)


def take_back(allocation, on):
    reverse_allocation(allocation, on=on, actor=ACTOR, reason_code="test")


def items(number):
    """Amounts that promises and disputes hold on the current version."""
    stored = instalment(number)
    return (
        [i.amount.minor for i in PromiseItem.objects.filter(instalment=stored)],
        [i.amount.minor for i in DisputeItem.objects.filter(instalment=stored)],
    )


def test_promises_and_disputes_follow_a_corrected_document(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100"), invoice("F2", "40")]), transactions)
    claim("F1")
    old = instalment("F1")
    report = take(csv_file(HEADER, [invoice("F1", "60"), invoice("F2", "40")]), transactions)
    assert (codes(report), report.counts["corrections"]) == ([], 1)
    assert items("F1") == ([6000], [3000])
    assert PromiseItem.objects.filter(instalment=old).get().amount.minor == 8000
    assert list(check_ledger()) == []


def test_one_instant_closes_the_old_version_and_opens_the_new(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100"), payment("P1", "60", "F1")]), transactions)
    take(csv_file(HEADER, [invoice("F1", "90"), payment("P1", "70", "F1")]), transactions)
    for model in (Invoice, Instalment, Payment, Allocation):
        closed = set(model.objects.exclude(superseded_at=None).values_list("superseded_at", flat=True))
        opened = set(model.objects.filter(superseded_at=None).values_list("recorded_at", flat=True))
        assert closed == opened and len(closed) == 1, model


def test_claims_follow_in_the_settled_layout_but_imported_disputes_are_replaced(settled, csv_file):
    take(csv_file(SETTLED_HEADER, [row(OPEN), row(GOOD, disputed="yes")]), settled)
    claim("F2")
    changed = [row(OPEN, due="2026-04-15"), row(GOOD, disputed="yes", amount="120.00")]
    report = take(csv_file(SETTLED_HEADER, changed), settled)
    assert (codes(report), report.counts["corrections"]) == ([], 2)
    assert items("F2") == ([8000], [3000])
    assert items("F1") == ([], [12000])
    assert list(check_ledger()) == []


def test_undoing_a_correction_takes_the_claims_back_with_it(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    claim("F1")
    batch = take(csv_file(HEADER, [invoice("F1", "60")]), transactions).batch
    undo_batch(batch, actor=ACTOR, reason="wrong", on=TODAY)
    assert instalment("F1").amount.minor == 10000
    assert items("F1") == ([8000], [3000])


def test_a_promise_made_after_the_correction_still_holds_it(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    batch = take(csv_file(HEADER, [invoice("F1", "90")]), transactions).batch
    claim("F1")
    with pytest.raises(Exception, match="promise of 10 Nov 2026"):
        undo_batch(batch, actor=ACTOR, reason="wrong", on=TODAY)


def test_claims_with_nowhere_to_go_refuse_the_correction(transactions, csv_file):
    parts = [invoice("F1", "60", part="1"), invoice("F1", "40", part="2", due="2026-03-31")]
    take(csv_file(HEADER, parts), transactions)
    second = Instalment.objects.get(number=2)
    take_promise(
        second.account,
        [(second, Decimal(40))],
        due_on=date(2026, 11, 27),
        given_on=date(2026, 11, 10),
        actor=ACTOR,
    )
    with words.watched():
        report = take(csv_file(HEADER, [invoice("F1", "100", part="1")]), transactions)
    assert codes(report) == [(2, "number", "facts_depend")]
    found = report.problems[0]
    assert "promise of 10 Nov 2026" in reason(found.code, found.params)
    with translation.override("it"):
        assert "promessa" in reason(found.code, found.params)


def test_a_dunning_block_refuses_the_correction(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    stored = instalment("F1")
    DunningBlock.objects.create(
        account=stored.account,
        instalment=stored,
        reason_code="talks",
        effective_on=date(2026, 11, 1),
        known_on=date(2026, 11, 1),
        expires_on=date(2026, 12, 1),
    )
    report = take(csv_file(HEADER, [invoice("F1", "90")]), transactions)
    assert codes(report) == [(2, "number", "facts_depend")]


@pytest.mark.parametrize(("settled_on", "code"), [("2026-04-10", "not_open_then"), ("2026-05-10", None)])
def test_a_settlement_must_fit_into_the_past_of_a_reopened_instalment(settled, csv_file, settled_on, code):
    take(csv_file(SETTLED_HEADER, [OPEN]), settled)
    take_back(pay("F2", "250", date(2026, 4, 1)), on=date(2026, 5, 1))
    report = take(csv_file(SETTLED_HEADER, [row(OPEN, settled=settled_on)]), settled)
    assert codes(report) == ([(2, "settled", code)] if code else [])
    if code:
        assert report.problems[0].params["since"] == "2026-05-01"
        assert report.problems[0].params["open"] == "0.00 EUR"
    assert instalment("F2").open_amount.minor == (25000 if code else 0)
    assert list(check_ledger()) == []


def test_no_correction_goes_below_what_was_ever_in_use(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    take_back(pay("F1", "100", date(2026, 3, 1)), on=date(2026, 4, 1))
    report = take(csv_file(HEADER, [invoice("F1", "80")]), transactions)
    assert codes(report) == [(2, "number", "below_allocated")]
    assert take(csv_file(HEADER, [invoice("F1", "100", due="2026-02-20")]), transactions).counts[
        "corrections"
    ]
    assert list(check_ledger()) == []


def test_a_corrected_payment_is_held_to_the_most_it_was_used_for(transactions, csv_file):
    rows = [invoice("F1", "100"), payment("P1", "100", "F1")]
    take(csv_file(HEADER, rows), transactions)
    take_back(Allocation.objects.get(), on=date(2026, 4, 1))
    report = take(csv_file(HEADER, [rows[0], payment("P1", "50", "F1")]), transactions)
    assert codes(report) == [(3, "amount", "below_allocated")]


def test_a_payment_may_not_be_moved_to_days_on_which_another_still_settled(transactions, csv_file):
    rows = [invoice("F1", "100"), payment("P2", "100", on="2026-06-01")]
    take(csv_file(HEADER, rows), transactions)
    take_back(pay("F1", "100", date(2026, 3, 1)), on=date(2026, 4, 1))
    rows[1] = payment("P2", "100", "F1", on="2026-06-01")
    take(csv_file(HEADER, rows), transactions)
    assert instalment("F1").open_amount.minor == 0
    early = take(csv_file(HEADER, [rows[0], payment("P2", "100", "F1", on="2026-03-10")]), transactions)
    assert codes(early) == [(3, "date", "moved_into_the_past")]
    assert list(check_ledger()) == []
    fine = take(csv_file(HEADER, [rows[0], payment("P2", "100", "F1", on="2026-05-01")]), transactions)
    assert (codes(fine), fine.counts["payment_corrections"]) == ([], 1)
    assert list(check_ledger()) == []


def test_a_payment_corrected_to_a_later_day_moves_its_reversal_along(transactions, csv_file):
    rows = [invoice("F1", "100"), invoice("F2", "60", issued="2026-03-01", due="2026-03-31")]
    rows.append(payment("P1", "100", "F1:40; F2:60"))
    take(csv_file(HEADER, rows), transactions)
    take_back(Allocation.objects.get(amount=4000), on=date(2026, 3, 1))
    rows[2] = payment("P1", "100", "F1:40; F2:60", on="2026-03-20")
    report = take(csv_file(HEADER, rows), transactions)
    assert (codes(report), report.counts["payment_corrections"]) == ([], 1)
    assert list(check_ledger()) == []


def test_what_a_person_took_back_stays_taken_back_when_the_file_comes_again(transactions, csv_file):
    rows = [invoice("F1", "100"), payment("P1", "100", "F1")]
    take(csv_file(HEADER, rows), transactions)
    take_back(Allocation.objects.get(), on=date(2026, 4, 1))
    assert take(csv_file(HEADER, rows), transactions).changes_nothing
    assert instalment("F1").open_amount.minor == 10000
    more = [*rows, invoice("F2", "100"), payment("P2", "100", "F1")]
    more[1] = payment("P1", "100", "F1; F2")
    take(csv_file(HEADER, more), transactions)
    assert instalment("F1").open_amount.minor == instalment("F2").open_amount.minor == 0
    assert list(check_ledger()) == []


def test_a_corrected_and_reopened_document_takes_a_payment_only_once_it_is_open(transactions, csv_file):
    take(csv_file(HEADER, [invoice("F1", "100")]), transactions)
    take_back(pay("F1", "100", date(2026, 3, 1)), on=date(2026, 4, 1))
    rows = [invoice("F1", "120"), payment("P1", "120", "F1", on="2026-02-20")]
    take(csv_file(HEADER, rows), transactions)
    assert instalment("F1").settled_on == date(2026, 4, 1)
    assert list(check_ledger()) == []


@pytest.fixture
def march(mapping, csv_file):
    """Two snapshots, and money posted in the desk after the second was taken but before it is imported."""
    snapshot = mapping("snapshot", SNAPSHOT)
    rows = [item("F1", "100"), item("F2", "80")]
    take(csv_file(SNAPSHOT_HEADER, rows), snapshot, snapshot_on=date(2026, 3, 31))
    return snapshot


def test_a_snapshot_does_not_see_what_was_posted_after_it(march, csv_file):
    pay("F1", "30", date(2026, 5, 10))
    rows = [item("F1", "100"), item("F2", "80")]
    report = take(csv_file(SNAPSHOT_HEADER, rows), march, snapshot_on=date(2026, 4, 30))
    assert codes(report) == [] and report.counts["inferred"] == 0
    assert instalment("F1").open_amount.minor == 7000
    late = take(
        csv_file(SNAPSHOT_HEADER, [item("F1", "100", "20"), rows[1]]), march, snapshot_on=date(2026, 4, 30)
    )
    assert codes(late) == [(2, "open", "used_since_snapshot")]
    assert instalment("F1").open_amount.minor == 7000
    assert list(check_ledger()) == []


def test_an_old_snapshot_does_not_close_what_was_settled_then_and_reopened_since(march, csv_file):
    take_back(pay("F1", "100", date(2026, 4, 5)), on=date(2026, 5, 5))
    report = take(csv_file(SNAPSHOT_HEADER, [item("F2", "80")]), march, snapshot_on=date(2026, 4, 30))
    assert [(p.code, p.severity) for p in report.problems] == [("vanished_used_since", "warning")]
    assert instalment("F1").open_amount.minor == 10000
    assert list(check_ledger()) == []


def test_a_refused_snapshot_row_is_not_half_a_correction(march, csv_file):
    pay("F1", "30", date(2026, 5, 10))
    take(
        csv_file(SNAPSHOT_HEADER, [item("F1", "110", "20"), item("F2", "80")]),
        march,
        snapshot_on=date(2026, 4, 30),
    )
    assert instalment("F1").amount.minor == 10000
    assert list(check_ledger()) == []
