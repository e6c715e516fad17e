"""The legal basis on which an agency is asked about a natural person: recorded, with an end, and revocable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from customers.events import bureau_reported
from customers.models import BureauAnswer, BureauBasis, Customer


def in_force(as_of: date, view: View = CURRENT) -> QuerySet[BureauBasis]:
    """Bases on which somebody may be asked about on the day."""
    return BureauBasis.objects.at(as_of, view).filter(
        Q(expires_on__isnull=True) | Q(expires_on__gte=as_of),
        Q(revoked_on__isnull=True) | Q(revoked_on__gt=as_of),
    )


def lacks_basis(customer: Customer, as_of: date) -> bool:
    """Whether the customer is a natural person about whom nobody may be asked on the day."""
    return customer.is_natural_person and not in_force(as_of).filter(customer=customer).exists()


def without_basis(customers: Iterable[int], as_of: date, view: View = CURRENT) -> set[int]:
    """Of these ids, the natural persons without a basis in force on the day, as the view knows it; one query."""
    sole = Customer.objects.filter(pk__in=list(customers), kind=Customer.Kind.SOLE_TRADER)
    return set(sole.exclude(pk__in=in_force(as_of, view).values("customer")).values_list("pk", flat=True))


def on_a_basis(rows: QuerySet, as_of: date) -> QuerySet:
    """Rows with a customer, but for those about natural persons without a basis."""
    lacking = Customer.objects.filter(kind=Customer.Kind.SOLE_TRADER).exclude(
        pk__in=in_force(as_of).values("customer")
    )
    return rows.exclude(customer__in=lacking)


AUDIT = "core.view_auditentry"
"""Who reads the audit trail answers for what was decided with reports, also after their basis ended."""


class Auditor(Protocol):
    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


def seen_by(rows: QuerySet, user: Auditor, as_of: date) -> QuerySet:
    """Rows about customers that the user may see: about natural persons only while there is a basis, but for auditors."""
    return rows if user.has_perm(AUDIT) else on_a_basis(rows, as_of)


def withheld_among(customers: Iterable[int], user: Auditor, as_of: date) -> set[int]:
    """Of these ids, those about whom nothing that agencies said is shown to the user; at most one query."""
    return set() if user.has_perm(AUDIT) else without_basis(customers, as_of)


def withheld_from(user: Auditor, customer: Customer, as_of: date) -> bool:
    """Whether nothing that agencies said about the customer is shown to the user."""
    return not user.has_perm(AUDIT) and lacks_basis(customer, as_of)


@transaction.atomic
def record_basis(
    customer: Customer,
    ground: str,
    *,
    reference: str,
    effective_on: date,
    expires_on: date | None,
    actor: Actor,
    known_on: date,
) -> BureauBasis:
    """Store the basis of one person. Raises ValueError with the cure."""
    if not reference.strip():
        raise ValueError(_("Say where the consent, or the balancing of interests, is kept."))
    if expires_on is not None and expires_on < effective_on:
        raise ValueError(_("It would end before it begins: correct one of the two dates."))
    values: dict[str, Any] = {"ground": ground, "effective_on": effective_on, "expires_on": expires_on}
    basis = BureauBasis.objects.create(
        customer=customer,
        reference=reference.strip(),
        known_on=max(known_on, effective_on),
        recorded_by=actor.user,
        **values,
    )
    record_act(
        "bureau_basis.record",
        actor=actor,
        subject=customer,
        reason_code=ground,
        business_date=known_on,
        changes=[Change.of(basis, None, values)],
    )
    # What may be said of a person, and so every score that uses it, hangs on the basis.
    bureau_reported.send(sender=BureauBasis, customer_ids=[customer.pk])
    return basis


@transaction.atomic
def revoke_basis(basis: BureauBasis, *, actor: Actor, on: date, reason: str) -> BureauBasis:
    """From the day on nobody is asked any more; the raw answers go, what was read from them lawfully stays. Idempotent."""
    basis = BureauBasis.objects.select_for_update().get(pk=basis.pk)
    if basis.revoked_on is not None:
        return basis
    basis.revoked_on = on
    basis.save(update_fields=["revoked_on"])
    deleted = _delete_answers(basis.customer_id)
    record_act(
        "bureau_basis.revoke",
        actor=actor,
        subject=basis.customer,
        note=reason,
        business_date=on,
        data={"answers_deleted": deleted},
        changes=[Change.of(basis, {"revoked_on": None}, {"revoked_on": on})],
    )
    bureau_reported.send(sender=BureauBasis, customer_ids=[basis.customer_id])
    return basis


def carry_objections(old: Customer, new: Customer, *, on: date) -> list[Change]:
    """Of two bases that are the same one, the revoked one wins when customers are merged."""
    same = ("effective_on", "ground", "reference")
    current = BureauBasis.objects.filter(superseded_at__isnull=True)
    objections = {
        tuple(getattr(row, name) for name in same): row.revoked_on
        for row in current.filter(customer=old, revoked_on__isnull=False)
    }
    changes = []
    for row in current.filter(customer=new, revoked_on__isnull=True).order_by("pk"):
        revoked_on = objections.get(tuple(getattr(row, name) for name in same))
        if revoked_on is not None:
            row.revoked_on = max(revoked_on, on)
            row.save(update_fields=["revoked_on"])
            changes.append(Change.of(row, {"revoked_on": None}, {"revoked_on": row.revoked_on}))
    if changes:
        for customer in (old, new):
            _delete_answers(customer.pk)
        bureau_reported.send(sender=BureauBasis, customer_ids=[new.pk])
    return changes


def _delete_answers(customer: int) -> int:
    """Questions stay with the customer they were asked about, also after it was merged into another."""
    about = Q(pull__customer=customer) | Q(pull__customer__merged_into=customer)
    return BureauAnswer.objects.filter(about).delete()[0]
