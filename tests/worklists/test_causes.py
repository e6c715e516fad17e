"""A named cast: every character's row names its own amount, date and cause."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import translation

from customers.disputes import close_dispute, open_dispute
from customers.ledger import return_payment
from customers.models import Dispute, DunningBlock, LegalEvent
from customers.promises import settle_promises, take_promise
from tests.factories import ACTOR, invoice, pay, receive
from tests.worklists.conftest import AS_OF, account_of, ago, give_limit, history, overdue
from worklists.causes import say_cause
from worklists.models import WorklistRow
from worklists.runs import build_worklists
from worklists.steps import say_step

pytestmark = pytest.mark.django_db


def build():
    build_worklists(AS_OF)
    return {row.account_id: row for row in WorklistRow.objects.all()}


def row_of(account):
    return build()[account.pk]


def broken_promise(account, amount="6000.00", due=14, days=50):
    item = overdue(account, amount, days)
    take_promise(account, [(item, Decimal(amount))], due_on=ago(due), given_on=ago(due + 7), actor=ACTOR)
    settle_promises(AS_OF, actor=ACTOR)
    return item


def slow_giant(company, who):
    account = account_of(company, who, "Slow Giant SpA")
    history(account, 25, amount="40000.00")
    overdue(account, "40000.00", 12)
    return account, "habit", "email_gentle", "25 days late, now at day 12: expected around 6 Dec"


def sudden_collapse(company, who):
    account = account_of(company, who, "Collapse Srl")
    history(account, 0, count=9)
    overdue(account, "4000.00", 32)
    overdue(account, "5000.00", 20)
    return account, "sudden_change", "call_management", "in time until 22 Oct; now 2 invoices late"


def seasonal(company, who):
    account = account_of(company, who, "Gelati Stagione")
    for due in (395, 385, 375):
        row = invoice(account, "2000.00", ago(due + 30), 30)
        pay(row, row.due_on + timedelta(days=30))
    history(account, 0, count=6, first=270, step=30)
    overdue(account, "3000.00", 8)
    return account, "seasonal", "email_plan", "30 days late at this time last year"


def disputer(company, who):
    account = account_of(company, who, "Disputer Ltd")
    item = overdue(account, "10000.00", 25)
    open_dispute(account, [(item, Decimal("4000"))], reason="quality", opened_on=ago(10), actor=ACTOR)
    return (
        account,
        "part_disputed",
        "call_rest",
        "4,000\u00a0EUR in dispute (quality), the other 6,000\u00a0EUR",
    )


def breaker(company, who):
    account = account_of(company, who, "Promises & Co")
    broken_promise(account)
    return account, "broken_promise", "call_promise", "broken promise of 6,000\u00a0EUR for 9 Nov"


def group(company, who):
    head = account_of(company, who, "Holding AG")
    first = account_of(company, who, "Holding Nord", parent=head.customer)
    second = account_of(company, who, "Holding Süd", parent=head.customer)
    overdue(first, "8000.00", 45)
    overdue(second, "9000.00", 50)
    return first, "group_trouble", "call_head", "group Holding AG in trouble: 2 of its companies"


def returned(company, who):
    account = account_of(company, who, "Insoluto Snc")
    item = overdue(account, "2500.00", 25)
    payment = pay(item, ago(20))
    return_payment(payment, actor=ACTOR, on=ago(4), reason_code="nsf")
    return account, "returned_payment", "call_returned", "payment of 2,500\u00a0EUR came back on 19 Nov"


def closed(company, who):
    account = account_of(company, who, "Dispute Over SA")
    item = overdue(account, "7000.00", 40)
    case = open_dispute(account, [(item, Decimal("7000"))], reason="price", opened_on=ago(30), actor=ACTOR)
    close_dispute(case, outcome=Dispute.Outcome.REJECTED, on=ago(3), actor=ACTOR)
    return account, "dispute_closed", "send_outcome", "dispute over 7,000\u00a0EUR closed on 20 Nov"


def growing(company, who):
    account = account_of(company, who, "Growing Hole")
    overdue(account, "3000.00", 95)
    overdue(account, "2000.00", 10)
    return account, "growing", "call_escalate", "3,000\u00a0EUR a month ago, 5,000\u00a0EUR today"


def first_late(company, who):
    account = account_of(company, who, "Always Fine GmbH")
    history(account, -2, count=6)
    overdue(account, "900.00", 6)
    return account, "first_late", "email_gentle", "late for the first time after 6 payments"


def new_large(company, who):
    account = account_of(company, who, "Large Order BV")
    history(account, 5, count=6, amount="1000.00")
    overdue(account, "30000.00", 4)
    return account, "new_large", "call_large", "30,000\u00a0EUR fell due on 19 Nov"


def over_limit(company, who):
    account = account_of(company, who, "Above Limit")
    history(account, 6, count=3)
    overdue(account, "6000.00", 20)
    overdue(account, "100.00", 9)
    give_limit(account, "4000.00")
    return account, "limit_exceeded", "call_limit", "2,100\u00a0EUR above the limit of 4,000\u00a0EUR"


def newcomer(company, who):
    account = account_of(company, who, "Fresh Start")
    overdue(account, "800.00", 18)
    return account, "never_paid", "email_1", "has not paid anything yet"


def unapplied(company, who):
    account = account_of(company, who, "Cash On Account")
    overdue(account, "1500.00", 20)
    receive(account, "1400.00", ago(1))
    return account, "unapplied_cash", "apply_cash", "1,400\u00a0EUR received on 22 Nov is not applied yet"


def insolvent(company, who):
    account = account_of(company, who, "Fallita Spa", status="insolvent")
    overdue(account, "5000.00", 30)
    LegalEvent.objects.create(
        customer=account.customer,
        kind="insolvency",
        source="register",
        effective_on=ago(15),
        known_on=ago(15),
    )
    return account, "insolvent", "file_claim", "insolvency proceedings opened on 8 Nov 2026"


def handed_over(company, who):
    account = account_of(company, who, "Agency Case")
    overdue(account, "4400.00", 200)
    DunningBlock.objects.create(
        account=account,
        reason_code="handed_over",
        expires_on=AS_OF + timedelta(days=200),
        effective_on=ago(20),
        known_on=ago(20),
    )
    return account, "handed_over", "ask_agency", "handed over on 3 Nov 2026"


CAST = [
    *(slow_giant, sudden_collapse, seasonal, disputer, breaker, group, returned, closed, growing),
    *(first_late, new_large, over_limit, newcomer, unapplied, insolvent, handed_over),
]


def test_each_character_reads_as_itself_and_no_two_alike_in_any_language(company, marta):
    cast = {make.__name__: make(company, marta) for make in CAST}
    rows = build()
    for name, (account, cause, step, words) in cast.items():
        row = rows[account.pk]
        assert (row.cause_code, row.step_code) == (cause, step), name
        assert words in say_cause(row.cause_code, row.cause_params), name
    for language in ("en", "it", "es", "fr"):
        with translation.override(language):
            said = [
                (
                    say_cause(rows[account.pk].cause_code, rows[account.pk].cause_params),
                    say_step(rows[account.pk].step_code, rows[account.pk].step_params),
                )
                for account, *_ in cast.values()
            ]
        assert len(set(said)) == len(CAST)
        assert all("%(" not in text for pair in said for text in pair)


def test_a_second_broken_promise_calls_for_a_part_payment(company, marta):
    account = account_of(company, marta)
    broken_promise(account, "1000.00", due=60, days=90)
    broken_promise(account, "2000.00", due=20, days=50)
    row = row_of(account)
    assert row.step_code == "call_part_payment"
    assert "number 2" in say_cause(row.cause_code, row.cause_params)


def test_a_broken_promise_paid_since_is_no_cause(company, marta):
    account = account_of(company, marta)
    item = broken_promise(account)
    pay(item, ago(2))
    overdue(account, "500.00", 5)
    assert row_of(account).cause_code != "broken_promise"


def test_a_promise_due_today_is_looked_up_not_chased(company, marta):
    account = account_of(company, marta)
    item = overdue(account, "1500.00", 20)
    take_promise(account, [(item, Decimal("1500"))], due_on=AS_OF, given_on=ago(5), actor=ACTOR)
    row = row_of(account)
    assert (row.cause_code, row.step_code, row.at_risk.minor) == ("promise_today", "check_bank", 0)


def test_legal_accounts_have_their_own_lane_and_are_never_called(company, marta):
    lanes = {make(company, marta)[0].pk for make in (insolvent, handed_over)}
    for pk, row in build().items():
        assert row.lane == ("legal" if pk in lanes else "normal")
        if pk in lanes:
            assert row.step_code in {"file_claim", "ask_agency"}
