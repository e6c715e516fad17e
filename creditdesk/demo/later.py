"""What takes too long before the desk opens: learned and measured by the workers while somebody looks around."""

from __future__ import annotations

from datetime import date
from typing import Any

from creditdesk.core.audit import Actor
from creditdesk.core.jobs import plan_jobs
from creditdesk.core.models import Job, User
from customers.models import CreditAccount
from scoring.fitting.logistic import FitError
from scoring.invoices.cards import fit_draft, take_into_use
from scoring.models import CardReport, InvoiceCard

from .preparing import HISTORY_UP_TO


def plan_the_rest(as_of: date) -> int:
    """Queue what is missing of it, once; returns how many jobs. A large book measures itself in its nights."""
    if CreditAccount.objects.count() > HISTORY_UP_TO:
        return 0
    planned = 0
    if not InvoiceCard.objects.exists():
        planned += plan_jobs(
            "demo-invoice-card", ["1"], as_of, "creditdesk.demo.later.learn_invoice_card", cluster="bulk"
        )
    if not CardReport.objects.filter(kind=CardReport.Kind.MONITORING).exists():
        planned += plan_jobs(
            "monitor-month", ["now"], as_of, "scoring.tasks.monitor_planned_month", cluster="bulk"
        )
    return planned


def learn_invoice_card(job: Job) -> dict[str, Any]:
    """The effect of one job: the invoice card learned from the story, taken into use by its approver."""
    try:
        card = fit_draft(job.business_date, actor=Actor.job("demo"))
    except FitError as error:
        return {"refused": str(error)}
    take_into_use(card, by=User.objects.get(username="paolo"))
    return {"version": card.version}
