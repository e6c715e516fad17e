"""Consents to read a customer's bank data: recording, renewing, revoking, and which one is in force.

A consent is in force on a day when effective_on <= day <= expires_on and it is not revoked. Expiry stops reading
and signals; revoking deletes the data at once and keeps the consent row, the audit record and the log of reads.
What is stored stays under the consent it was read under, until another one in force carries it on: one that only
begins later holds nothing yet, so taking it back deletes nothing.
Dates and the customer's name are no bank data: what is kept says that data was read, never what it said.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from customers.events import ledger_changed
from customers.models import (
    BankAccount,
    BankConsent,
    BankTransaction,
    CreditAccount,
    Customer,
    ImportBatch,
    RefusedRow,
)

TRANSACTIONS, BALANCES = "transactions", "balances"
SCOPES = (TRANSACTIONS, BALANCES)
CHUNK = 500


class ConsentError(ValueError):
    """A consent that cannot be recorded or revoked, or data asked for without one; the text says the cure."""


def in_force(on: date, view: View = CURRENT, prefix: str = "") -> Q:
    """Condition on consents (or on a relation to one, with prefix "consent__"): in force on that day."""
    p = prefix
    return (
        view.q(p)
        & Q(**{f"{p}effective_on__lte": on, f"{p}expires_on__gte": on})
        & (Q(**{f"{p}revoked_on__isnull": True}) | Q(**{f"{p}revoked_on__gt": on}))
    )


def consent_of(customer: Customer | int, on: date) -> BankConsent | None:
    """The customer's consent in force on a day, the longest-lasting one; None: its bank data is not read."""
    pk = customer if isinstance(customer, int) else customer.pk
    return BankConsent.objects.filter(in_force(on), customer_id=pk).order_by("-expires_on", "-pk").first()


def longest_in_force(on: date, customer: Any) -> QuerySet[BankConsent]:
    """As consent_of, for a condition on rows; customer: OuterRef of it. Its first row says what may be read."""
    return BankConsent.objects.filter(in_force(on), customer=customer).order_by("-expires_on", "-pk")


def ended_among(customers: Iterable[int], on: date) -> set[int]:
    """Of these ids, the customers who gave a consent of which none is in force any more; one query."""
    rows = BankConsent.objects.filter(customer__in=list(customers)).annotate(now=Q(in_force(on)))
    found = list(rows.values_list("customer", "now"))
    return {customer for customer, _now in found} - {customer for customer, now in found if now}


def scope_of(consent: BankConsent) -> set[str]:
    return {word.strip() for word in consent.scope.split(",")} & set(SCOPES)


def scope_label(consent: BankConsent) -> str:
    """What may be read, as people say it."""
    balances = BALANCES in scope_of(consent)
    return _("transactions and balances") if balances else _("transactions only")


@transaction.atomic
def record_consent(
    customer: Customer,
    *,
    purpose: str,
    effective_on: date,
    expires_on: date,
    actor: Actor,
    scope: str = f"{TRANSACTIONS},{BALANCES}",
    reference: str = "",
    known_on: date | None = None,
) -> BankConsent:
    """Store a consent with its time stamp. The accounts read under one that ends earlier go on under this one, if it
    is in force on the day it is recorded (known_on); under one that begins later with their first file from then on.

    Raises ConsentError without a purpose, for an unknown scope, or when it ends before it begins.
    """
    if not purpose.strip():
        raise ConsentError(_("A consent needs the purpose it was given for."))
    words = [word.strip() for word in scope.split(",") if word.strip()]
    if TRANSACTIONS not in words or set(words) - set(SCOPES):
        raise ConsentError(_("The scope lists “transactions”, and “balances” if these may be read too."))
    if expires_on < effective_on:
        raise ConsentError(_("The consent would end before it begins: correct one of the two dates."))
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    consent = BankConsent.objects.create(
        customer=customer,
        purpose=purpose.strip(),
        scope=",".join(dict.fromkeys(words)),
        reference=reference.strip(),
        effective_on=effective_on,
        known_on=known_on or effective_on,
        expires_on=expires_on,
    )
    if consent.effective_on <= consent.known_on <= expires_on:
        held = BankAccount.objects.filter(customer=customer, consent__expires_on__lt=expires_on)
        held.update(consent=consent)
    record_act(
        "bank_consent.record",
        actor=actor,
        subject=customer,
        business_date=known_on or effective_on,
        changes=[Change.of(consent, None, _facts(consent))],
    )
    _announce(customer.pk)
    return consent


