"""From an answer to a fact: what the agency says becomes a report, the question is closed, the accounts are told."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import F
from django.db.models.functions import Greatest

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.dates import months_before
from creditdesk.core.money import Money, round_minor
from customers.bureau.adapters import Answer
from customers.events import bureau_reported
from customers.models import BureauAnswer, BureauPull, BureauReport, Customer

SAID = (
    *("reference", "outcome", "standing", "raw_score", "raw_scale", "pd_basis_points"),
    *("days_beyond_terms", "currency", "recommended_limit", "activity"),
)


def values_of(answer: Answer) -> dict[str, Any]:
    """The columns of a report, as the answer gives them; the limit in minor units, rounded half to even."""
    values = {name: getattr(answer, name) for name in SAID}
    limit = answer.recommended_limit
    values["recommended_limit"] = None if limit is None else round_minor(limit, answer.currency)
    if answer.outcome == BureauReport.Outcome.NOT_FOUND:
        return {**values, **_NOTHING}
    if limit is None:
        values["currency"] = ""
    return values


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("standing", "pd_basis_points", "days_beyond_terms", "recommended_limit")),
    "raw_score": "",
    "raw_scale": "",
    "currency": "",
    "activity": BureauReport.Activity.UNKNOWN,
}


def says_the_same(report: BureauReport, values: dict[str, Any]) -> bool:
    return all(report.__dict__[name] == values[name] for name in SAID if name in values)


def store_answer(pull: BureauPull, answer: Answer, *, on: date, actor: Actor, now: datetime) -> BureauReport:
    """Keep the answer to an open question, inside the caller's transaction: fact, raw answer, cost, trail, signal.

    on: the business date on which it came. An assessment we have already is not stored again; one that differs for the same day supersedes it.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=pull.customer_id)
    customer = customer.merged_into or customer
    provider = pull.provider
    effective_on = min(answer.effective_on or on, on)
    values = values_of(answer)
    same = BureauReport.objects.filter(
        customer=customer,
        provider=provider.slug,
        product=provider.product,
        effective_on=effective_on,
        superseded_at__isnull=True,
    ).first()
    changes: list[Change] = []
    if same is not None and says_the_same(same, values):
        report = same
    else:
        report, changes = _replace(same, customer, pull, effective_on, on, values, actor, now)
    keep_payload(pull, answer.payload, now)
    charged = pull.price
    if answer.outcome == BureauReport.Outcome.NOT_FOUND and not provider.charges_not_found:
        charged = Money.zero(pull.currency)
    close(pull, answer.outcome, now=now, charged=charged, report=report)
    record_act(
        "bureau.pull",
        actor=actor,
        subject=customer,
        reason_code=answer.outcome,
        note=pull.reason,
        business_date=on,
        data={
            "agency": provider.slug,
            "pull": pull.pk,
            "report": report.pk,
            "cause": pull.cause,
            "in_spite_of_age": pull.in_spite_of_age,
            "charged": str(charged),
        },
        changes=changes,
    )
    if changes:
        bureau_reported.send(sender=BureauReport, customer_ids=[customer.pk])
    return report


def _replace(
    old: BureauReport | None,
    customer: Customer,
    pull: BureauPull,
    effective_on: date,
    on: date,
    values: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> tuple[BureauReport, list[Change]]:
    if old is not None:
        BureauReport.objects.filter(pk=old.pk).update(
            known_until=Greatest(F("known_on"), on), superseded_at=now
        )
    report = BureauReport.objects.create(
        customer=customer,
        provider=pull.provider.slug,
        product=pull.provider.product,
        effective_on=effective_on,
        known_on=on,
        recorded_at=now,
        recorded_by=actor.user,
        **values,
    )
    changes = [Change.of(report, None, {"effective_on": effective_on, **values})]
    if old is not None:
        changes.append(Change.of(old, {"superseded_by": None}, {"superseded_by": report.pk}))
    return report, changes


def keep_payload(pull: BureauPull, payload: str, now: datetime) -> None:
    months = pull.provider.keep_answers_months
    if payload and months:
        until = months_before(pull.asked_on, -months)
        BureauAnswer.objects.create(pull=pull, payload=payload, stored_at=now, erase_on=until)


def close(
    pull: BureauPull,
    outcome: str,
    *,
    now: datetime,
    charged: Money,
    report: BureauReport | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """The one change of a question: it is over."""
    pull.outcome, pull.answered_at, pull.charged = outcome, now, charged
    pull.report, pull.detail = report, detail or {}
    pull.save(update_fields=["outcome", "answered_at", "charged", "report", "detail"])
