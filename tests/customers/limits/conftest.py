from datetime import date

import pytest

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.approval import approve_limit_change, propose_limit_change
from tests.factories import invoice, make_account


def eur(amount):
    return Money.of(amount, "EUR")


def set_limit(cast, account, amount, on=date(2026, 1, 2)):
    change = propose_limit_change(
        account, eur(amount), actor=Actor.person(cast.controller), as_of=on, reason_code="other"
    )
    return approve_limit_change(change, approver=cast.approver, reason="agreed", on=on)


@pytest.fixture
def account(cast):
    set_limit(cast, cast.account, 40_000)
    invoice(cast.account, "46310", date(2026, 1, 10))
    return cast.account


@pytest.fixture
def trader(cast):
    trader = make_account(cast.company, "Bianchi", kind="sole_trader", portfolio=cast.portfolio)
    set_limit(cast, trader, 5_000)
    return trader
