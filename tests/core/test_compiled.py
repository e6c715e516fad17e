"""A query kept compiled gives what the query itself gives, for any id and day; what cannot be kept is not."""

from datetime import date, timedelta

import pytest
from django.db.models import Q, Value

from creditdesk.core import compiled
from customers.models import Instalment
from tests.factories import invoice, make_account, make_company

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


def test_kept_queries_answer_for_every_id_and_day(django_assert_num_queries):
    company = make_company()
    accounts = [make_account(company) for _n in range(2)]
    for number, account in enumerate(accounts):
        for n in range(3):
            invoice(account, f"{100 * (number + 1) + n}.00", DAY - timedelta(days=30 * n))

    def build(ids, day):
        recent = Q(effective_on__gt=day - timedelta(days=40), effective_on__lte=day)
        rows = Instalment.objects.filter(recent, account__in=ids, kind="invoice").order_by("pk")
        return rows.annotate(one=Value(1)).values_list("account_id", "open_amount", "due_on", "one")

    def answers(name):
        return [
            (account.pk, day, list(compiled.asked(name, build, [account.pk], day)))
            for account in accounts
            for day in (DAY, DAY - timedelta(days=31), DAY - timedelta(days=400))
        ]

    for _again in range(2):
        for pk, day, rows in answers("test: kept"):
            assert rows == list(build([pk], day))
    assert compiled._kept["test: kept", "default"] is not None
    both = [account.pk for account in accounts]
    assert len(list(compiled.asked("test: kept", build, both, DAY))) == 4
    assert len(list(compiled.asked("test: kept", build, Instalment.objects.values("account"), DAY))) == 4
    assert list(compiled.asked(None, build, both[:1], DAY))

    def rows(ids, day):
        found = Instalment.objects.filter(account__in=ids, effective_on__lte=day).order_by("pk")
        return found.select_related("account__customer", "invoice").annotate(late=Value(7)).defer("due_on")

    for _again in range(2):
        for account in accounts:
            known = compiled.asked_for("test: rows", rows, [account.pk], DAY)
            with django_assert_num_queries(0):
                told = [(r.pk, r.late, r.account.customer.name, r.invoice.number, r.amount) for r in known]
            assert told == [
                (r.pk, 7, account.customer.name, r.invoice.number, r.amount) for r in rows([account.pk], DAY)
            ]
            assert "due_on" in known[0].get_deferred_fields()
    assert compiled._kept["test: rows", "default"] is not None

    def depends_on_the_year(ids, day):
        return build(ids, day).filter(number__gte=day.year - 2025)

    def months_before(months):
        def since(ids, day):
            year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
            return build(ids, day).filter(effective_on__gte=date(year, month + 1, min(day.day, 28)))

        return since

    not_kept = {"year": depends_on_the_year} | {f"{n} months": months_before(n) for n in (1, 2, 3, 6, 12)}
    for name, asks in not_kept.items():
        for day in (DAY, DAY - timedelta(days=400)):
            rows = list(compiled.asked(f"test: {name}", asks, both[:1], day))
            assert rows == list(asks(both[:1], day))
        assert compiled._kept[f"test: {name}", "default"] is None, name
