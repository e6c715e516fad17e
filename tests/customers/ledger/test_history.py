"""The tests' own shortcut into the ledger stores what the ledger's verbs store."""

from datetime import date, timedelta

import pytest

from customers.ledger.checking import check_ledger
from customers.models import Allocation, Instalment, Invoice, Payment
from scoring.models import DirtyAccount
from tests.factories import history, invoice, make_account, make_company, pay

pytestmark = pytest.mark.django_db

START = date(2025, 12, 20)
DEALS = [
    ("120.50", START, 30, START + timedelta(days=28)),
    ("99.99", START + timedelta(days=20), 0, START + timedelta(days=55)),
    ("1000", START + timedelta(days=40), 60, None),
    ("7.00", START + timedelta(days=50), 14, START + timedelta(days=45)),  # paid before it was issued
]
# Numbers of their own, and links, which are compared by what they lead to.
APART = {
    "id", "recorded_at", "number", "key", "account_id", "invoice_id", "instalment_id", "payment_id", "credit_id",
    "write_off_id", "reverses_id", "corrects_id",
}  # fmt: skip


def stored(model, account, *links):
    rows = model.objects.filter(account=account).order_by("pk")
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in APART]
    # By how manieth row of the account a link leads to.
    return [
        (
            {name: getattr(row, name) for name in names},
            [
                list(other.objects.filter(account=account).order_by("pk")).index(getattr(row, link))
                for link, other in links
            ],
        )
        for row in rows
    ]


def test_a_history_is_what_posting_and_paying_store():
    company = make_company()
    by_verbs, at_once = make_account(company), make_account(company)
    for amount, issued_on, days, paid_on in DEALS:
        row = invoice(by_verbs, amount, issued_on, days)
        if paid_on:
            pay(row, paid_on)
    DirtyAccount.objects.all().delete()
    returned = history(at_once, DEALS)
    assert set(DirtyAccount.objects.values_list("account", flat=True)) == {at_once.pk}
    for model, *links in [
        (Invoice,),
        (Payment,),
        (Instalment, ("invoice", Invoice)),
        (Allocation, ("instalment", Instalment), ("payment", Payment)),
    ]:
        wanted = stored(model, by_verbs, *links)
        assert wanted and stored(model, at_once, *links) == wanted, model
    assert [row.open_amount for row in returned] == [
        row.open_amount for row in Instalment.objects.filter(account=at_once).order_by("pk")
    ]
    assert not list(check_ledger())
