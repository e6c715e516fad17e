"""Whatever is posted, in whatever order: the counters equal the facts, and the past stays as it was."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from customers.exposure import instalments_open_at, payments_open_at
from customers.ledger import (
    InstalmentTerms,
    LedgerError,
    allocate_payment,
    apply_credit_note,
    correct_document,
    return_payment,
    reverse_allocation,
    write_off,
)
from customers.ledger.checking import check_ledger
from customers.models import Allocation, DocumentKind, Instalment, Payment
from tests.factories import ACTOR, invoice, make_account, make_company, receive
from tests.properties import examples

START = date(2026, 1, 1)
STEPS = ["invoice", "credit", "receive", "allocate", "apply", "reverse", "return", "write_off", "correct"]

steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 7), st.integers(1, 12000), st.integers(0, 6)),
    min_size=4,
    max_size=18,
)


def pick(rows, index):
    rows = list(rows.order_by("pk"))
    return rows[index % len(rows)] if rows else None


def current(kind):
    return Instalment.objects.filter(kind=kind, superseded_at__isnull=True)


def perform(account, name, index, cents, day):
    """One step; LedgerError is a legitimate answer, anything else is not."""
    amount = Decimal(cents) / 100
    row = pick(current(DocumentKind.INVOICE), index)
    if name == "invoice":
        invoice(account, str(amount), day, days=index * 5)
    elif name == "credit":
        invoice(account, str(amount), day, days=0, kind=DocumentKind.CREDIT_NOTE)
    elif name == "receive":
        receive(account, str(amount), day)
    elif row is None:
        return
    elif name == "allocate":
        payment = pick(Payment.objects.filter(open_amount__gt=0), index)
        if payment and row.open_amount:
            part = min(payment.open_amount, row.open_amount, key=lambda m: m.minor)
            allocate_payment(payment, [(row, min(part.amount, amount))], actor=ACTOR, on=day)
    elif name == "apply":
        credit = pick(current(DocumentKind.CREDIT_NOTE).filter(open_amount__gt=0), index)
        if credit:
            apply_credit_note(credit, [(row, amount)], actor=ACTOR, on=day)
    elif name == "reverse":
        allocation = pick(
            Allocation.objects.filter(amount__gt=0, instalment__isnull=False, superseded_at__isnull=True),
            index,
        )
        if allocation:
            reverse_allocation(allocation, actor=ACTOR, on=day, reason_code="error")
    elif name == "return":
        payment = pick(Payment.objects.all(), index)
        if payment:
            return_payment(payment, actor=ACTOR, on=day, reason_code="nsf")
    elif name == "write_off":
        write_off([(row, amount)], actor=ACTOR, on=day, reason_code="bad_debt")
    elif name == "correct":
        terms = [InstalmentTerms(row.due_on + timedelta(days=3), amount)]
        correct_document(row.invoice, actor=ACTOR, corrected_on=day, instalments=terms)


def brute_force_open(as_of):
    """Open amounts at a date from the raw facts alone, in plain Python."""
    open_minor = {
        row.pk: row.amount.minor
        for row in Instalment.objects.filter(superseded_at__isnull=True, effective_on__lte=as_of)
    }
    for allocation in Allocation.objects.filter(superseded_at__isnull=True, effective_on__lte=as_of):
        for target in (allocation.instalment_id, allocation.credit_id):
            if target in open_minor:
                open_minor[target] -= allocation.amount.minor
    return {pk: minor for pk, minor in open_minor.items() if minor}


def figures(as_of):
    return (
        dict(instalments_open_at(as_of).values_list("pk", "open_then")),
        dict(payments_open_at(as_of).values_list("pk", "open_then")),
    )


class LedgerProperties(TestCase):
    @settings(max_examples=examples(8), deadline=None)
    @given(steps)
    def test_counters_equal_facts_and_the_past_stays(self, steps):
        account = make_account(make_company())
        day, before = START, {}
        for name, index, cents, gap in steps:
            day += timedelta(days=gap)
            try:
                perform(account, name, index, cents, day)
            except LedgerError:
                continue
            if name == "correct":
                before.clear()  # a correction is meant to change what we know of earlier days
            for earlier, figure in before.items():
                if earlier < day:
                    assert figures(earlier) == figure, f"{name} on {day} changed {earlier}"
            before[day] = figures(day)
        assert [str(f) for f in check_ledger()] == []
        for as_of in {*before, START, day}:
            assert brute_force_open(as_of) == figures(as_of)[0]

    @settings(max_examples=examples(8), deadline=None)
    @given(steps)
    def test_backdated_postings_never_make_a_past_day_negative(self, steps):
        """Steps in any order of dates, as late bookings come."""
        account = make_account(make_company())
        days = set()
        for name, index, cents, gap in steps:
            days.add(day := START + timedelta(days=gap * 3 + index))
            try:
                perform(account, name, index, cents, day)
            except LedgerError:
                continue
        assert [str(f) for f in check_ledger()] == []
        for as_of in days:
            assert brute_force_open(as_of) == figures(as_of)[0]
