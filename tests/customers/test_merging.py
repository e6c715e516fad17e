"""Merging duplicate customers: everything moves, nothing is lost, no total of the book changes."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.applications import Wish, receive_application
from customers.approval import approve_limit_change, propose_limit_change
from customers.attributes import set_parent, set_status
from customers.disputes import open_dispute
from customers.exposure import MINUS, PLUS, exposures, instalments_open_at, payments_open_at
from customers.holds import place_hold
from customers.imports.problems import ImportRefused
from customers.imports.undo import undo_batch
from customers.ledger import LedgerError, allocate_payment, reverse_allocation
from customers.ledger.checking import check_ledger
from customers.legal import record_legal_event
from customers.limits import limit_at
from customers.merging import MergeRefused, merge_customers, plan_merge
from customers.models import (
    Allocation,
    BankConsent,
    Contact,
    CreditAccount,
    CreditHold,
    CreditSegment,
    Customer,
    CustomerKey,
    Dispute,
    FinancialStatement,
    ImportBatch,
    Instalment,
    Invoice,
    LegalEvent,
    LimitBinding,
    Promise,
)
from customers.promises import settle_promises, take_promise
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive
from tests.people import make_cast
from tests.properties.test_ledger import START, perform, steps

TODAY = date(2026, 11, 20)


@pytest.fixture
def pair(cast):
    """(stays, duplicate): two accounts of the same segment and currency."""
    twin = make_account(cast.company, "Rossi Forniture srl", portfolio=cast.portfolio)
    return cast.account, twin


def merge(cast, stays, duplicate, **extra):
    given = {"by": cast.controller, "reason": "the same VAT number", "on": TODAY} | extra
    return merge_customers(stays.customer, duplicate.customer, **given)


def totals(as_of):
    """Every total of the book at a date, from the open items: per company, currency, kind and due day."""
    open_items = {}
    for row in instalments_open_at(as_of).values_list("company", "currency", "kind", "due_on", "open_then"):
        open_items[row[:4]] = open_items.get(row[:4], 0) + row[4]
    cash = {}
    for row in payments_open_at(as_of).values_list("company", "currency", "open_then"):
        cash[row[:2]] = cash.get(row[:2], 0) + row[2]
    return {k: v for k, v in open_items.items() if v}, {k: v for k, v in cash.items() if v}


def book(as_of):
    accounts = list(CreditAccount.objects.select_related("customer", "company"))
    found = exposures(accounts, as_of).values()
    # Not `at_risk`: it is floored at zero per account, and one's cash now stands against the other's debts.
    parts = ("total", "overdue", *PLUS, *MINUS)
    return {part: sum(getattr(one, part).minor for one in found) for part in parts}


def fill(account, amount="1000.00"):
    late = invoice(account, amount, TODAY - timedelta(days=90))
    paid = invoice(account, amount, TODAY - timedelta(days=80))
    pay(paid, TODAY - timedelta(days=20))
    receive(account, "55.00", TODAY - timedelta(days=3))
    part = pay(late, TODAY - timedelta(days=10), "100.00")
    reverse_allocation(part.allocations.get(), actor=ACTOR, on=TODAY - timedelta(days=9), reason_code="error")
    allocate_payment(part, [(late, Decimal("60.00"))], actor=ACTOR, on=TODAY - timedelta(days=8))
    take_promise(
        account, [(late, Decimal("400.00"))], due_on=TODAY + timedelta(days=4), given_on=TODAY, actor=ACTOR
    )
    open_dispute(account, [(late, Decimal("100.00"))], reason="price", opened_on=TODAY, actor=ACTOR)
    return late


@pytest.mark.django_db
def test_two_accounts_become_one_and_no_total_moves(cast, pair):
    stays, duplicate = pair
    fill(stays), fill(duplicate, "700.00")
    dates = [TODAY - timedelta(days=n) for n in (0, 9, 30, 75)]
    before = [(totals(day), book(day)) for day in dates]
    merge(cast, stays, duplicate)
    assert [(totals(day), book(day)) for day in dates] == before
    assert list(check_ledger()) == []
    assert not Instalment.objects.filter(account=duplicate, superseded_at__isnull=True).exists()
    assert Promise.objects.filter(account=stays, superseded_at__isnull=True).count() == 2
    assert Dispute.objects.filter(account=stays, superseded_at__isnull=True).count() == 2
    for promise in Promise.objects.filter(superseded_at__isnull=True):
        assert promise.items.get().instalment.superseded_at is None
    # Life goes on: the promise of the duplicate is judged by cash that arrives on the one that stays.
    late = Instalment.objects.get(account=stays, amount=70000, open_amount__gt=0, superseded_at__isnull=True)
    pay(late, TODAY + timedelta(days=1))
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=TODAY + timedelta(days=40))
    settle_promises(TODAY + timedelta(days=40), account_ids=[stays.pk], actor=ACTOR)
    assert sorted(Promise.objects.filter(superseded_at__isnull=True).values_list("status", flat=True)) == [
        "broken",
        "kept",
    ]
    assert list(check_ledger()) == []


@pytest.mark.django_db
def test_what_was_known_then_still_shows_two(cast, pair):
    stays, duplicate = pair
    fill(stays), fill(duplicate)
    late = TODAY - timedelta(days=1)

    def seen(view):
        rows = Instalment.objects.seen(view).values_list("account", flat=True)
        return sorted(rows), Allocation.objects.seen(view).count()

    known = seen(View(known_at=late))
    merge(cast, stays, duplicate)
    assert seen(View(known_at=late)) == known
    assert set(seen(View())[0]) == {stays.pk}
    assert Instalment.objects.seen(View()).count() == 4


@pytest.mark.django_db
def test_people_keys_and_identifiers_follow(cast, pair):
    stays, duplicate = pair
    Customer.objects.filter(pk=duplicate.customer_id).update(vat_number="IT01234567890", lei="L2")
    Customer.objects.filter(pk=stays.customer_id).update(lei="L1")
    for row in (stays, duplicate):
        Contact.objects.create(customer=row.customer, name="Anna", email="anna@x.example")
    Contact.objects.create(customer=duplicate.customer, name="Bruno", phone="+39 02 1")
    CustomerKey.objects.create(source=cast.company.sources.get(), key="K9", customer=duplicate.customer)
    for row in (stays, duplicate):
        row.customer.refresh_from_db()
    plan = plan_merge(stays.customer, duplicate.customer, by=cast.controller, on=TODAY)
    assert plan.differing == {"lei": ("L1", "L2")}
    merge(cast, stays, duplicate)
    kept = Customer.objects.get(pk=stays.customer_id)
    gone = Customer.objects.get(pk=duplicate.customer_id)
    assert (kept.vat_number, kept.lei, gone.merged_into, gone.status) == (
        "IT01234567890",
        "L1",
        kept,
        "closed",
    )
    assert sorted(kept.contacts.values_list("name", flat=True)) == ["Anna", "Bruno"]
    assert kept.keys.get().key == "K9"
    duplicate.refresh_from_db()
    assert duplicate.joined_into == stays


@pytest.mark.django_db
def test_an_account_only_the_duplicate_has_moves_as_it_is(cast, pair):
    stays, duplicate = pair
    segment = CreditSegment.objects.create(company=cast.company, code="b", name="B")
    CreditAccount.objects.filter(pk=duplicate.pk).update(segment=segment)
    duplicate.refresh_from_db()
    late = fill(duplicate)
    merge(cast, stays, duplicate)
    duplicate.refresh_from_db()
    assert (duplicate.customer, duplicate.joined_into) == (stays.customer, None)
    late.refresh_from_db()
    assert late.superseded_at is None


@pytest.mark.django_db
def test_the_limit_of_the_duplicate_lapses_and_its_holds_do_not(cast, pair):
    stays, duplicate = pair
    for row, amount in ((stays, 5000), (duplicate, 3000)):
        change = propose_limit_change(
            row, Money.of(amount, "EUR"), actor=ACTOR, as_of=TODAY, reason_code="other"
        )
        approve_limit_change(change, approver=cast.approver, reason="yes", on=TODAY)
    place_hold(duplicate, reason_code="long_overdue", actor=ACTOR, on=TODAY, note="nobody answers")
    merge(cast, stays, duplicate)
    assert limit_at(stays, TODAY).base == Money.of(5000, "EUR")
    assert CreditHold.objects.get(account=stays).note == "nobody answers"


@pytest.mark.django_db
def test_an_insolvency_of_the_duplicate_stops_the_one_that_stays(cast, pair):
    stays, duplicate = pair
    record_legal_event(
        duplicate.customer, "insolvency", effective_on=TODAY, known_on=TODAY, source="register", actor=ACTOR
    )
    # Stored before such dates were refused: a merge carries what stands.
    LegalEvent.objects.create(
        customer=duplicate.customer,
        kind="lien",
        effective_on=TODAY,
        known_on=TODAY,
        ended_on=START,
        source="old file",
    )
    merge(cast, stays, duplicate)
    stays.customer.refresh_from_db()
    assert stays.customer.legal_events.get(kind="lien").ended_on == START
    assert stays.customer.status == "insolvent"
    assert limit_at(stays, TODAY).in_force == Money.zero("EUR")


@pytest.mark.django_db
def test_groups_and_earlier_merges_point_to_the_one_that_stays(cast, pair):
    stays, duplicate = pair
    child, head, older = (make_account(cast.company, n, portfolio=cast.portfolio) for n in "abc")
    set_parent(child.customer, duplicate.customer, on=TODAY, actor=ACTOR)
    set_parent(duplicate.customer, head.customer, on=TODAY, actor=ACTOR)
    merge(cast, duplicate, older)
    merge(cast, stays, duplicate)
    for row in (child, older, stays):
        row.customer.refresh_from_db()
    assert child.customer.parent == stays.customer
    assert older.customer.merged_into == stays.customer
    assert stays.customer.parent == head.customer


@pytest.mark.django_db
def test_the_trail_names_every_row(cast, pair):
    stays, duplicate = pair
    fill(duplicate)
    merge(cast, stays, duplicate)
    act = AuditEntry.objects.get(act="customer.merge")
    assert (act.actor, act.note.text, act.data["into"]) == (
        cast.controller,
        "the same VAT number",
        stays.customer_id,
    )
    tables = set(act.changes.values_list("table", flat=True))
    assert {"customers.customer", "customers.creditaccount", "customers.instalment"} <= tables
    old = Invoice.objects.filter(account=duplicate).first()
    change = act.changes.get(table="customers.invoice", object_pk=str(old.pk))
    new = Invoice.objects.get(pk=change.after["superseded_by"])
    assert (change.before, new.corrects, new.account) == ({"account": duplicate.pk}, old, stays)


@pytest.mark.django_db
def test_an_import_that_was_merged_over_cannot_be_undone(cast, pair):
    stays, duplicate = pair
    batch = ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=TODAY)
    row = invoice(duplicate, "10.00", TODAY, batch=batch, number="F-77")
    merge(cast, stays, duplicate)
    with pytest.raises(ImportRefused) as refusal:
        undo_batch(batch, actor=Actor.person(cast.controller), reason="x", on=TODAY)
    assert "F-77" in str(refusal.value)
    row.refresh_from_db()
    assert row.superseded_at is not None


@pytest.mark.django_db
def test_refused_with_a_sentence_and_nothing_half_done(cast, pair):
    stays, duplicate = pair
    fill(duplicate)
    abroad = make_account(cast.company, "USD", currency="USD", portfolio=cast.portfolio)
    trader = make_account(cast.company, "T", kind="sole_trader", portfolio=cast.portfolio)
    closed = make_account(cast.company, "C", portfolio=cast.portfolio)
    set_status(closed.customer, "closed", on=TODAY, actor=ACTOR)
    member = make_account(cast.company, "M", portfolio=cast.portfolio)
    set_parent(member.customer, stays.customer, on=TODAY, actor=ACTOR)
    for row in (abroad, trader, closed, member):
        row.customer.refresh_from_db()
    acts = AuditEntry.objects.count()
    for into, other, extra, words in (
        (stays, stays, {}, "two different"),
        (stays, duplicate, {"by": cast.collector}, "does not merge"),
        (stays, duplicate, {"by": cast.stranger}, "outside your portfolio"),
        (stays, cast.elsewhere, {}, "outside your portfolio"),
        (stays, duplicate, {"reason": " "}, "Write down why"),
        (stays, abroad, {}, "cannot be joined"),
        (stays, trader, {}, "sole trader"),
        (closed, duplicate, {}, "is closed"),
        (stays, member, {}, "take it out of the group"),
        (member, stays, {}, "take it out of the group"),
    ):
        with pytest.raises(MergeRefused, match=words):
            merge(cast, into, other, **extra)
    with transaction.atomic():
        receive_application(duplicate, Wish(Money.of(5, "EUR")), actor=ACTOR, on=TODAY)
        with pytest.raises(MergeRefused, match=r"application of .* is running"):
            merge(cast, stays, duplicate)
        transaction.set_rollback(True)
    propose_limit_change(duplicate, Money.of(5, "EUR"), actor=ACTOR, as_of=TODAY, reason_code="other")
    with pytest.raises(MergeRefused, match="waits for approval"):
        merge(cast, stays, duplicate)
    assert AuditEntry.objects.count() == acts + 1
    assert not Customer.objects.filter(merged_into__isnull=False).exists()


@pytest.mark.django_db
def test_which_limit_binds_the_duplicate_is_not_lost(cast, pair):
    stays, duplicate = pair
    given = {"binds": "total", "wanted_from": TODAY, "reason": "one limit", "proposed_on": TODAY}

    def propose(account, ceiling):
        return LimitBinding.objects.create(
            customer=account.customer, currency="EUR", ceiling=ceiling, proposed_by=cast.controller, **given
        )

    def decide(row):
        row.status, row.decided_by, row.decided_on, row.valid_from = "in_force", cast.approver, TODAY, TODAY
        row.save()

    row = propose(duplicate, Money.of(900, "EUR"))
    with pytest.raises(MergeRefused, match="have it decided first"):
        merge(cast, stays, duplicate)
    decide(row)
    decide(propose(stays, Money.of(950, "EUR")))
    with pytest.raises(MergeRefused, match=r"at most 900.00 EUR.*set the same"):
        merge(cast, stays, duplicate)
    decide(propose(stays, Money.of(900, "EUR")))
    assert merge(cast, stays, duplicate).obstacles == []


@pytest.mark.django_db
def test_merged_once(cast, pair):
    merge(cast, *pair)
    for into, other in (pair, pair[::-1]):
        with pytest.raises(MergeRefused, match="merged already"):
            merge(cast, into, other)


@pytest.mark.django_db
def test_queries_do_not_grow_with_the_rows(cast, pair):
    def cost(rows):
        one, two = (make_account(cast.company, portfolio=cast.portfolio) for _ in "ab")
        for n in range(rows):
            pay(invoice(two, "10.00", TODAY - timedelta(days=90 + n)), TODAY - timedelta(days=n + 1))
        with CaptureQueriesContext(connection) as queries:
            merge(cast, one, two)
        return len(queries)

    few, many = cost(2), cost(12)
    assert many <= few


class MergeProperties(TestCase):
    @settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
    @given(steps, st.lists(st.booleans(), min_size=18, max_size=18))
    def test_whatever_was_posted_no_total_of_the_book_moves(self, steps, sides):
        cast = make_cast()
        pair = [make_account(cast.company, portfolio=cast.portfolio) for _ in "ab"]
        day, days = START, {START}
        for (name, index, cents, gap), side in zip(steps, sides, strict=False):
            day += timedelta(days=gap)
            days.add(day)
            try:
                perform(pair[side], name, index, cents, day)
            except LedgerError:
                continue
        before = [(totals(d), book(d)) for d in days]
        merge_customers(pair[0].customer, pair[1].customer, by=cast.controller, reason="same", on=day)
        assert [(totals(d), book(d)) for d in days] == before
        assert list(check_ledger()) == []


def test_a_book_is_made(db):
    """The helpers above see money at all."""
    account = make_account(make_company())
    invoice(account, "10.00", TODAY)
    assert totals(TODAY)[0]
    assert book(TODAY)["total"] == 1000


@pytest.mark.django_db
def test_the_page_previews_and_merges_on_post(cast, pair, settings):
    settings.BUSINESS_DATE = TODAY
    stays, duplicate = pair
    fill(duplicate)
    url = reverse("admin:customers_customer_merge", args=[duplicate.customer_id])
    client = client_of(cast.controller)
    assert "Preview" in client.get(url).content.decode()
    assert "no such customer" in client.get(url, {"into": "nobody"}).content.decode()
    assert "no such customer" in client.get(url, {"into": cast.elsewhere.customer.code}).content.decode()
    shown = client.get(url, {"into": stays.customer.code}).content.decode()
    for words in (stays.customer.name, duplicate.customer.name, "2 documents"):
        assert words in shown
    post = f"{url}?into={stays.customer.code}"
    assert "Write down why" in client.post(post, {"reason": ""}).content.decode()
    assert not Customer.objects.filter(merged_into__isnull=False).exists()
    done = client.post(post, {"reason": "same VAT number"})
    assert done.url == reverse("desk:customer", args=[stays.customer_id])
    assert Customer.objects.get(pk=duplicate.customer_id).merged_into == stays.customer
    again = client.get(url, {"into": stays.customer.code}).content.decode()
    assert "merged already" in again and "<textarea" not in again
    for who, status in (("collector", 403), ("auditor", 403), ("stranger", 404)):
        assert client_of(getattr(cast, who)).post(post, {"reason": "x"}).status_code == status


@pytest.mark.django_db
def test_a_joined_account_leaves_the_list_and_its_page_points_on(cast, pair, settings):
    settings.BUSINESS_DATE = TODAY
    stays, duplicate = pair
    merge(cast, stays, duplicate)
    client = client_of(cast.controller)
    rows = client.get(reverse("desk:customers")).context["rows"]
    assert [row.pk for row in rows] == [stays.pk]
    page = client.get(reverse("desk:customer", args=[duplicate.customer_id])).content.decode()
    assert reverse("desk:customer", args=[stays.customer_id]) in page


@pytest.mark.django_db
def test_annual_accounts_follow_as_new_versions_and_a_bank_consent_stops_the_merge(cast, pair):
    stays, duplicate = pair
    dates = {"effective_on": TODAY, "known_on": TODAY}
    for row, source in ((stays, "a"), (duplicate, "a"), (duplicate, "b")):
        FinancialStatement.objects.create(customer=row.customer, currency="EUR", source=source, **dates)
    consent = BankConsent.objects.create(
        customer=duplicate.customer,
        purpose="scoring",
        scope="all",
        expires_on=TODAY + timedelta(days=90),
        **dates,
    )
    with pytest.raises(MergeRefused, match="revoke it first"):
        merge(cast, stays, duplicate)
    BankConsent.objects.filter(pk=consent.pk).update(revoked_on=TODAY)
    merge(cast, stays, duplicate)
    current = FinancialStatement.objects.filter(superseded_at__isnull=True, customer=stays.customer)
    assert sorted(current.values_list("source", flat=True)) == ["a", "b"]
    assert FinancialStatement.objects.filter(customer=duplicate.customer, source="b").get().superseded_at
