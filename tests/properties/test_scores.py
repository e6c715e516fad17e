"""What must hold for every score, whatever the ledger looks like."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.models import Allocation, Instalment, Invoice, Payment
from scoring.card import active_card
from scoring.engine import compute
from scoring.explain import explain
from scoring.statement import Scope
from tests.factories import make_account, make_company
from tests.properties import examples

AS_OF = date(2026, 6, 30)
_keys = count(1)

pytestmark = pytest.mark.django_db


class Undo(Exception):
    pass


@pytest.fixture(params=[0, 9], ids=["complete", "nine days behind"])
def company(request):
    return make_company(complete_through=AS_OF - timedelta(days=request.param))


# One invoice: days before AS_OF it fell due (negative: due later), amount, and its payments as
# (share in percent, days after the due date); what is not paid by AS_OF stays open.
invoices = st.lists(
    st.tuples(
        st.integers(-20, 420),
        st.integers(1, 500_000),
        st.lists(st.tuples(st.integers(1, 100), st.integers(-30, 200)), max_size=3),
    ),
    min_size=1,
    max_size=9,
)


def write(account, drawn) -> None:
    """Store the ledger with bulk inserts: hypothesis asks for hundreds of them."""
    source, company = account.company.sources.get(code="erp"), account.company
    common = {"known_on": AS_OF, "currency": "EUR", "account": account}
    documents, rows, money, allocations = [], [], [], []
    for ago, amount, payments in drawn:
        due = AS_OF - timedelta(days=ago)
        issued = min(due, AS_OF) - timedelta(days=30)
        owner = {"company": company, "kind": "invoice", "amount": amount, "effective_on": issued, **common}
        document = Invoice(**owner, source=source, number=f"H{next(_keys)}", fiscal_year=2026)
        row = Instalment(**owner, invoice=document, due_on=due, account_amount=amount, open_amount=amount)
        documents.append(document)
        rows.append(row)
        left = amount
        for share, late in sorted(payments, key=lambda p: p[1]):
            on = due + timedelta(days=late)
            part = min(left, amount * share // 100)
            if on > AS_OF or part <= 0:
                continue
            left -= part
            row.open_amount = left
            if not left:
                row.settled_on, row.settled_by = on, "cash"
            key = f"H{next(_keys)}"
            paid = {"amount": part, "effective_on": on, **common}
            money.append(Payment(**paid, company=company, source=source, key=key, open_amount=0))
            allocations.append(
                Allocation(
                    **paid,
                    kind="cash",
                    instalment=row,
                    payment=money[-1],
                    account_amount=part,
                    days_late=late,
                )
            )
    for model, some in (
        (Invoice, documents),
        (Instalment, rows),
        (Payment, money),
        (Allocation, allocations),
    ):
        model.objects.bulk_create(some)


def score_of(company, drawn):
    """The score of an account with this ledger; the ledger is taken back afterwards."""
    result = []
    try:
        with transaction.atomic():
            account = make_account(company)
            write(account, drawn)
            result = list(compute(AS_OF, Scope.of([account.pk])))
            raise Undo
    except Undo:
        return result[0]


relaxed = settings(
    max_examples=examples(20),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@relaxed
@given(drawn=invoices, data=st.data())
def test_raising_lateness_never_raises_the_score(company, drawn, data):
    """Pay one part of one invoice later, or not at all."""
    paid = [(n, m) for n, (_a, _b, payments) in enumerate(drawn) for m in range(len(payments))]
    if not paid:
        return
    n, m = data.draw(st.sampled_from(paid))
    delay = data.draw(st.sampled_from([1, 3, 10, 30, 90, 1000]))
    ago, amount, payments = drawn[n]
    # Parts keep their order, or the shares of a short-paid invoice would be dealt differently.
    later = sorted(payments, key=lambda p: p[1])
    later[m] = (later[m][0], later[m][1] + delay)
    if sum(share for share, _late in payments) > 100 and later != sorted(later, key=lambda p: p[1]):
        return
    worse = [*drawn]
    worse[n] = (ago, amount, later)
    before, after = score_of(company, drawn), score_of(company, worse)
    assert after.score <= before.score
    assert after.depth == before.depth


@relaxed
@given(drawn=invoices)
def test_base_and_points_are_the_score_exactly(company, drawn):
    row = score_of(company, drawn)
    told = explain(row, active_card())
    assert told.base_points + sum(item.points for item in told.items) == row.score
    shown = sum(item.points for item in (*told.helping, *told.hurting))
    assert told.base_points + shown + told.unknown + told.others == row.score
    assert len(told.helping) <= 5 and len(told.hurting) <= 5
    assert 0 <= row.score <= 100
