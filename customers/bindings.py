"""Which limit binds a customer that buys from several of our companies: read for a day, proposed, decided.

Each company's own limit, the total over all our companies, or both (the tighter). The setting nearest to the customer
in its group decides, else its company's, else each company's own limit. The total is never an amount of its own making:
it is the sum of the limits decided for the customer's accounts, so that a limit still moves only through an applied
LimitChange and every cut counts at once. A ceiling bounds everybody below the customer it was set for, on top.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts, visible_customers
from customers.approval_rules import WORST
from customers.exposure import Exposure
from customers.groups import Tree, group_of
from customers.limits import Limit, limits_at
from customers.models import ApprovalAuthority, Company, CreditAccount, Customer, LimitBinding
from customers.rates import MissingRate, RateTable

Binds, Status = LimitBinding.Binds, LimitBinding.Status
PROPOSE = "customers.add_limitbinding"
DECIDE = "customers.decide_limitbinding"

Grades = Callable[[Collection[int], date], Mapping[int, str]]
"""The grades of scored accounts on a day, by id (scoring/overrides.py has them; nothing here imports it)."""


class BindingError(ValueError):
    """A setting that cannot be proposed or decided; the text says why.

    code: not_allowed, out_of_scope, own_proposal, no_authority, no_reason, waiting, decided, ceiling, same, currency.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Bound:
    """What binds an account on a day. row: the setting that says so (None: none does).

    ceilings: settings on the way up to the head of the group that bound everybody below their customer, nearest first.
    """

    binds: str = Binds.COMPANY
    row: LimitBinding | None = None
    ceilings: tuple[LimitBinding, ...] = ()

    @property
    def of_total(self) -> bool:
        """The sum of the customer's limits with all our companies binds, alone or besides each company's own."""
        return self.binds != Binds.COMPANY

    @property
    def reach(self) -> frozenset[int]:
        """The settings it stands on, to see whether it moved."""
        return frozenset(row.pk for row in (self.row, *self.ceilings) if row is not None)


def in_force(as_of: date) -> QuerySet[LimitBinding]:
    """Decided settings by a day, the newest of each customer or company last."""
    rows = LimitBinding.objects.filter(status=Status.IN_FORCE, valid_from__lte=as_of)
    return rows.select_related("customer").order_by("valid_from", "pk")


def bound_at(line: Sequence[int], company_id: int, as_of: date) -> Bound:
    """What binds the accounts of a customer with one of our companies; one query.

    line: the customer, its parent, and so on up to the head of its group.
    """
    by_customer: dict[int, LimitBinding] = {}
    of_company: LimitBinding | None = None
    for row in in_force(as_of).filter(Q(customer__in=line) | Q(company=company_id)):
        if row.customer_id is None:
            of_company = row
        else:
            by_customer[row.customer_id] = row
    nearest = next((by_customer[pk] for pk in line if pk in by_customer), of_company)
    ceilings = tuple(
        by_customer[pk] for pk in line if pk in by_customer and by_customer[pk].ceiling is not None
    )
    return Bound(nearest.binds if nearest else Binds.COMPANY, nearest, ceilings)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whom one total counts: the accounts of `customers` with all our companies.

    pooled: the limits decided for them add up to it; ceiling: the setting's own amount, in its currency.
    """

    customer: Customer
    customers: frozenset[int]
    pooled: bool
    ceiling: Money | None

    def limit(self, limits: Iterable[Money | None], currency: str, rates: Any) -> Money | None:
        """What may be owed in one currency; None: no limit was decided with any company. Raises MissingRate."""
        most = None if self.ceiling is None else rates.convert(self.ceiling, currency)
        if not self.pooled:
            return most
        known = [rates.convert(limit, currency) for limit in limits if limit is not None]
        if not known:
            return None
        pool = sum(known, Money.zero(currency))
        return pool if most is None else min(pool, most)


def scopes_of(bound: Bound, account: CreditAccount, tree: Tree) -> list[Scope]:
    """The totals that bind an account: the customer's own first, then the ceilings on the way up."""
    ceilings = {row.customer_id: row for row in bound.ceilings}
    found = []
    if bound.of_total:
        alone = not tree.members.get(account.customer_id)
        own = ceilings.pop(account.customer_id, None) if alone else None
        found.append(
            Scope(account.customer, frozenset([account.customer_id]), True, own.ceiling if own else None)
        )
    found += [
        Scope(row.customer, frozenset(tree.below(row.customer_id)), False, row.ceiling)
        for row in ceilings.values()
    ]
    return found


