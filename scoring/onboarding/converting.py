"""A prospect becomes a customer: its first limit goes the way of every limit, through the approvers."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.applications import ApplicationError, lock_application, move_application, stands_at
from customers.approval import propose_limit_change
from customers.attributes import set_status, set_terms
from customers.limit_evidence import gather_evidence
from customers.limits import limit_at
from customers.models import Contact, CreditApplication, Customer, LimitChange, LimitKind
from scoring.guarantees import still_missing
from scoring.models import Decision
from scoring.onboarding.assessing import Status, latest_decision


def may_propose(application: CreditApplication) -> bool:
    """Granted, or proposed before without success."""
    return stands_at(application) == Status.GRANTED


@transaction.atomic
def propose_first_limit(application: CreditApplication | int, *, by: User, on: date) -> LimitChange:
    """Put the limit that was granted before the approvers, with the decision as evidence.

    Raises ApplicationError while guarantees are missing, and ApprovalError as every proposal does.
    """
    locked = lock_application(application)
    decision = latest_decision(locked)
    if not may_propose(locked) or decision is None:
        raise ApplicationError("state", _("Only a granted application leads to a limit, and only once."))
    limit = decision.limit
    if not limit:
        raise ApplicationError("limit", _("The decision names no limit: decide again, with one."))
    missing = still_missing(decision, on)
    if missing:
        raise ApplicationError(
            "guarantees_missing",
            _("Guarantees of %(missing)s are missing: record them as cover first.") % {"missing": missing},
        )
    if limit_at(locked.account, on).base == limit:
        raise ApplicationError("limit", _("The limit is %(limit)s already.") % {"limit": limit})
    change = propose_limit_change(
        locked.account,
        limit,
        actor=Actor.person(by),
        as_of=on,
        reason_code="credit_application",
        params={"on": locked.received_on.isoformat(), "who": _who(decision)},
        comment=decision.note,
        evidence=gather_evidence([locked.account], on)[locked.account_id] | _told(decision, locked),
    )
    move_application(locked, Status.PROPOSED, actor=Actor.person(by), on=on, change=change)
    return change


def _who(decision: Decision) -> str:
    return decision.decided_by.get_username() if decision.decided_by else decision.asked_by


def _told(decision: Decision, application: CreditApplication) -> dict[str, Any]:
    return {
        "application": str(application.public_id),
        "decision": str(decision.public_id),
        "decision_outcome": decision.outcome,
        "guarantees": decision.guarantees,
        "terms_days": decision.terms_days,
    }


def on_limit_applied(sender: Any, change: LimitChange, **_kwargs: Any) -> None:
    """The limit of an application is in force: in the same transaction the prospect becomes a customer."""
    if change.kind != LimitKind.BASE or not change.new_amount or change.is_automatic:
        return
    waiting = CreditApplication.objects.filter(account=change.account_id, status=Status.PROPOSED).first()
    if waiting is None:
        return
    locked = lock_application(waiting)
    actor = Actor.person(change.decided_by) if change.decided_by else Actor.policy("limit policy")
    on = change.limit.valid_from
    _make_customer(locked, latest_decision(locked), change.new_amount, actor=actor, on=on)
    # An approver may have amended the proposal: what counts is the change that was applied.
    move_application(locked, Status.ACTIVE, actor=actor, on=on, change=change)


def _make_customer(
    application: CreditApplication, decision: Decision | None, limit: Money, *, actor: Actor, on: date
) -> None:
    customer = application.account.customer
    if customer.status == Customer.Status.PROSPECT:
        set_status(customer, Customer.Status.ACTIVE, on=on, actor=actor, reason_code="application")
    days = decision.terms_days if decision else None
    if days is not None and days != customer.terms_days:
        set_terms(customer, days, on=on, actor=actor)
    if customer.customer_since is None:
        customer.customer_since = on
        customer.save(update_fields=["customer_since"])
        record_act(
            "customer.change",
            actor=actor,
            subject=customer,
            reason_code="application",
            business_date=on,
            changes=[Change.of(customer, {"customer_since": None}, {"customer_since": on.isoformat()})],
        )
    if application.contact_name and not customer.contacts.exists():
        Contact.objects.create(
            customer=customer,
            name=application.contact_name,
            email=application.contact_email,
            role=Contact.Role.MANAGEMENT,
        )
