"""Why an account is on nobody's list today: every reason the build can have, in words."""

from decimal import Decimal

import pytest
from django.urls import reverse

from customers.disputes import open_dispute
from customers.models import Customer, DunningBlock
from customers.promises import take_promise
from tests.factories import ACTOR, make_company
from tests.worklists.conftest import AS_OF, account_of, ago, overdue
from worklists import actions
from worklists.models import FollowUp
from worklists.runs import build_worklists
from worklists.why_not import say_why_not, why_not

pytestmark = pytest.mark.django_db


def test_without_a_complete_day_nobody_is_judged(marta):
    company = make_company("never")
    account = account_of(company, marta)
    overdue(account)
    (built,) = build_worklists(AS_OF, company)
    assert built.judged_on is None
    assert why_not(account, AS_OF)[0] == "not_judged"


def nothing(account, marta):
    return "nothing_open"


def not_due(account, marta):
    overdue(account, "500.00", -10)
    return "next_due"


def promised(account, marta):
    item = overdue(account, "500.00")
    take_promise(
        account, [(item, Decimal("500"))], due_on=AS_OF.replace(day=27), given_on=ago(2), actor=ACTOR
    )
    return "all_promised"


def disputed(account, marta):
    item = overdue(account, "500.00")
    open_dispute(account, [(item, Decimal("500"))], reason="price", opened_on=ago(2), actor=ACTOR)
    return "all_disputed"


def blocked(account, marta):
    overdue(account, "500.00")
    DunningBlock.objects.create(
        account=account, reason_code="x", effective_on=ago(5), known_on=ago(5), expires_on=AS_OF
    )
    return "all_blocked"


def small(account, marta):
    overdue(account, "9.00")
    return "small_amount"


def contacted(account, marta):
    overdue(account, "900.00")
    FollowUp.objects.create(account=account, kind="call", outcome="reached", business_date=ago(2), by=marta)
    return "recent_contact"


def on_list(account, marta):
    overdue(account, "900.00")
    return "on_list"


def snoozed(account, marta):
    overdue(account, "900.00")
    actions.snooze(account, user=marta, on=AS_OF, until=AS_OF.replace(day=26), reason="internal")
    return "snoozed"


def on_no_collectors_list(account, marta):
    account.collector = None
    account.save()
    overdue(account, "900.00")
    return "on_nobodys_list"


def insolvent(account, marta):
    overdue(account, "900.00")
    Customer.objects.filter(pk=account.customer_id).update(status=Customer.Status.INSOLVENT)
    return "on_legal_lane"


def insolvent_owing_nothing(account, marta):
    Customer.objects.filter(pk=account.customer_id).update(status=Customer.Status.INSOLVENT)
    return "legal_nothing_due"


CASES = (nothing, not_due, promised, disputed, blocked, small, contacted, on_list, snoozed,
         on_no_collectors_list, insolvent, insolvent_owing_nothing)  # fmt: skip


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda c: c.__name__,
)
def test_why_not_says_what_holds(case, company, marta):
    account = account_of(company, marta)
    expected = case(account, marta)
    build_worklists(AS_OF)
    assert why_not(account, AS_OF)[0] == expected
    text = say_why_not(account, AS_OF)
    assert text and "%(" not in text


def test_what_fell_due_after_the_complete_day_is_named_with_its_sum(marta):
    company = make_company("slow", complete_through=ago(10))
    account = account_of(company, marta)
    overdue(account, "300.00", 5)
    overdue(account, "200.00", 2)
    overdue(account, "999.00", -3)
    build_worklists(AS_OF, company)
    code, params = why_not(account, AS_OF)
    assert (code, params["minor"], params["complete"]) == ("beyond_complete", 50_000, ago(10))
    assert "500" in say_why_not(account, AS_OF)


def test_before_the_build_and_after_it_are_told_apart(company, marta):
    account = account_of(company, marta)
    overdue(account, "900.00")
    assert why_not(account, AS_OF)[0] == "not_built"
    other = account_of(company, marta)
    build_worklists(AS_OF)
    overdue(other, "900.00")
    assert why_not(other, AS_OF)[0] == "new_today"


def test_the_answer_is_a_page_of_its_own(client, company, marta, settings):
    settings.BUSINESS_DATE = AS_OF
    account = account_of(company, marta)
    overdue(account, "9.00")
    build_worklists(AS_OF)
    client.force_login(marta)
    response = client.get(reverse("worklists:why_not", args=[account.pk]))
    assert say_why_not(account, AS_OF) in response.content.decode()


def test_money_without_an_exchange_rate_is_named_with_the_pair(company, marta):
    account = account_of(company, marta, currency="USD")
    overdue(account, "900.00", currency="USD")
    build_worklists(AS_OF)
    assert why_not(account, AS_OF) == ("no_rate", {"pairs": "USD/EUR"})
    assert "USD/EUR" in say_why_not(account, AS_OF)
