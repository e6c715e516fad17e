"""What the desk looks like this morning, as the lines that `manage.py demo` prints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from django.db.models import Count

from creditdesk.core.money import format_money
from customers.models import CreditApplication, Customer, LimitChange
from kpis.report import kpi_report
from scoring.models import AccountScore
from worklists.causes import say_cause
from worklists.models import WorklistRow
from worklists.steps import say_step

from .cast import PASSWORD, SHOWN_LOGINS

TOP = 5


def summary(as_of: date) -> Iterator[str]:
    """The lines of the summary: money, grades, proposals, the first rows of the fullest worklist."""
    report = kpi_report(as_of)
    yield f"Business date {as_of}"
    # Who has only asked for credit is no customer yet.
    customers = Customer.objects.exclude(pk__in=CreditApplication.objects.values("account__customer")).count()
    yield f"  customers            {customers:>10,}"
    yield f"  open                 {format_money(report.ageing.open_amount):>22}"
    yield f"  overdue              {format_money(report.ageing.overdue):>22}"
    grades = dict(AccountScore.objects.values_list("grade").annotate(n=Count("pk")).order_by("grade"))
    yield "  grades               " + "  ".join(f"{grade} {count:,}" for grade, count in grades.items())
    review = AccountScore.objects.filter(recommendation="review").count()
    yield f"  for a person         {review:>10,}"
    waiting = LimitChange.objects.filter(status=LimitChange.Status.PROPOSED).count()
    yield f"  proposals waiting    {waiting:>10,}"
    yield from _worklist(as_of)
    yield ""
    yield f"Log in (password: {PASSWORD})"
    for role, login in SHOWN_LOGINS:
        yield f"  {login:<8} {role}"


def _worklist(as_of: date) -> Iterator[str]:
    rows = WorklistRow.objects.filter(run__as_of=as_of, lane=WorklistRow.Lane.NORMAL, collector__isnull=False)
    fullest = rows.values("collector", "collector__username").annotate(n=Count("pk")).order_by("-n").first()
    if fullest is None:
        yield "  worklists            nothing to collect today"
        return
    yield ""
    yield f"Worklist of {fullest['collector__username']}: {fullest['n']} customers, the first {TOP}"
    first = rows.filter(collector=fullest["collector"]).select_related("account__customer").order_by("rank")
    for row in first[:TOP]:
        yield f"  {row.rank}. {row.account.customer.name}: {format_money(row.overdue)} overdue"
        yield f"     {say_cause(row.cause_code, row.cause_params)}"
        yield f"     {say_step(row.step_code, row.step_params)}"
