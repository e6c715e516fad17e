"""check_ledger must find what the database cannot refuse: counters that lie. Each case breaks one on purpose."""

from datetime import date

import pytest
from django.core.management import CommandError, call_command

from customers.ledger.checking import check_ledger
from customers.models import Customer, Instalment, Payment, Promise
from customers.promises import take_promise
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive

pytestmark = pytest.mark.django_db
D = date


@pytest.fixture
def account():
    return make_account(make_company(complete_through=D(2026, 3, 31)))


def codes():
    return [finding.check.code for finding in check_ledger()]


def test_a_sound_ledger_passes(account, capsys):
    pay(invoice(account, "10", D(2026, 1, 1)), D(2026, 1, 5), "4")
    call_command("check_ledger")
    assert "Ledger is sound" in capsys.readouterr().out


def test_a_wrong_open_amount_is_named(account):
    row = invoice(account, "10", D(2026, 1, 1))
    Instalment.objects.filter(pk=row.pk).update(open_amount=900)
    (finding,) = check_ledger()
    assert finding.check.code == "instalment_open"
    assert finding.pks == [row.pk]
    with pytest.raises(CommandError, match="1 of"):
        call_command("check_ledger")


def test_a_wrong_settlement_date_is_found(account):
    row = invoice(account, "10", D(2026, 1, 1))
    pay(row, D(2026, 1, 5))
    Instalment.objects.filter(pk=row.pk).update(settled_on=D(2026, 1, 4))
    assert codes() == ["instalment_settled_on"]


def test_a_wrong_unapplied_amount_is_found(account):
    payment = receive(account, "10", D(2026, 1, 1))
    Payment.objects.filter(pk=payment.pk).update(open_amount=0)
    assert codes() == ["payment_open"]


def test_a_promise_that_disagrees_with_its_moves_is_found(account):
    row = invoice(account, "10", D(2026, 1, 1))
    promise = take_promise(
        account, [(row, row.amount.amount)], due_on=D(2026, 2, 1), given_on=D(2026, 1, 5), actor=ACTOR
    )
    Promise.objects.filter(pk=promise.pk).update(status="kept", resolved_on=D(2026, 1, 6))
    assert codes() == ["promise_status"]


def test_a_status_without_its_change_is_found(account):
    from customers.models import StatusChange

    customer = account.customer
    StatusChange.objects.create(
        customer=customer, status="on_hold", effective_on=D(2026, 1, 1), known_on=D(2026, 1, 1)
    )
    assert codes() == ["customer_status"]
    Customer.objects.filter(pk=customer.pk).update(status="on_hold")
    assert codes() == []
