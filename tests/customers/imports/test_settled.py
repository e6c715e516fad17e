"""One row per invoice with its settlement: refusals, corrections, settlements that arrive later, undo."""

from datetime import date
from decimal import Decimal

import pytest

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from creditdesk.core.sentences import told
from customers.events import ledger_changed
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.ledger import write_off
from customers.ledger.checking import check_ledger
from customers.models import (
    Access,
    Allocation,
    Company,
    Customer,
    Dispute,
    ImportBatch,
    ImportMapping,
    Instalment,
    Invoice,
    Payment,
)

from .conftest import SETTLED, TODAY, codes, take

pytestmark = pytest.mark.django_db

HEADER = ["customer", "number", "issued", "due", "amount", "settled", "paid", "disputed"]
GOOD = ["C1", "F1", "2026-01-10", "2026-02-10", "100.00", "2026-02-15", "", "no"]
OPEN = ["C1", "F2", "2026-03-01", "2026-03-31", "250.00", "", "", "no"]


def row(base, **changes):
    values = dict(zip(HEADER, base, strict=True)) | changes
    return [values[name] for name in HEADER]


def current(model):
    return model.objects.filter(superseded_at__isnull=True)


@pytest.fixture
def settled(mapping):
    return mapping("settled", SETTLED)


@pytest.mark.parametrize(
    ("changes", "column", "code"),
    [
        ({"customer": ""}, "customer", "missing_value"),
        ({"number": "  "}, "number", "missing_value"),
        ({"amount": ""}, "amount", "missing_value"),
        ({"amount": "1.000,00"}, "amount", "bad_number"),
        ({"amount": "12.345"}, "amount", "too_many_decimals"),
        ({"amount": "0"}, "amount", "amount_not_positive"),
        ({"amount": "-5"}, "amount", "amount_not_positive"),
        ({"paid": "-3"}, "paid", "amount_not_positive"),
        ({"paid": "0"}, "paid", "amount_not_positive"),
        ({"amount": "9" * 20}, "amount", "number_too_large"),
        ({"issued": "10/01/2026"}, "issued", "bad_date"),
        ({"issued": "2026-02-30"}, "issued", "bad_date"),
        ({"due": "2026-01-09"}, "due", "due_before_issue"),
        ({"due": ""}, "due", "missing_value"),
        ({"settled": "2026-01-09"}, "settled", "settled_before_issue"),
        ({"settled": "2026-11-21"}, "settled", "date_in_future"),
        ({"disputed": "perhaps"}, "disputed", "unknown_value"),
        ({"number": "F" * 61}, "number", "too_long"),
    ],
)
def test_a_bad_cell_is_refused_with_its_place_and_the_rest_taken(settled, csv_file, changes, column, code):
    path = csv_file(HEADER, [row(OPEN), row(GOOD, **changes)])
    report = take(path, settled)
    assert codes(report) == [(3, column, code)]
    assert [i.number for i in Invoice.objects.all()] == ["F2"]


def test_rows_that_repeat_or_contradict_each_other(settled, csv_file):
    path = csv_file(HEADER, [GOOD, GOOD, OPEN, row(OPEN, customer="C2"), row(OPEN, number="F3")])
    report = take(path, settled)
    assert codes(report) == [
        (3, "number", "repeated_row"),
        (4, "number", "contradicting_rows"),
        (5, "number", "contradicting_rows"),
    ]
    assert sorted(i.number for i in Invoice.objects.all()) == ["F1", "F3"]


def test_a_number_of_another_customer_is_refused(settled, csv_file):
    take(csv_file(HEADER, [GOOD]), settled)
    report = take(csv_file(HEADER, [row(GOOD, customer="C2")]), settled)
    assert codes(report) == [(2, "number", "number_of_other_customer")]
    assert report.problems[0].params == {"other": "C1"}
    assert current(Invoice).count() == 1


