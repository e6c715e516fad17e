"""Standing in for an approver: recorded in advance with first and last day, ended early, never changed.

The delegator records it, or an administrator for somebody who is away; the deputy never does. A deputy must hold the
right to decide themselves: a delegation lends how far somebody may decide, not whether they may at all.
"""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.notices import tell_all
from creditdesk.core.wording import day
from customers.approval_rules import DECIDE
from customers.models import Access, ApprovalAuthority, ApprovalDelegation, Company
from customers.notices import tell_delegated

LONGEST_DAYS = 366


class DelegationError(ValueError):
    """A delegation that cannot be recorded or ended; `field` names the one to change ("" when it is none)."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@transaction.atomic
def delegate_approval(
    delegator: User,
    delegate: User,
    company: Company,
    *,
    starts_on: date,
    ends_on: date,
    reason: str,
    by: User,
    today: date,
) -> ApprovalDelegation:
    """Let `delegate` decide with the authority of `delegator` in a company, both days included."""
    # Two delegations recorded at once come one after the other.
    User.objects.select_for_update().filter(pk=delegator.pk).first()
    check_delegation(
        delegator,
        delegate,
        company,
        starts_on=starts_on,
        ends_on=ends_on,
        reason=reason,
        by=by,
        today=today,
    )
    row = ApprovalDelegation.objects.create(
        delegator=delegator,
        delegate=delegate,
        company=company,
        starts_on=starts_on,
        ends_on=ends_on,
        reason=reason.strip(),
        created_by=by,
    )
    record_act(
        "limit.delegate",
        actor=Actor.person(by),
        subject=row,
        note=reason.strip(),
        business_date=today,
        changes=[Change.of(row, None, _facts(row))],
    )
    tell_all([tell_delegated(row, "recorded", today)])
    return row


def check_delegation(
    delegator: User,
    delegate: User,
    company: Company,
    *,
    starts_on: date,
    ends_on: date,
    reason: str,
    by: User,
    today: date,
) -> None:
    """Raises DelegationError unless `by` may record this delegation today."""
    _check_people(delegator, delegate, company, by)
    if starts_on < today:
        raise DelegationError(_("A delegation does not reach back: begin today or later."), "starts_on")
    if ends_on < starts_on:
        raise DelegationError(_("The last day is before the first."), "ends_on")
    if (ends_on - starts_on).days >= LONGEST_DAYS:
        raise DelegationError(_("A delegation lasts at most a year: choose an earlier last day."), "ends_on")
    if not reason.strip():
        raise DelegationError(_("Write down why: the reason stays with the delegation."), "reason")
    there = ApprovalDelegation.objects.filter(
        delegator=delegator,
        delegate=delegate,
        company=company,
        revoked_at__isnull=True,
        starts_on__lte=ends_on,
        ends_on__gte=starts_on,
    ).first()
    if there is not None:
        raise DelegationError(
            _("%(who)s stands in already from %(first)s to %(last)s: end that first, or choose other days.")
            % {"who": _name(delegate), "first": day(there.starts_on), "last": day(there.ends_on)},
            "starts_on",
        )


@transaction.atomic
def end_delegation(delegation: ApprovalDelegation, *, by: User, today: date) -> ApprovalDelegation:
    """End a delegation before its last day: from now on nothing is decided under it."""
    row = ApprovalDelegation.objects.select_for_update().get(pk=delegation.pk)
    if by.pk not in (row.delegator_id, row.delegate_id) and not by.is_superuser:
        raise DelegationError(_("Only the two people concerned or an administrator end a delegation."))
    if row.revoked_at is not None or row.ends_on < today:
        raise DelegationError(_("This delegation is over already."))
    before = _facts(row)
    row.revoked_at, row.revoked_by = timezone.now(), by
    row.save(update_fields=["revoked_at", "revoked_by"])
    record_act(
        "limit.delegation_ended",
        actor=Actor.person(by),
        subject=row,
        business_date=today,
        changes=[Change.of(row, before, _facts(row))],
    )
    return row


def possible_deputies(delegator: User, company_ids: list[int]) -> list[User]:
    """Active people who may decide and see something of these companies, without the delegator."""
    seeing = Access.objects.filter(company__in=company_ids).values("user_id")
    people = User.objects.filter(pk__in=seeing, is_active=True).exclude(pk=delegator.pk)
    codename = DECIDE.split(".")[1]
    return list(
        people.filter(groups__permissions__codename=codename)
        .distinct()
        .order_by("last_name", "first_name", "username")
    )


def companies_of_authority(user: User) -> list[Company]:
    """Companies in which the user has authority of their own to lend."""
    rows = ApprovalAuthority.objects.filter(group__in=user.groups.values("pk"))
    return list(Company.objects.filter(pk__in=rows.values("company_id")).order_by("name"))


def _check_people(delegator: User, delegate: User, company: Company, by: User) -> None:
    if by.pk == delegate.pk:
        raise DelegationError(_("Nobody gives themselves authority: somebody else records this."), "delegate")
    if by.pk != delegator.pk and not by.is_superuser:
        raise DelegationError(_("You delegate only your own authority."), "delegator")
    if delegator.pk == delegate.pk:
        raise DelegationError(_("Choose somebody else: nobody stands in for themselves."), "delegate")
    if not delegator.has_perm(DECIDE) or company not in companies_of_authority(delegator):
        raise DelegationError(
            _("%(who)s has no authority in %(company)s to delegate.")
            % {"who": _name(delegator), "company": company},
            "company",
        )
    if not delegate.is_active or not delegate.has_perm(DECIDE):
        raise DelegationError(
            _("%(who)s does not decide on limits: only an approver stands in for an approver.")
            % {"who": _name(delegate)},
            "delegate",
        )
    if not delegate.is_superuser and not Access.objects.filter(user=delegate, company=company).exists():
        raise DelegationError(
            _("%(who)s sees no customer of %(company)s.") % {"who": _name(delegate), "company": company},
            "delegate",
        )


def _facts(row: ApprovalDelegation) -> dict[str, object]:
    return {
        "delegator": row.delegator_id,
        "delegate": row.delegate_id,
        "company": row.company_id,
        "starts_on": row.starts_on,
        "ends_on": row.ends_on,
        "revoked": row.revoked_at is not None,
    }


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()
