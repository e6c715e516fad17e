"""Full snapshots of open items: what vanished or shrank between two of them was settled, some day in between."""

from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.audit import Actor
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.ledger import allocate_payment, post_payment
from customers.ledger.checking import check_ledger
from customers.models import Allocation, CreditAccount, Instalment, Invoice, Source

from .conftest import SNAPSHOT, codes, take

pytestmark = pytest.mark.django_db

HEADER = ["customer", "number", "issued", "due", "amount", "open"]
FIRST, SECOND, THIRD = date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)


def item(number, amount, still=None, customer="C1"):
    return [customer, number, "2026-03-01", "2026-04-01", amount, amount if still is None else still]


@pytest.fixture
def snapshot(mapping):
    return mapping("snapshot", SNAPSHOT)


def instalment(number):
    return Instalment.objects.get(invoice__number=number, superseded_at__isnull=True)


def test_vanished_and_shrunk_items_are_inferred_settlements(snapshot, csv_file):
    take(
        csv_file(HEADER, [item("F1", "100"), item("F2", "80"), item("F3", "60")]), snapshot, snapshot_on=FIRST
    )
    report = take(csv_file(HEADER, [item("F2", "80", "50"), item("F3", "60")]), snapshot, snapshot_on=SECOND)
    assert report.counts["inferred"] == 2 and report.counts["unchanged"] == 2
    gone = instalment("F1")
    assert (gone.open_amount.minor, gone.settled_by) == (0, "inferred")
    assert (gone.settled_on, gone.settled_after) == (SECOND, FIRST)
    assert instalment("F2").open_amount.minor == 5000
    assert set(Allocation.objects.values_list("kind", "effective_on", "settled_after", "days_late")) == {
        ("inferred", SECOND, FIRST, None)
    }
    assert report.batch.complete_through == SECOND
    assert list(check_ledger()) == []


def test_the_same_snapshot_twice_changes_nothing(snapshot, csv_file):
    path = csv_file(HEADER, [item("F1", "100", "70")])
    take(path, snapshot, snapshot_on=FIRST)
    first = instalment("F1")
    assert first.open_amount.minor == 7000
    assert Allocation.objects.get().settled_after == date(2026, 3, 1)
    assert take(path, snapshot, snapshot_on=FIRST).changes_nothing
    assert Allocation.objects.count() == 1
    assert list(check_ledger()) == []


def test_an_item_that_comes_back_is_open_again(snapshot, csv_file):
    take(csv_file(HEADER, [item("F1", "100"), item("F2", "10")]), snapshot, snapshot_on=FIRST)
    take(csv_file(HEADER, [item("F2", "10")]), snapshot, snapshot_on=SECOND)
    report = take(csv_file(HEADER, [item("F1", "100", "40"), item("F2", "10")]), snapshot, snapshot_on=THIRD)
    assert report.counts["reopened"] == 1
    again = instalment("F1")
    assert again.open_amount.minor == 4000 and again.reopened and again.settled_on is None
    assert list(check_ledger()) == []


def test_growth_against_a_real_payment_is_refused(snapshot, csv_file):
    take(csv_file(HEADER, [item("F1", "100")]), snapshot, snapshot_on=FIRST)
    account, source = CreditAccount.objects.get(), Source.objects.get()
    actor = Actor.job("test")
    cash = post_payment(account, source, "P1", received_on=SECOND, amount=Decimal(30), actor=actor)
    allocate_payment(cash, [(instalment("F1"), Decimal(30))], actor=actor)
    report = take(csv_file(HEADER, [item("F1", "100")]), snapshot, snapshot_on=THIRD)
    assert codes(report) == [(2, "open", "open_amount_grew")]
    assert instalment("F1").open_amount.minor == 7000


def test_a_refused_row_keeps_its_item_open(snapshot, csv_file):
    take(csv_file(HEADER, [item("F1", "100"), item("F2", "80")]), snapshot, snapshot_on=FIRST)
    report = take(csv_file(HEADER, [item("F1", "x")]), snapshot, snapshot_on=SECOND)
    assert instalment("F1").open_amount.minor == 10000
    assert instalment("F2").open_amount.minor == 0
    assert report.counts["refused"] == 1


def test_a_row_without_number_holds_back_every_closing_it_could_concern(snapshot, csv_file):
    rows = [item("F1", "100"), item("F2", "80", customer="C2")]
    take(csv_file(HEADER, rows), snapshot, snapshot_on=FIRST)
    nobody = take(csv_file(HEADER, [item("", "5", customer="")]), snapshot, snapshot_on=SECOND)
    assert ("vanished_held_back", 1) in nobody.by_code.items()
    assert instalment("F1").open_amount.minor == 10000 and instalment("F2").open_amount.minor == 8000
    take(csv_file(HEADER, [item("", "5")]), snapshot, snapshot_on=THIRD)
    # Customer C1 is named, so only C1's items may be meant.
    assert instalment("F1").open_amount.minor == 10000 and instalment("F2").open_amount.minor == 0


def test_credit_notes_come_as_negative_items(snapshot, csv_file):
    take(csv_file(HEADER, [item("K1", "-30"), item("F1", "9")]), snapshot, snapshot_on=FIRST)
    credit = Invoice.objects.get(number="K1")
    assert (credit.kind, credit.amount.minor) == ("credit_note", 3000)
    take(csv_file(HEADER, [item("F1", "9")]), snapshot, snapshot_on=SECOND)
    assert instalment("K1").settled_by == "inferred"
    assert list(check_ledger()) == []


def test_a_corrected_amount_moves_the_inferred_part(snapshot, csv_file):
    take(csv_file(HEADER, [item("F1", "100", "60")]), snapshot, snapshot_on=FIRST)
    report = take(csv_file(HEADER, [item("F1", "110", "60")]), snapshot, snapshot_on=SECOND)
    assert report.counts["corrections"] == 1
    assert instalment("F1").open_amount.minor == 6000 and instalment("F1").amount.minor == 11000
    assert list(check_ledger()) == []


def test_snapshots_are_taken_in_order_and_undone_from_the_last(snapshot, csv_file):
    path = csv_file(HEADER, [item("F1", "100")])
    with pytest.raises(ImportRefused, match="--snapshot-on"):
        take(path, snapshot)
    first = take(path, snapshot, snapshot_on=FIRST).batch
    second = take(csv_file(HEADER, [item("F2", "5")], "b.csv"), snapshot, snapshot_on=SECOND).batch
    with pytest.raises(ImportRefused, match="later snapshot"):
        take(path, snapshot, snapshot_on=FIRST)
    with pytest.raises(ImportRefused, match="snapshot of 30 Apr 2026"):
        undo_batch(first, actor=Actor.job("test"), reason="wrong", on=SECOND)
    undo_batch(second, actor=Actor.job("test"), reason="wrong", on=SECOND)
    assert instalment("F1").open_amount.minor == 10000
    assert list(check_ledger()) == []
    undo_batch(first, actor=Actor.job("test"), reason="wrong", on=SECOND)


def test_open_more_than_the_amount_is_refused(snapshot, csv_file):
    report = take(csv_file(HEADER, [item("F1", "100", "120")]), snapshot, snapshot_on=FIRST)
    assert codes(report) == [(2, "open", "open_above_amount")]
