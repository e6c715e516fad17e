"""Merging a duplicate customer into the one that stays. Nobody is deleted: the duplicate is closed and points on.

What moves: contacts, keys (what sources call the customer), missing identifiers, credit accounts. Where both have an
account in a segment, the two become one (customers/merging_facts.py); the limit of the duplicate's account lapses,
its history stays. Legal events and a stop of new business are taken over with their consequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.applications import RUNNING
from customers.approval import lock_account
from customers.attributes import set_parent, set_status
from customers.bureau.bases import carry_objections
from customers.events import ledger_changed
from customers.holds import place_hold
from customers.ledger.counters import lock_instalments, lock_payments
from customers.legal import copy_legal_event
from customers.limits import limit_at
from customers.merging_facts import Carrying, repeat_for_customer
from customers.models import (
    BankConsent,
    BureauBasis,
    BureauReport,
    Contact,
    CreditAccount,
    CreditApplication,
    CreditHold,
    Customer,
    CustomerKey,
    Delivery,
    FinancialStatement,
    Instalment,
    LegalEvent,
    LimitBinding,
    LimitChange,
    OpenOrder,
    Payment,
    SupplierPaymentDays,
)

MERGE = "customers.change_customer"
REASON = "merged"
IDENTIFIERS = ("vat_number", "registration_number", "lei", "sector", "customer_since", "founded_on")
STOPPED = (Customer.Status.ON_HOLD, Customer.Status.INSOLVENT)


class MergeRefused(ValueError):
    """Customers that cannot be merged now; `obstacles` says why, a sentence each with its cure."""

    def __init__(self, obstacles: list[str]) -> None:
        super().__init__(" ".join(obstacles))
        self.obstacles = obstacles


@dataclass(slots=True)
class Joined:
    """An account of the duplicate: `new` is the account it is joined with; None: it moves over as it is."""

    old: CreditAccount
    new: CreditAccount | None
    documents: int
    payments: int
    old_limit: Money | None
    new_limit: Money | None
    holds: list[CreditHold]


@dataclass(slots=True)
class MergePlan:
    """Everything a merge moves; shown before, returned after. No obstacle: it can be done."""

    into: Customer
    duplicate: Customer
    accounts: list[Joined] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    keys: list[CustomerKey] = field(default_factory=list)
    identifiers: dict[str, Any] = field(default_factory=dict)
    differing: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    events: list[LegalEvent] = field(default_factory=list)
    members: list[Customer] = field(default_factory=list)
    status: str = ""
    obstacles: list[str] = field(default_factory=list)


def plan_merge(into: Customer, duplicate: Customer, *, by: User, on: date) -> MergePlan:
    """What `merge_customers` would do, and what stands in its way; changes nothing."""
    plan = MergePlan(into, duplicate)
    plan.obstacles = [*_refusals(into, duplicate, by), *_settings_lost(into, duplicate, on)]
    theirs = {account.segment_id: account for account in _accounts(into)}
    for old in _accounts(duplicate):
        new = theirs.get(old.segment_id)
        plan.accounts.append(
            Joined(
                old,
                new,
                old.invoices.filter(superseded_at__isnull=True).count(),
                old.payments.filter(superseded_at__isnull=True).count(),
                limit_at(old, on).base,
                limit_at(new, on).base if new else None,
                list(CreditHold.objects.filter(account=old, released_on__isnull=True).order_by("pk")),
            )
        )
        if new is not None:
            plan.obstacles += _obstacles_of_joining(old, new)
    known = {_who(row) for row in into.contacts.all()}
    plan.contacts = [row for row in duplicate.contacts.order_by("pk") if _who(row) not in known]
    plan.keys = list(duplicate.keys.select_related("source").order_by("pk"))
    for name in IDENTIFIERS:
        mine, other = getattr(into, name), getattr(duplicate, name)
        if other and not mine:
            plan.identifiers[name] = other
        elif other and mine != other:
            plan.differing[name] = (mine, other)
    recorded = set(
        into.legal_events.filter(superseded_at__isnull=True).values_list("kind", "effective_on", "source")
    )
    current = duplicate.legal_events.filter(superseded_at__isnull=True).order_by("effective_on", "pk")
    plan.events = [row for row in current if (row.kind, row.effective_on, row.source) not in recorded]
    plan.members = list(duplicate.members.order_by("pk"))
    if duplicate.status in STOPPED and into.status not in STOPPED:
        plan.status = duplicate.status
    elif into.status == Customer.Status.PROSPECT and duplicate.status == Customer.Status.ACTIVE:
        plan.status = Customer.Status.ACTIVE
    return plan


def _accounts(customer: Customer) -> list[CreditAccount]:
    rows = CreditAccount.objects.filter(customer=customer, joined_into__isnull=True)
    return list(rows.select_related("company", "segment", "customer").order_by("pk"))


def _who(row: Contact) -> tuple[str, str, str]:
    return row.name.casefold(), row.email.casefold(), row.phone


def _refusals(into: Customer, duplicate: Customer, by: User):
    if into.pk == duplicate.pk:
        yield _("Choose two different customers.")
        return
    if not by.has_perm(MERGE):
        yield _("Your role does not merge customers: ask a credit controller.")
    accounts = CreditAccount.objects.filter(customer__in=(into, duplicate))
    if accounts.exclude(pk__in=visible_accounts(by).values("pk")).exists():
        yield _("One of them has accounts outside your portfolio: ask somebody who sees all of them.")
    for row in (into, duplicate):
        if row.merged_into_id is not None:
            yield _("%(name)s (%(code)s) was merged already.") % {"name": row.name, "code": row.code}
    if into.kind != duplicate.kind:
        yield _("One is a company, the other a sole trader: correct the legal kind first.")
    if into.status == Customer.Status.CLOSED:
        yield _("%(name)s (%(code)s) is closed: keep the other one, or reopen it first.") % {
            "name": into.name,
            "code": into.code,
        }
    for above, below in ((into, duplicate), (duplicate, into)):
        if _is_above(above, below):
            yield _("%(below)s belongs to the group of %(above)s: take it out of the group first.") % {
                "below": below.name,
                "above": above.name,
            }
    running = CreditApplication.objects.filter(account__customer=duplicate, status__in=RUNNING)
    if running.exists():
        yield _("A credit application of %(customer)s is running: decide or withdraw it first.") % {
            "customer": duplicate.code
        }
    consents = BankConsent.objects.filter(customer=duplicate, revoked_on__isnull=True)
    if consents.filter(superseded_at__isnull=True).exists():
        yield _(
            "%(name)s gave a consent to read its bank data, which cannot pass to another customer: revoke it first."
        ) % {"name": duplicate.name}


def _settings_lost(into: Customer, duplicate: Customer, on: date) -> Iterator[str]:
    """Which limit binds stays with the customer it was decided for: what the other one does not keep to would be lost."""
    status = LimitBinding.Status
    rows = LimitBinding.objects.filter(customer__in=(into, duplicate)).exclude(status=status.REJECTED)
    kept: dict[int, dict[date, LimitBinding]] = {into.pk: {}, duplicate.pk: {}}
    for row in rows.order_by("valid_from", "pk"):
        if row.valid_from is not None:  # decided: the last one by today counts, and those still to come
            kept[row.customer_id][max(row.valid_from, on)] = row
        elif row.customer_id == duplicate.pk and into.pk != duplicate.pk:
            yield _("A setting of which limit binds %(customer)s waits: have it decided first.") % {
                "customer": duplicate.code
            }
    for day, row in kept[duplicate.pk].items():
        same = kept[into.pk].get(day)
        if same is None or (same.binds, same.ceiling) != (row.binds, row.ceiling):
            most = f", {_('at most')} {row.ceiling}" if row.ceiling else ""
            yield _(
                "%(duplicate)s keeps to a setting of its own (%(setting)s): set the same for %(customer)s first, "
                "then merge them."
            ) % {
                "duplicate": duplicate.code,
                "setting": f"{row.get_binds_display()}{most}",
                "customer": into.code,
            }


def _is_above(above: Customer, below: Customer) -> bool:
    seen: set[int] = set()
    parent = below.parent
    while parent is not None and parent.pk not in seen:
        if parent.pk == above.pk:
            return True
        seen.add(parent.pk)
        parent = parent.parent
    return False


def _obstacles_of_joining(old: CreditAccount, new: CreditAccount) -> list[str]:
    found = []
    if old.currency != new.currency:
        found.append(
            _("%(segment)s: one account is in %(one)s, the other in %(two)s, so they cannot be joined.")
            % {"segment": old.segment, "one": old.currency, "two": new.currency}
        )
    waiting = LimitChange.objects.filter(account__in=(old, new), status=LimitChange.Status.PROPOSED)
    for change in waiting.select_related("account__customer").order_by("pk"):
        found.append(
            _("A limit change of %(customer)s to %(amount)s waits for approval: decide or withdraw it first.")
            % {"customer": change.account.customer.code, "amount": change.new_amount}
        )
    for model, text in (
        (OpenOrder, _("Both have an open order %(number)s: close one of them first.")),
        (Delivery, _("Both have an unbilled delivery %(number)s: close one of them first.")),
    ):
        numbers = model.objects.filter(account=new, superseded_at__isnull=True).values("number")
        same = model.objects.filter(account=old, superseded_at__isnull=True, number__in=numbers)
        found += [text % {"number": number} for number in same.values_list("number", flat=True)[:5]]
    return found


@transaction.atomic
def merge_customers(into: Customer, duplicate: Customer, *, by: User, reason: str, on: date) -> MergePlan:
    """Merge `duplicate` into `into` on a business date. Raises MergeRefused and leaves everything as it was."""
    locked = {
        row.pk: row
        for row in Customer.objects.select_for_update().filter(pk__in=(into.pk, duplicate.pk)).order_by("pk")
    }
    into, duplicate = locked[into.pk], locked[duplicate.pk]
    for pk in CreditAccount.objects.filter(customer__in=locked).order_by("pk").values_list("pk", flat=True):
        lock_account(pk)
    if not reason.strip():
        raise MergeRefused([_("Write down why: the reason stays with the merge.")])
    plan = plan_merge(into, duplicate, by=by, on=on)
    if plan.obstacles:
        raise MergeRefused(plan.obstacles)
    actor = Actor.person(by)
    changes = _move_people(plan, on)
    carried: dict[str, int] = {}
    for row in plan.accounts:
        changes += _join(row, into, on=on, actor=actor, carried=carried)
    changes += _close_duplicate(plan)
    record_act(
        "customer.merge",
        actor=actor,
        subject=duplicate,
        reason_code=REASON,
        note=reason.strip(),
        business_date=on,
        data={"into": into.pk, "duplicate": duplicate.pk, "carried": carried},
        changes=changes,
    )
    _take_over_standing(plan, actor=actor, on=on)
    accounts = CreditAccount.objects.filter(customer__in=(into, duplicate))
    ledger_changed.send(sender=Customer, account_ids=list(accounts.values_list("pk", flat=True)))
    return plan


def _move_people(plan: MergePlan, on: date) -> list[Change]:
    """Contacts, keys, identifiers, and what is known of the customer from outside."""
    into, duplicate = plan.into, plan.duplicate
    before, after = {"customer": duplicate.pk}, {"customer": into.pk}
    changes = [Change.of(row, before, after) for row in (*plan.contacts, *plan.keys)]
    Contact.objects.filter(pk__in=[row.pk for row in plan.contacts]).update(customer=into)
    CustomerKey.objects.filter(customer=duplicate).update(customer=into)
    changes += carry_objections(duplicate, into, on=on)
    for model in (FinancialStatement, SupplierPaymentDays, BureauReport, BureauBasis):
        changes += repeat_for_customer(model, duplicate, into, on=on, now=timezone.now())
    if plan.identifiers:
        Customer.objects.filter(pk=into.pk).update(**plan.identifiers)
        # Numbers that identify a sole trader are personal: the trail says that they changed, not what they are.
        hidden = dict.fromkeys(plan.identifiers, "*")
        changes.append(Change.of(into, dict.fromkeys(plan.identifiers, ""), hidden))
    return changes


def _join(row: Joined, into: Customer, *, on: date, actor: Actor, carried: dict[str, int]) -> list[Change]:
    old, new = row.old, row.new
    if new is None:
        change = Change.of(old, {"customer": old.customer_id}, {"customer": into.pk})
        CreditAccount.objects.filter(pk=old.pk).update(customer=into)
        return [change]
    here = {"account": old, "superseded_at__isnull": True}
    lock_instalments(list(Instalment.objects.filter(**here).values_list("pk", flat=True)))
    lock_payments(list(Payment.objects.filter(**here).values_list("pk", flat=True)))
    carrying = Carrying(old, new, on, timezone.now())
    for model, count in carrying.run().items():
        name = model._meta.model_name or ""
        carried[name] = carried.get(name, 0) + count
    for hold in row.holds:
        place_hold(new, reason_code=hold.reason_code, actor=actor, on=on, note=hold.note)
    CreditAccount.objects.filter(pk=old.pk).update(joined_into=new)
    return [Change.of(old, {"joined_into": None}, {"joined_into": new.pk}), *carrying.changes]


def _close_duplicate(plan: MergePlan) -> list[Change]:
    """Whoever was merged into the duplicate before is now merged into the one that stays: one step, always."""
    moved = Customer.objects.filter(Q(pk=plan.duplicate.pk) | Q(merged_into=plan.duplicate))
    changes = [
        Change.of(row, {"merged_into": row.merged_into_id}, {"merged_into": plan.into.pk}) for row in moved
    ]
    moved.update(merged_into=plan.into)
    return changes


def _take_over_standing(plan: MergePlan, *, actor: Actor, on: date) -> None:
    """Events, status and group; each has its own act in the trail, and an insolvency its consequences."""
    into, duplicate = plan.into, plan.duplicate
    for event in plan.events:
        copy_legal_event(event, into, actor=actor, known_on=on)
    into.refresh_from_db()
    if plan.status and into.status not in STOPPED:
        set_status(into, plan.status, on=on, actor=actor, reason_code=REASON)
    for member in plan.members:
        set_parent(member, into, on=on, actor=actor)
    if duplicate.parent is not None and into.parent is None:
        set_parent(into, duplicate.parent, on=on, actor=actor)
    if duplicate.parent is not None:
        set_parent(duplicate, None, on=on, actor=actor)
    duplicate.refresh_from_db()
    if duplicate.status != Customer.Status.CLOSED:
        set_status(duplicate, Customer.Status.CLOSED, on=on, actor=actor, reason_code=REASON)
    duplicate.refresh_from_db()
