"""The ledger as arrays: what was known when, from real rows written by the ledger's own verbs."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from creditdesk.core.facts import View
from customers.disputes import close_dispute, open_dispute
from customers.ledger import (
    InstalmentTerms,
    allocate_payment,
    apply_credit_note,
    post_document,
    return_payment,
)
from customers.models import DocumentKind, ImportBatch, Instalment
from scoring.invoices.history import History, Moment
from scoring.invoices.ledger import ELECTRONIC, NEVER, PAPER, UNKNOWN
from scoring.invoices.load import load_ledger
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive

pytestmark = pytest.mark.django_db
ISSUED = date(2026, 1, 5)
DUE = ISSUED + timedelta(days=30)


def days(day):
    return day.toordinal()


@pytest.fixture
def account():
    return make_account(make_company(complete_through=date(2026, 12, 31)))


def late_at(day, days_late=0):
    """(decided, late) of the account's whole record on a day, through an observer that is not one of its rows."""
    ledger = load_ledger()
    history = History(ledger)
    other = int(np.flatnonzero(ledger.account == ledger.account.max())[0])
    seen = Moment(np.array([ledger.account.min()]), np.array([days(day)]), np.array([other]))

    decided, late = history.beyond(days_late, None, None, seen)
    return float(decided[0]), float(late[0])


def test_paid_open_and_part_paid(account):
    first = invoice(account, "100", ISSUED)
    pay(first, DUE + timedelta(days=7))
    invoice(account, "200.50", ISSUED)
    part = invoice(account, "300", ISSUED)
    pay(part, DUE + timedelta(days=2), "100")
    pay(part, DUE + timedelta(days=9), "200")
    ledger = load_ledger()
    assert ledger.paid.tolist() == [days(DUE) + 7, NEVER, days(DUE) + 9]
    assert (ledger.paid_known >= ledger.paid).all()
    assert ledger.amount.tolist() == [100, 200.5, 300]
    assert set(ledger.currency) == {"EUR"} and (ledger.issued == days(ISSUED)).all()


def test_how_an_invoice_was_sent(account):
    rows = [invoice(account, "100", ISSUED, delivery=sent) for sent in ("electronic", "paper", "")]
    for row in rows[:2]:
        pay(row, DUE + timedelta(days=7))
    ledger = load_ledger()
    assert ledger.channel.tolist() == [ELECTRONIC, PAPER, UNKNOWN] and ledger.channel.dtype.itemsize == 1
    history, seen = History(ledger), Moment(ledger.account[2:], np.array([days(DUE) + 2]), np.array([2]))
    assert [float(x[0]) for x in history.beyond(0, None, None, seen)] == [2, 2]
    assert [float(x[0]) for x in history.sent(0, None, None, seen)] == [2, 1]
    # As it was recorded an hour ahead it is the same; what an import tells of a stored invoice later is not.
    ahead = timezone.now() + timedelta(hours=1)
    source = account.company.sources.get(code="erp")
    told = ImportBatch.objects.create(source=source, recorded_at=ahead + timedelta(hours=1))
    invoice(account, "100", ISSUED, delivery="paper", delivery_batch=told)
    assert load_ledger(view=View(recorded_by=ahead)).channel.tolist() == [ELECTRONIC, PAPER, UNKNOWN, UNKNOWN]
    assert load_ledger().channel.tolist() == [ELECTRONIC, PAPER, UNKNOWN, PAPER]


def test_a_credited_invoice_is_no_payment(account):
    row = invoice(account, "100", ISSUED)
    note = post_document(
        account,
        account.company.sources.get(code="erp"),
        "C-1",
        issued_on=DUE,
        kind=DocumentKind.CREDIT_NOTE,
        instalments=[InstalmentTerms(DUE, Decimal("100"))],
        actor=ACTOR,
    )
    apply_credit_note(note.instalments.get(), [(row, Decimal("100"))], on=DUE, actor=ACTOR)
    ledger = load_ledger()
    assert len(ledger) == 1, "the note itself is no invoice"
    assert ledger.paid[0] == NEVER and ledger.closed_known[0] < NEVER and ledger.at_least[0] == -NEVER


def test_a_payment_taken_back_counts_until_it_was(account):
    row = invoice(account, "100", ISSUED)
    payment = receive(account, "100", DUE)
    allocate_payment(payment, [(row, Decimal("100"))], actor=ACTOR)
    back = DUE + timedelta(days=10)
    return_payment(payment, on=back, actor=ACTOR, reason_code="nsf")
    pay(Instalment.objects.get(pk=row.pk), DUE + timedelta(days=20))
    invoice(make_account(account.company), "5", date(2026, 12, 1))
    assert late_at(DUE + timedelta(days=5)) == (1, 0), "paid on time, as far as anybody knew"
    assert late_at(back + timedelta(days=1)) == (1, 1), "open again and overdue"
    assert late_at(DUE + timedelta(days=40)) == (1, 1)
    assert late_at(DUE + timedelta(days=40), 15) == (1, 1)
    assert late_at(DUE + timedelta(days=40), 30) == (1, 0), "paid in the end, 20 days late"


def test_a_second_dispute_does_not_prolong_the_first(account):
    """Between the two the invoice stood open and overdue, and on those days nobody knew of the second."""
    row = invoice(account, "100", ISSUED)
    amount = [(row, Decimal("100"))]
    first = open_dispute(account, amount, reason="price", opened_on=DUE - timedelta(days=5), actor=ACTOR)
    close_dispute(first, outcome="rejected", on=DUE + timedelta(days=5), actor=ACTOR)
    before = load_ledger()
    open_dispute(account, amount, reason="price", opened_on=DUE + timedelta(days=20), actor=ACTOR)
    after = load_ledger()
    assert after.disputed.tolist() == before.disputed.tolist() == [days(DUE) - 5]
    assert after.undisputed.tolist() == before.undisputed.tolist() == [days(DUE) + 5]


def test_scope_and_views(account):
    other = make_account(account.company)
    invoice(account, "100", ISSUED)
    invoice(other, "100", ISSUED)
    assert load_ledger({account.pk}).account.tolist() == [account.pk]
    assert len(load_ledger(view=View(known_at=ISSUED))) == 2
    assert len(load_ledger({-1})) == 0


def test_queries_do_not_grow_with_the_ledger(account, django_assert_num_queries):
    for number in range(3):
        pay(invoice(account, "100", ISSUED + timedelta(days=number)), DUE)
    with django_assert_num_queries(5):
        load_ledger()
