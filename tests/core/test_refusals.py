"""A guard's refusal reaches people as a sentence in their language."""

import re
from datetime import date

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse

from creditdesk.core.middleware import DatabaseRefusals
from creditdesk.core.refusals import REFUSALS, refusal_of
from customers.models import Customer
from customers.rates import MissingRate
from tests.factories import invoice, make_account, make_company

pytestmark = pytest.mark.django_db


def guards_of_the_database():
    """The texts with which any trigger of the migrated database refuses."""
    query = (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT prosrc FROM pg_proc p JOIN pg_type t ON t.oid = p.prorettype WHERE t.typname = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        bodies = [body for (body,) in cursor.fetchall()]
    found = set()
    for body in bodies:
        found.update(re.findall(r"(?:RAISE\(ABORT, |MESSAGE = )'((?:[^']|'')*)'", body))
    return found


def test_every_guard_has_a_sentence():
    texts = guards_of_the_database()
    assert len(texts) > 20
    assert [text for text in texts if not refusal_of(DatabaseError(text))] == []
    for code in REFUSALS:
        assert any(code in text for text in texts), f"no guard says {code!r} any more"


def test_other_errors_are_no_refusals():
    assert refusal_of(DatabaseError("UNIQUE constraint failed: customers_customer.code")) == ""


def test_a_refused_change_answers_with_its_sentence(rf):
    account = make_account(make_company())
    row = invoice(account, "10.00", date(2026, 1, 1))
    for change, words in (
        (lambda: type(row).objects.filter(pk=row.pk).update(amount=1), "What was recorded stays"),
        (lambda: Customer.objects.filter(pk=account.customer_id)._raw_delete("default"), "never deleted"),
    ):
        with pytest.raises(DatabaseError) as refused, transaction.atomic():
            change()
        answer = DatabaseRefusals(lambda request: HttpResponse()).process_exception(
            rf.get("/"), refused.value
        )
        assert answer.status_code == 409
        assert words in answer.content.decode()
    assert (
        DatabaseRefusals(lambda r: HttpResponse()).process_exception(rf.get("/"), DatabaseError("x")) is None
    )


def test_a_missing_rate_speaks_when_it_is_read(monkeypatch):
    error = MissingRate("USD", "EUR", date(2026, 11, 20))
    assert str(error).startswith("No exchange rate USD/EUR on or before 20 Nov 2026")
    monkeypatch.setattr("django.utils.translation.gettext", lambda text: "Manca %(base)s/%(quote)s %(day)s")
    assert str(error) == "Manca USD/EUR 20 Nov 2026"
