"""PostgreSQL keeps the plans of the scoring statements per connection: for one account and for some."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DataError, connection, transaction
from django.test.utils import CaptureQueriesContext

from scoring import dialect as dialects
from scoring.dialect import dialect
from scoring.engine import compute, is_kept, rescore
from scoring.models import AccountScore
from scoring.statement import Scope
from tests.factories import invoice, make_account, make_company

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 16)
on_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL keeps plans")


@pytest.fixture
def accounts():
    company = make_company(complete_through=TODAY)
    rows = [make_account(company) for _n in range(4)]
    for number, account in enumerate(rows):
        for n in range(number):
            invoice(account, "100.00", TODAY - timedelta(days=40 + n))
    return rows


def asked(scope: Scope) -> tuple[list[int | None], list[str]]:
    """Overdue invoices of the scope's accounts, and the statements of the scoring that told them."""
    with CaptureQueriesContext(connection) as queries:
        found = [row.overdue_count for row in compute(TODAY, scope)]
    return found, [q["sql"] for q in queries if "unusual" in q["sql"] or "EXECUTE" in q["sql"]]


def test_some_accounts_share_a_plan_and_a_book_has_its_own(accounts):
    ids = [account.pk for account in accounts]
    assert is_kept(Scope.of(ids), "") and is_kept(Scope.of(ids[:1]), "")
    assert not is_kept(Scope.of(range(1, 1000)), "first time")
    for wanted in ([0, 1, 2], [3], [1, 3], [0, 1, 2, 3], [2]):
        found, statements = asked(Scope.of([ids[n] for n in wanted]))
        assert found == wanted and len(statements) == 1
    if connection.vendor == "postgresql":
        assert statements[0].startswith("EXECUTE"), "not planned again"
    assert rescore(TODAY, Scope.of(ids[1:])).scored == 3
    stored = AccountScore.objects.order_by("account").values_list("overdue_count", flat=True)
    assert list(stored) == [1, 2, 3]


@on_postgres
def test_the_oldest_plan_goes_and_is_made_again(accounts, monkeypatch):
    monkeypatch.setattr(dialects, "MOST_PLANS", 1)
    some, one = Scope.of([account.pk for account in accounts]), Scope.of([accounts[3].pk])
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    dialects._PLANS.pop(connection.connection, None)
    for scope, wanted in ((some, [0, 1, 2, 3]), (one, [3]), (some, [0, 1, 2, 3])):
        assert asked(scope)[0] == wanted
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements")
            assert cursor.fetchone()[0] == 1


@on_postgres
def test_a_statement_that_failed_can_be_asked_again():
    sql, values = "SELECT 10 / CAST(%(account)s AS bigint), '%%'", {"account": 0}
    for _time in range(2):
        with connection.cursor() as cursor:
            with pytest.raises(DataError, match="division by zero"), transaction.atomic():
                dialect().keep(cursor, sql, values)
            dialect().keep(cursor, sql, values | {"account": 5})
            assert cursor.fetchall() == [(2, "%")]


@on_postgres
def test_no_plan_is_kept_where_the_server_binds_parameters(monkeypatch):
    """A message then holds one statement, and PREPARE takes no parameters."""
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", True)
    with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
        dialect().keep(cursor, "SELECT CAST(%(account)s AS bigint)", {"account": 5})
        assert cursor.fetchall() == [(5,)]
    assert [q["sql"].split()[0] for q in queries] == ["SELECT"]