def test_a_settlement_that_arrives_later_settles_the_stored_invoice(settled, csv_file):
    take(csv_file(HEADER, [OPEN]), settled)
    heard = []
    ledger_changed.connect(
        lambda account_ids, **_: heard.append(set(account_ids)), weak=False, dispatch_uid="t"
    )
    try:
        report = take(csv_file(HEADER, [row(OPEN, settled="2026-04-02", disputed="yes")]), settled)
    finally:
        ledger_changed.disconnect(dispatch_uid="t")
    instalment = Instalment.objects.get()
    assert (instalment.settled_on, instalment.settled_by) == (date(2026, 4, 2), "cash")
    assert report.counts["payments"] == 1 and report.counts["corrections"] == 0
    assert Dispute.objects.get().known_on == date(2026, 4, 2)
    assert heard == [{instalment.account_id}]
    assert list(check_ledger()) == []


def test_a_part_payment_leaves_the_rest_open(settled, csv_file):
    take(csv_file(HEADER, [row(GOOD, paid="60")]), settled)
    instalment = Instalment.objects.get()
    assert instalment.open_amount.minor == 4000 and instalment.settled_on is None
    assert list(check_ledger()) == []


def test_an_overpayment_leaves_cash_unapplied(settled, csv_file):
    take(csv_file(HEADER, [row(GOOD, paid="130")]), settled)
    assert Payment.objects.get().open_amount.minor == 3000
    assert Allocation.objects.get().amount.minor == 10000
    assert list(check_ledger()) == []


@pytest.mark.parametrize(
    "changes", [{"amount": "120.00"}, {"due": "2026-02-20"}, {"settled": "2026-02-18"}, {"disputed": "yes"}]
)
def test_a_changed_row_is_a_correction_that_supersedes(settled, csv_file, changes):
    take(csv_file(HEADER, [GOOD, OPEN]), settled)
    report = take(csv_file(HEADER, [row(GOOD, **changes), OPEN]), settled)
    assert report.counts["corrections"] == 1 and report.counts["unchanged"] == 1
    old = Invoice.objects.get(number="F1", superseded_at__isnull=False)
    new = current(Invoice).get(number="F1")
    assert new.corrects == old and old.known_until == new.known_on == TODAY
    assert current(Payment).count() == current(Allocation).count() == 1
    assert list(check_ledger()) == []
    again = take(csv_file(HEADER, [row(GOOD, **changes), OPEN]), settled)
    assert again.changes_nothing


def test_a_changed_row_is_refused_when_the_mapping_says_so(mapping, csv_file):
    strict = mapping("settled", SETTLED, on_change="refuse")
    take(csv_file(HEADER, [GOOD]), strict)
    report = take(csv_file(HEADER, [row(GOOD, amount="120.00")]), strict)
    assert codes(report) == [(2, "number", "changed_row")]
    assert "100.00 EUR" in report.problems[0].params["was"]
    assert Invoice.objects.count() == 1


def test_a_correction_is_refused_when_other_facts_rest_on_the_row(settled, csv_file):
    take(csv_file(HEADER, [OPEN]), settled)
    write_off(
        [(Instalment.objects.get(), Decimal(50))],
        actor=Actor.job("test"),
        on=date(2026, 5, 1),
        reason_code="test",
    )
    report = take(csv_file(HEADER, [row(OPEN, amount="300.00")]), settled)
    assert codes(report) == [(2, "number", "facts_depend")]
    assert "write-off of 1 May 2026" in told(report.problems[0].params["facts"])


