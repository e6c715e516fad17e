"""Recording legal events. An insolvency stops new business in the same transaction.

Hard cause: a company's limits go to zero at once. For a natural person (GDPR art. 22) no machine decides: a hold
stops new business, and the cut waits for a named person, whose decision releases the hold.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.attributes import set_status
from customers.automatic import cut_or_hold
from customers.events import legal_event_recorded
from customers.limit_evidence import gather_evidence
from customers.models import CreditAccount, Customer, LegalEvent

INSOLVENCY_ACTOR = Actor.policy("insolvency")


class LegalEventError(ValueError):
    """An event that cannot be: the text says why and what to do. field: the argument that is at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def record_legal_event(customer: Customer, kind: str, **said: Any) -> LegalEvent:
    """Store a legal event and draw its consequences, as `receive_legal_event` does."""
    return receive_legal_event(customer, kind, **said)[0]


def receive_legal_event(
    customer: Customer,
    kind: str,
    *,
    effective_on: date,
    source: str,
    actor: Actor,
    known_on: date,
    link: str = "",
    ended_on: date | None = None,
) -> tuple[LegalEvent, bool]:
    """Store a legal event and draw its hard consequences, from `known_on` (business date) on; whether it is new.

    The same event (customer, kind, day, source) recorded again is returned as it is. Raises LegalEventError for an
    event dated after the day it became known, over before it happened, or without a source.
    """
    if effective_on > known_on:
        raise LegalEventError(
            "effective_on", _("An event cannot be known before it happens: correct one of the two dates.")
        )
    if ended_on is not None and ended_on < effective_on:
        raise LegalEventError("ended_on", _("It cannot be over before it happened."))
    if not source.strip():
        raise LegalEventError("source", _("Name the source: a register, a gazette, a letter."))
    return _receive(
        customer,
        kind,
        effective_on,
        source.strip(),
        actor=actor,
        known_on=known_on,
        link=link,
        ended_on=ended_on,
    )


def copy_legal_event(event: LegalEvent, customer: Customer, *, actor: Actor, known_on: date) -> LegalEvent:
    """The event for another customer, known from `known_on` on, with its consequences there.

    As it stands: what was stored before a rule on new events was made is copied like any other.
    """
    found, _new = _receive(
        customer,
        event.kind,
        event.effective_on,
        event.source,
        actor=actor,
        known_on=known_on,
        link=event.link,
        ended_on=event.ended_on,
    )
    return found


@transaction.atomic
def _receive(
    customer: Customer,
    kind: str,
    effective_on: date,
    source: str,
    *,
    actor: Actor,
    known_on: date,
    link: str,
    ended_on: date | None,
) -> tuple[LegalEvent, bool]:
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    same = {"customer": customer, "kind": kind, "effective_on": effective_on, "source": source}
    existing = LegalEvent.objects.filter(**same, superseded_at__isnull=True).first()
    if existing is not None:
        return existing, False
    event = LegalEvent.objects.create(
        **same, known_on=known_on, link=link, ended_on=ended_on, recorded_by=actor.user
    )
    facts = {"kind": kind, "effective_on": effective_on, "known_on": known_on, "source": source}
    record_act(
        "legal_event.record",
        actor=actor,
        subject=customer,
        reason_code=kind,
        business_date=known_on,
        changes=[Change.of(event, None, facts)],
    )
    if kind == LegalEvent.Kind.INSOLVENCY and ended_on is None:
        _stop_business(customer, event)
    legal_event_recorded.send(sender=LegalEvent, event=event)
    return event, True


def _stop_business(customer: Customer, event: LegalEvent) -> None:
    _mark_insolvent(customer, event)
    accounts = list(
        CreditAccount.objects.filter(customer=customer).select_related("customer", "company").order_by("pk")
    )
    evidence = gather_evidence(accounts, event.known_on)
    for account in accounts:
        why: dict[str, Any] = {
            "reason_code": "insolvency",
            "params": {"on": event.effective_on, "source": event.source, "event": event.pk},
            "evidence": evidence[account.pk],
        }
        cut_or_hold(account, Money.zero(account.currency), actor=INSOLVENCY_ACTOR, on=event.known_on, **why)


def _mark_insolvent(customer: Customer, event: LegalEvent) -> None:
    # A status recorded for a later day would hide one that starts with the event: then it starts when known.
    for on in (event.effective_on, event.known_on):
        customer.refresh_from_db(fields=["status"])
        if customer.status != Customer.Status.INSOLVENT:
            set_status(
                customer,
                Customer.Status.INSOLVENT,
                on=on,
                known_on=event.known_on,
                actor=INSOLVENCY_ACTOR,
                reason_code="insolvency",
            )
    customer.refresh_from_db(fields=["status"])
