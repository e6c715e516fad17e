"""Orders, deliveries, billed parts and cover from files: in any order, idempotent, corrected, undone."""

from datetime import date as D

import pytest

from creditdesk.core.money import Money
from customers.bank.feeds import Options
from customers.evidence.imports import run_evidence_import
from customers.evidence.mapping import find_evidence_mapping, parse_evidence_spec, shipped_evidence_mappings
from customers.exposure import exposures
from customers.imports.problems import cure, reason
from customers.imports.spec import SpecError
from customers.imports.undo import undo_batch
from customers.models import BilledPart, Cover, CreditSegment, Customer, Delivery, OpenOrder
from tests.factories import ACTOR, invoice, make_account, make_company

pytestmark = pytest.mark.django_db
TODAY = D(2026, 11, 20)


@pytest.fixture
def account():
    row = make_account(make_company())
    Customer.objects.filter(pk=row.customer_id).update(code="T-A")
    return row


def take(tmp_path, mapping, text, today=TODAY):
    path = tmp_path / "file.csv"
    path.write_text(text)
    return run_evidence_import(path, find_evidence_mapping(mapping), Options(today=today, commit=True))


def parts(account, on=TODAY):
    found = exposures([account], on)[account.pk]
    names = ("open_invoices", "unbilled_deliveries", "open_orders")
    return tuple(int(getattr(found, name).amount) for name in names)


def counts(report):
    return tuple(report.counts[name] for name in ("new", "corrected", "unchanged", "refused"))


def test_an_order_becomes_an_invoice_through_files_in_any_order(tmp_path, account):
    deliveries = (
        "customer,delivery,order,delivered_on,currency,amount,invoice,invoice_date,billed\n"
        "T-A,L1,O1,2026-11-10,EUR,400.00,F1,2026-11-12,250\n"
        "T-A,L2,O1,2026-11-15,EUR,100.00,,,\n"
    )
    first = take(tmp_path, "deliveries", deliveries)
    assert counts(first) == (3, 0, 0, 0) and parts(account) == (0, 500, 0)
    orders = (
        "customer,order,ordered_on,expected_on,currency,amount,product_line\n"
        "T-A,O1,2026-11-01,2026-11-25,EUR,1000.00,machines\nT-A,O2,2026-11-02,2027-06-01,EUR,50,\n"
    )
    assert counts(take(tmp_path, "orders", orders)) == (2, 0, 0, 0)
    assert set(OpenOrder.objects.values_list("number", "product_line")) == {("O1", "machines"), ("O2", "")}
    assert parts(account) == (0, 500, 500)
    invoice(account, "250", D(2026, 11, 12), number="F1")
    assert parts(account) == (250, 250, 500)
    assert counts(take(tmp_path, "deliveries", deliveries)) == (0, 0, 3, 0)
    billed = "order,customer,invoice,invoice_date,currency,amount\nO1,T-A,,2026-11-18,EUR,300\n"
    take(tmp_path, "billed-parts", billed)
    assert parts(account) == (250, 0, 450)
    # A list of what is open: our own reckoning agrees for one, corrects another, closes a third, is new to us.
    listed = (
        "customer,order,ordered_on,expected_on,currency,open,open_on\n"
        "T-A,O1,2026-11-01,2026-11-25,EUR,450,2026-11-20\n"
        "T-A,O3,2026-11-03,2026-12-01,EUR,70,2026-11-20\n"
    )
    report = take(tmp_path, "open-orders", listed)
    assert counts(report) == (1, 1, 1, 0)
    assert OpenOrder.objects.seen().get(number="O2").closed_on == TODAY
    assert parts(account) == (250, 0, 520)
    less = listed.replace("450", "440").replace("70,", "0,")
    assert counts(take(tmp_path, "open-orders", less)) == (0, 2, 0, 0)
    assert parts(account) == (250, 0, 440)
    take(tmp_path, "deliveries", deliveries + "T-A,L3,O1,2026-11-21,EUR,40,,,\n", D(2026, 11, 22))
    assert parts(account, D(2026, 11, 22)) == (250, 0, 440)  # goods billed ahead
    undo_batch(report.batch, actor=ACTOR, reason="yesterday's file", on=TODAY)
    assert OpenOrder.objects.seen().get(number="O2").closed_on is None
    undo_batch(first.batch, actor=ACTOR, reason="wrong file", on=TODAY)
    assert not BilledPart.objects.seen().filter(batch=first.batch).exists()
    assert not Delivery.objects.seen().filter(batch=first.batch).exists()


def test_cover_with_its_terms_and_the_rows_that_cannot_be_taken(tmp_path, account):
    invoice(account, "1000", D(2026, 11, 1))
    head = "customer,kind,provider,policy,currency,amount,percent,from,until,notify_days,guarantor,haircut\n"
    good = "T-A,insurance,Insurer,P1,EUR,800,90,2026-01-01,2026-12-31,60,,\n"
    report = take(
        tmp_path,
        "cover",
        head
        + good
        + "T-A,deposit,,,EUR,5,100,2026-01-01,,30,,\n"
        + "T-A,parent,Holding,,EUR,100,100,2026-01-01,,,T-Z,\n"
        + "T-A,guarantee,Bank,,EUR,100,101,2026-01-01,,,,\n"
        + "T-A,guarantee,Bank,,EUR,-1,100,2026-01-01,,,,\n"
        + "T-A,guarantee,Bank,G1,EUR,100,100,2026-03-01,2026-02-01,,,\n"
        + "T-A,guarantee,Bank,G1,EUR,100,100,2027-01-01,,,,50\n",
    )
    assert [(p.row, p.code) for p in report.problems] == [
        (3, "cover_terms"),
        (4, "unknown_customer"),
        (5, "bad_integer"),
        (6, "amount_not_positive"),
        (7, "cover_terms"),
    ]
    assert all(reason(p.code, p.params) and cure(p.code, p.params) for p in report.problems)
    assert exposures([account], TODAY)[account.pk].cover == Money.of(720, "EUR")
    withdrawn = head.replace("until", "withdrawn_on") + good.replace("2026-12-31", "2026-10-31")
    assert counts(take(tmp_path, "cover", withdrawn)) == (0, 1, 0, 0)
    assert exposures([account], TODAY)[account.pk].cover == Money.zero("EUR")
    kept = Cover.objects.seen().get(policy="P1")
    assert (kept.expires_on, kept.withdrawn_on, kept.known_on) == (D(2026, 12, 31), D(2026, 10, 31), TODAY)


def test_the_account_of_a_row(tmp_path, account):
    segment = CreditSegment.objects.create(company=account.company, code="parts", name="Parts")
    account.customer.accounts.create(segment=segment, company=account.company, currency="EUR")
    head = "customer,order,ordered_on,expected_on,currency,amount,segment\n"
    row = "T-A,O1,2026-11-01,2026-11-25,EUR,10,{}\n"
    report = take(tmp_path, "orders", head + row.format("") + row.format("none") + row.format("parts"))
    assert [p.code for p in report.problems] == ["which_account", "no_credit_account"]
    assert OpenOrder.objects.get().account.segment == segment
    raw = shipped_evidence_mappings()["orders"]
    with pytest.raises(SpecError, match="open_amount"):
        columns = {name: column for name, column in raw["columns"].items() if name != "amount"}
        parse_evidence_spec("x", "orders", raw | {"columns": columns})
    with pytest.raises(SpecError, match="complete"):
        parse_evidence_spec("x", "deliveries", shipped_evidence_mappings()["deliveries"] | {"complete": True})
