"""A named person's decision on an application: beside the rules' answer, never over it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.applications import ENDED, ApplicationError, lock_application, move_application, stands_at
from customers.limit_reasons import money_param
from customers.models import Cover, CreditApplication
from scoring.decision_reasons import TOLD
from scoring.models import Decision, Recommendation
from scoring.onboarding.assessing import SETTLED, Status, latest_decision

DECIDE = "scoring.decide_credit"
OLDEST = timedelta(days=31)
LONGEST_TERMS = 365


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person decides. limit, guarantee: in the account's currency.

    because: places in the answered decision's reasons that the customer is told. told: further reasons, in the
    person's own words and the customer's language. note: for the file only.
    """

    outcome: str
    note: str
    limit: Money | None = None
    terms_days: int | None = None
    guarantee: Money | None = None
    kinds: Collection[str] = ()
    because: Collection[int] = ()
    told: str = ""


@transaction.atomic
def decide_application(
    application: CreditApplication | int, answer: Answer, *, by: User, on: date, seen: str
) -> Decision:
    """Record a person's decision and move the application on. seen: number of the decision they looked at.

    A decision by the rules may be replaced until a limit is proposed; the earlier one stays on file. Raises
    ApplicationError.
    """
    locked = lock_application(application)
    _check_person(by, locked)
    latest = latest_decision(locked)
    if latest is None:
        raise ApplicationError(
            "no_decision", _("Assess the application first: there is nothing to decide on.")
        )
    if str(latest.public_id) != seen or on - latest.as_of > OLDEST:
        raise ApplicationError(
            "moved", _("The assessment moved or is over a month old: look again before you decide.")
        )
    _check_second_look(latest, by)
    _check(answer, latest, locked)
    made = Decision.objects.create(**_copied(latest), **_given(answer, latest, by, on))
    before = {"outcome": latest.outcome, "decision": str(latest.public_id)}
    after = {
        "outcome": made.outcome,
        "decision": str(made.public_id),
        "limit": made.limit.minor if made.limit is not None else None,
        "terms_days": made.terms_days,
    }
    record_act(
        "application.decide",
        actor=Actor.person(by),
        subject=locked,
        reason_code=made.outcome,
        note=answer.note,
        business_date=on,
        data={"account": locked.account_id},
        changes=[Change.of(made, before, after)],
    )
    status = SETTLED[Recommendation(made.outcome)]
    if locked.status != status:
        move_application(locked, status, actor=Actor.person(by), on=on)
    return made


def _check_person(by: User, application: CreditApplication) -> None:
    if not by.is_active or not by.has_perm(DECIDE):
        raise ApplicationError("not_allowed", _("Your role does not allow deciding on credit."))
    if not visible_accounts(by).filter(pk=application.account_id).exists():
        raise ApplicationError("out_of_scope", _("This account is not in your portfolio."))
    if stands_at(application) not in (Status.OPEN, Status.GRANTED, Status.DECLINED):
        raise ApplicationError(
            "state", _("The first limit waits for approval, or the application is over: decide there.")
        )


def _check_second_look(latest: Decision, by: User) -> None:
    """What the letter to a natural person promises: who decided against them does not look at it again."""
    adverse = latest.concerns_natural_person and latest.outcome != Recommendation.APPROVED
    if adverse and latest.decided_by_id == by.pk:
        raise ApplicationError(
            "same_person",
            _("You decided this before: for a natural person somebody else looks at it again."),
        )


def _check(answer: Answer, latest: Decision, application: CreditApplication) -> None:
    if answer.outcome not in SETTLED:
        raise ApplicationError("outcome", _("Approve, approve with guarantees, or decline."), "outcome")
    if not answer.note.strip():
        raise ApplicationError("no_reason", _("Say what you looked at and why you decide so."), "note")
    if answer.outcome == Recommendation.DECLINED:
        if not answer.because and not answer.told.strip():
            raise ApplicationError(
                "no_reason", _("Who is declined is told why: choose reasons, or write one."), "told"
            )
        return
    if application.account.customer.status in ENDED:
        raise ApplicationError(
            "outcome", _("The customer is insolvent or closed: correct the status first."), "outcome"
        )
    for name, money in (("limit", answer.limit), ("guarantee", answer.guarantee)):
        if money is not None and (money.currency != latest.currency or money.minor < 0):
            raise ApplicationError(
                "currency",
                _("Amounts of this account are in %(currency)s.") % {"currency": latest.currency},
                name,
            )
    if not answer.limit:
        raise ApplicationError("limit", _("Approving needs a limit above zero."), "limit")
    if answer.terms_days is None or not 0 <= answer.terms_days <= LONGEST_TERMS:
        raise ApplicationError("limit", _("Payment terms are 0 to %s days.") % LONGEST_TERMS, "terms_days")
    guaranteed = answer.guarantee and set(answer.kinds) & set(Cover.Kind.values)
    if answer.outcome == Recommendation.GUARANTEES and not guaranteed:
        raise ApplicationError("limit", _("Say how much is to be guaranteed, and by what."), "guarantee")


def _copied(latest: Decision) -> dict[str, Any]:
    """What the person stood on: the score and versions of the decision they answer."""
    names = (
        *("account_id", "application_id", "advised", "score", "grade", "pd", "depth", "scored_as_of"),
        *("kept_id", "score_pass", "card_id", "limit_policy_id", "terms_policy_id", "currency", "requested"),
        *("current", "advice", "inputs"),
    )
    copied = {name: getattr(latest, name) for name in names}
    return copied | {"is_natural_person": latest.concerns_natural_person}


def _given(answer: Answer, latest: Decision, by: User, on: date) -> dict[str, Any]:
    declined = answer.outcome == Recommendation.DECLINED
    chosen = [latest.reasons[place] for place in sorted(answer.because) if place < len(latest.reasons)]
    reasons = [reason for reason in chosen if reason["code"] != TOLD]
    told = [latest.told] if len(reasons) < len(chosen) else []
    words = "\n".join(filter(None, [*told, answer.told.strip()]))
    if words:
        reasons.append({"code": TOLD, "params": {}})
    asked: dict[str, Any] = {}
    if answer.outcome == Recommendation.GUARANTEES and answer.guarantee and answer.limit:
        asked = {
            "percent": round(100 * answer.guarantee.minor / answer.limit.minor),
            "amount": money_param(answer.guarantee),
            "held": latest.inputs.get("cover"),
            "kinds": [kind for kind in Cover.Kind.values if kind in answer.kinds],
        }
    settles = latest.outcome == Recommendation.REVIEW
    return {
        "as_of": on,
        "outcome": answer.outcome,
        "limit": Money.zero(latest.currency) if declined else answer.limit,
        "terms_days": None if declined else answer.terms_days,
        "guarantees": asked,
        "reasons": reasons,
        "asked_by": by.get_username(),
        "by_kind": Decision.By.PERSON,
        "decided_by": by,
        "note": answer.note.strip(),
        "told": words,
        "answers": latest if settles else None,
    }