def test_undoing_a_correction_restores_what_it_superseded(settled, csv_file):
    take(csv_file(HEADER, [row(GOOD, disputed="yes"), OPEN]), settled)
    before = Instalment.objects.filter(superseded_at__isnull=True).values_list(
        "invoice__number", "amount", "due_on", "open_amount", "settled_on", "settled_by"
    )
    before = sorted(before)
    batch = take(csv_file(HEADER, [row(GOOD, amount="90.00", settled="2026-03-01"), OPEN]), settled).batch
    undo_batch(batch, actor=Actor.job("test"), reason="wrong", on=TODAY)
    after = current(Instalment).values_list(
        "invoice__number", "amount", "due_on", "open_amount", "settled_on", "settled_by"
    )
    assert sorted(after) == before
    assert current(Dispute).count() == 1 and current(Payment).get().amount.minor == 10000
    assert list(check_ledger()) == []


def test_undo_names_the_later_facts_and_refuses(settled, csv_file):
    batch = take(csv_file(HEADER, [OPEN]), settled).batch
    take(csv_file(HEADER, [row(OPEN, settled="2026-04-02")]), settled)
    with pytest.raises(ImportRefused, match="payment F2@2026 of 2 Apr 2026"):
        undo_batch(batch, actor=Actor.job("test"), reason="wrong", on=TODAY)
    later = ImportBatch.objects.order_by("pk").last()
    undo_batch(later, actor=Actor.job("test"), reason="wrong", on=TODAY)
    assert Instalment.objects.get().open_amount.minor == 25000
    undo_batch(batch, actor=Actor.job("test"), reason="wrong", on=TODAY)
    assert not current(Invoice).exists()
    with pytest.raises(ImportRefused, match="already undone"):
        undo_batch(batch, actor=Actor.job("test"), reason="wrong", on=TODAY)


def test_known_on_the_import_day_when_the_mapping_says_so(mapping, csv_file):
    take(csv_file(HEADER, [GOOD]), mapping("settled", SETTLED, known_on="import_day"))
    assert Invoice.objects.get().known_on == Payment.objects.get().known_on == TODAY
    assert Payment.objects.get().effective_on == date(2026, 2, 15)


def test_a_person_imports_only_into_companies_given_to_them(settled, csv_file):
    path = csv_file(HEADER, [GOOD])
    user = User.objects.create(username="carla")
    with pytest.raises(ImportRefused, match="may not"):
        take(path, settled, user=user)
    company = Company.objects.create(code="main", name="Our company", currency="EUR")
    with pytest.raises(ImportRefused, match="may not"):
        take(path, settled, user=user)
    Access.objects.create(user=user, company=company)
    assert take(path, settled, user=user).batch.imported_by == user


def test_file_level_refusals_name_what_is_wrong(settled, csv_file, tmp_path):
    with pytest.raises(ImportRefused, match="no file"):
        take(tmp_path / "none.csv", settled)
    with pytest.raises(ImportRefused, match="lacks the columns amount"):
        take(csv_file([name for name in HEADER if name != "amount"], []), settled)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ImportRefused, match="no header"):
        take(tmp_path / "empty.csv", settled)
    with pytest.raises(ImportRefused, match=r"Known: .*ibm-watson"):
        from customers.imports.setup import find_mapping

        find_mapping("nope")
    wrong = ImportMapping.objects.create(slug="wrong", layout="settled", spec={"columns": {"colour": "x"}})
    with pytest.raises(ImportRefused, match="unknown field colour"):
        take(csv_file(HEADER, []), wrong)


def test_two_sources_with_one_customer_number_stay_apart_unless_told(mapping, csv_file):
    take(csv_file(HEADER, [GOOD]), mapping("settled", SETTLED))
    other = {"code": "shop", "name": "Shop"}
    report = take(csv_file(HEADER, [row(GOOD, number="S1")]), mapping("settled", SETTLED, source=other))
    assert codes(report) == [(2, "customer", "customer_number_taken")]
    assert sorted(c.code for c in Customer.objects.all()) == ["C1", "shop:C1"]
    third = {"code": "web", "name": "Web"}
    take(
        csv_file(HEADER, [row(GOOD, number="W1")]),
        mapping("settled", SETTLED, source=third, customer_match="number"),
    )
    assert Customer.objects.count() == 2