def carry_on(customers: Iterable[int], on: date) -> None:
    """Bank accounts of these customers go on under the consent in force on that day that lasts longest, if any is."""
    longest = longest_in_force(on, OuterRef("customer")).filter(revoked_on__isnull=True).values("pk")[:1]
    wanted = sorted(customers)
    for start in range(0, len(wanted), CHUNK):
        held = BankAccount.objects.filter(Exists(longest), customer__in=wanted[start : start + CHUNK])
        held.exclude(consent=Subquery(longest)).update(consent=Subquery(longest))


def others_in_force(consent: BankConsent, on: date) -> QuerySet[BankConsent]:
    """Further consents of the customer under which its data is read on that day, the longest-lasting one first."""
    rows = longest_in_force(on, consent.customer_id).filter(revoked_on__isnull=True)
    return rows.exclude(pk=consent.pk)


def rests_on(consent: BankConsent, on: date) -> QuerySet[BankAccount]:
    """The bank accounts that are deleted when the consent is revoked on that day: none that another one covers.

    While it is the only one in force, everything of the customer's is read under it, whatever it came in under.
    """
    rows = BankAccount.objects.filter(customer=consent.customer_id)
    if others_in_force(consent, on).exists():
        return rows.none()
    return rows if consent.effective_on <= on <= consent.expires_on else rows.filter(consent=consent)


@transaction.atomic
def revoke_consent(consent: BankConsent, *, by: Actor, reason: str, on: date) -> dict[str, int]:
    """The customer takes the consent back: bank accounts and lines that no other consent in force on that day covers
    are deleted, in this transaction. One that has not begun never holds: it is revoked on its first day.

    The consent row, its audit record and the log of reads stay. Returns how many rows went. Raises ConsentError
    when it is revoked already or `on` is before it was known.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=consent.customer_id)
    consent = BankConsent.objects.select_for_update(of=("self",)).get(pk=consent.pk)
    if consent.revoked_on is not None:
        raise ConsentError(_("This consent was revoked already, on %(day)s.") % {"day": consent.revoked_on})
    if on < min(consent.effective_on, consent.known_on):
        raise ConsentError(_("A consent cannot be revoked before it was given."))
    before = _facts(consent)
    # Rows can only be deleted under a revoked consent, and only be moved before it is: so they come together first.
    rests_on(consent, on).exclude(consent=consent).update(consent=consent)
    other = others_in_force(consent, on).first()
    if other is not None:
        BankAccount.objects.filter(consent=consent).update(consent=other)
    consent.revoked_on = max(on, consent.effective_on)
    consent.save(update_fields=["revoked_on"])
    lines = BankTransaction.objects.filter(bank_account__consent=consent)
    batches = list(
        ImportBatch.objects.filter(pk__in=lines.filter(batch__isnull=False).values("batch"))
        .order_by()
        .values_list("pk", flat=True)
    )
    counts = {"lines": lines.count()}
    # Cells of refused rows are bank data as well; which customer's they were cannot be told any more.
    RefusedRow.objects.filter(batch__in=batches).update(value="", cells=None)
    # Nothing hangs on a line: no rows need loading.
    lines._raw_delete(lines.db)  # type: ignore[attr-defined]
    counts["accounts"], _by_model = BankAccount.objects.filter(consent=consent).delete()
    record_act(
        "bank_consent.revoke",
        actor=by,
        subject=consent.customer,
        reason_code="revoked",
        note=reason,
        business_date=on,
        data=counts,
        changes=[Change.of(consent, before, _facts(consent))],
    )
    _announce(consent.customer_id)
    return counts


def accounts_read(on: date, view: View = CURRENT) -> QuerySet[BankAccount]:
    """The bank accounts whose customer has a consent in force on that day."""
    return BankAccount.objects.filter(
        customer__in=BankConsent.objects.filter(in_force(on, view)).values("customer")
    )


def _facts(consent: BankConsent) -> dict[str, Any]:
    # Where it is kept may name people: it stays out of the trail, so that it can be erased.
    names = ("purpose", "scope", "effective_on", "expires_on", "revoked_on")
    return {name: getattr(consent, name) for name in names}


def _announce(customer_id: int) -> None:
    ids = set(CreditAccount.objects.filter(customer_id=customer_id).values_list("pk", flat=True))
    if ids:
        ledger_changed.send(sender=BankConsent, account_ids=ids)