@dataclass(frozen=True, slots=True)
class Total:
    """What may be owed and is owed within a scope, in one currency. limit None: none was decided with any company."""

    scope: Scope
    limit: Money | None
    exposure: Money
    reserved: Money
    accounts: int

    @property
    def room(self) -> Money | None:
        return None if self.limit is None else self.limit - self.exposure - self.reserved


def totals_of(
    scopes: Iterable[Scope],
    currency: str,
    owed: Mapping[int, tuple[CreditAccount, Exposure, Limit, Money]],
    rates: Any,
) -> list[Total]:
    """What each scope may owe and owes, in one currency.

    owed: {account: (it, exposure, limit, what is reserved in its currency)} of every account that counts (`reached`).
    A credit balance with one company does not pay what is owed to another. Raises MissingRate.
    """
    found = []
    for scope in scopes:
        own = [row for row in owed.values() if row[0].customer_id in scope.customers]
        exposure = reserved = Money.zero(currency)
        for _account, its, _limit, held in own:
            exposure += rates.convert(max(its.total, Money.zero(its.currency)), currency)
            reserved += rates.convert(held, currency)
        limit = scope.limit((row[2].in_force for row in own), currency, rates)
        found.append(Total(scope, limit, exposure, reserved, len(own)))
    return found


def reached(scopes: Iterable[Scope]) -> set[int]:
    """Customers whose accounts, with all our companies, count in a total."""
    return set().union(*(scope.customers for scope in scopes))


@transaction.atomic
def propose_binding(
    subject: Customer | Company,
    binds: str,
    *,
    by: User,
    on: date,
    reason: str,
    wanted_from: date | None = None,
    ceiling: Money | None = None,
) -> LimitBinding:
    """Propose which limit binds a customer (and everybody below it), or the customers of a company. BindingError."""
    of_company = isinstance(subject, Company)
    if not by.has_perm(PROPOSE):
        raise BindingError(
            "not_allowed", _("Your role does not say which limit binds: ask a credit controller.")
        )
    _check_scope(by, subject, on)
    if not reason.strip():
        raise BindingError("no_reason", _("Write down why: the reason stays with the setting."))
    if ceiling is not None and (of_company or binds == Binds.COMPANY or ceiling.minor <= 0):
        raise BindingError(
            "ceiling",
            _("An amount above zero over all our companies goes with a customer whose total binds."),
        )
    whose = {"company": subject} if of_company else {"customer": subject}
    waiting = LimitBinding.objects.filter(**whose, status=Status.WAITING)
    if waiting.exists():
        raise _waits()
    last = in_force(on).filter(**whose).last()
    now = (last.binds, last.ceiling) if last else (Binds.COMPANY if of_company else None, None)
    if (binds, ceiling) == now:
        raise BindingError("same", _("That is how it is set already."))
    row = LimitBinding(
        **whose,
        binds=binds,
        currency=ceiling.currency if ceiling else "",
        ceiling=ceiling,
        wanted_from=max(wanted_from or on, on),
        reason=reason.strip(),
        proposed_by=by,
        proposed_on=on,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        # Somebody proposed one at the same moment.
        if not waiting.exists():
            raise
        raise _waits() from error
    record_act(
        "limit_binding.propose",
        actor=Actor.person(by),
        subject=row,
        note=reason.strip(),
        business_date=on,
        changes=[Change.of(row, _facts(last), _facts(row))],
    )
    return row


def _waits() -> BindingError:
    text = _("Another setting waits to be decided: have that one decided first.")
    return BindingError("waiting", text)


@transaction.atomic
def decide_binding(
    binding: LimitBinding, *, approve: bool, by: User, on: date, reason: str, grades: Grades | None = None
) -> LimitBinding:
    """A second person with authority for rises over all that is at stake puts a setting in force, or rejects it.

    Authority goes by the worst grade of the accounts it concerns; one without a grade counts as the worst there is.
    Every account it concerns is locked: who takes headroom at the same moment sees the old setting or the new one
    whole. Raises BindingError.
    """
    row = LimitBinding.objects.select_for_update(of=("self",)).get(pk=binding.pk)
    if row.status != Status.WAITING:
        raise BindingError("decided", _("Somebody was faster: this setting was decided."))
    if not by.has_perm(DECIDE):
        raise BindingError("not_allowed", _("Your role does not decide which limit binds: ask an approver."))
    if row.proposed_by_id == by.pk:
        raise BindingError("own_proposal", _("You proposed this yourself: somebody else has to decide it."))
    subject = row.customer or row.company
    assert subject is not None
    _check_scope(by, subject, on)
    if not reason.strip():
        raise BindingError("no_reason", _("Write down why: the reason stays with the decision."))
    accounts = _concerned(subject, on)
    pks = CreditAccount.objects.select_for_update(no_key=True).filter(pk__in=accounts.values("pk"))
    locked = list(pks.order_by("pk").values_list("pk", flat=True))
    if approve:
        found = grades(locked, on) if grades else {}
        worst = max((found.get(pk) or WORST for pk in locked), default=WORST)
        _check_authority(by, row, locked, on, worst)
        row.valid_from = max(on, row.wanted_from)
    row.status = Status.IN_FORCE if approve else Status.REJECTED
    row.decided_by, row.decided_on, row.decided_at = by, on, timezone.now()
    row.decision_reason = reason.strip()
    row.save(
        update_fields=[
            *("status", "decided_by", "decided_on", "decided_at", "decision_reason", "valid_from"),
        ]
    )
    record_act(
        "limit_binding.decide",
        actor=Actor.person(by),
        subject=row,
        reason_code=row.status,
        note=reason.strip(),
        business_date=on,
        changes=[
            Change.of(row, {"status": Status.WAITING}, {"status": row.status, "valid_from": row.valid_from})
        ],
    )
    return row


def waiting_for(user: User) -> QuerySet[LimitBinding]:
    """Settings a person could decide: not their own."""
    rows = LimitBinding.objects.filter(status=Status.WAITING).exclude(proposed_by=user)
    return rows.filter(
        Q(customer__in=visible_customers(user)) | Q(company__in=visible_accounts(user).values("company"))
    )


def _facts(row: LimitBinding | None) -> dict[str, Any] | None:
    if row is None:
        return None
    facts = {"binds": row.binds, "customer": row.customer_id, "company": row.company_id}
    return facts | {"ceiling": row.ceiling.minor if row.ceiling else None, "currency": row.currency}


def _concerned(subject: Customer | Company, on: date) -> QuerySet[CreditAccount]:
    """The accounts whose headroom a setting may move."""
    rows = CreditAccount.objects.filter(joined_into__isnull=True)
    if isinstance(subject, Company):
        return rows.filter(customer__in=rows.filter(company=subject).values("customer"))
    return rows.filter(customer__in=group_of(subject.pk, on).below(subject.pk))


def _check_scope(by: User, subject: Customer | Company, on: date) -> None:
    """Who says which limit binds sees every account it concerns."""
    concerned = _concerned(subject, on)
    if concerned.exclude(pk__in=visible_accounts(by).values("pk")).exists() or (
        isinstance(subject, Customer) and not concerned.filter(customer=subject).exists()
    ):
        raise BindingError(
            "out_of_scope", _("You do not see every account this concerns: ask somebody who does.")
        )


def _check_authority(by: User, row: LimitBinding, accounts: list[int], on: date, worst: str) -> None:
    """Authority for rises, with every company concerned, over all that may be owed to our companies together.

    One that asks for two people is enough where who proposed the setting holds such an authority, too.
    """
    concerned = list(CreditAccount.objects.filter(pk__in=accounts).select_related("company"))
    companies = {account.company_id for account in concerned}
    rates, limits = RateTable.at(on), limits_at(accounts, on)

    def covered(person: User, *, alone: bool) -> set[int]:
        rows = ApprovalAuthority.objects.filter(
            group__in=person.groups.values("pk"),
            company__in=companies,
            direction=ApprovalAuthority.Direction.RISE,
        )
        found = set()
        for authority in rows.filter(approvers_needed=1) if alone else rows:
            try:
                need = _most(row, concerned, limits, rates, authority.currency)
            except MissingRate:
                continue
            enough = authority.max_amount is None or (row.company_id is None and need <= authority.max_amount)
            if enough and worst <= authority.worst_grade:
                found.add(authority.company_id)
        return found

    reached = covered(by, alone=True)
    if companies - reached:
        reached |= covered(by, alone=False) & covered(row.proposed_by, alone=False)
    if companies - reached:
        raise BindingError(
            "no_authority",
            _(
                "Your authority does not go as far as all our companies together may be owed: ask somebody whose does, or "
                "have somebody with the same authority propose it."
            ),
        )


def _most(
    row: LimitBinding,
    accounts: Iterable[CreditAccount],
    limits: Mapping[int, Limit],
    rates: RateTable,
    currency: str,
) -> Money:
    pool = Money.zero(currency)
    for account in accounts:
        limit = limits[account.pk].in_force
        if limit is not None:
            pool += rates.convert(limit, currency)
    return min(pool, rates.convert(row.ceiling, currency)) if row.ceiling else pool
