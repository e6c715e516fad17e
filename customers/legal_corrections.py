"""Taking back a legal event that was recorded wrongly, with what it caused, in one act.

The event is superseded, never deleted: a reprint of an old report still shows it. The status it caused is taken
back with it. The limit is not: undoing a cut is a rise and needs somebody with rise authority, so the act puts the
earlier limit before the approvers. A hold on a natural person stays until somebody who may release holds does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import AuditChange, User
from creditdesk.core.money import Money
from customers.access import visible_accounts
from customers.approval import lock_account, propose_limit_change, supersede_waiting, waiting_change
from customers.approval_rules import PROPOSE
from customers.events import ledger_changed
from customers.holds import release_hold
from customers.limit_evidence import gather_evidence
from customers.limits import limit_at
from customers.models import (
    CreditAccount,
    CreditHold,
    Customer,
    LegalEvent,
    LimitChange,
    LimitKind,
    StatusChange,
)

REASON = "insolvency"
RECORD, RELEASE = "customers.add_legalevent", "customers.change_credithold"
CORRECTIONS = Actor.policy("legal events")


class TakeBackRefused(ValueError):
    """A legal event that cannot be taken back; the text says why."""


@dataclass(slots=True)
class Undone:
    """What taking the event back means for one account.

    now, earlier: the base limit today and before the cut (None: there is nothing to give back).
    obstacle: why no rise is proposed although the limit was cut; "" when it is, or when there is none to propose.
    """

    account: CreditAccount
    now: Money | None = None
    earlier: Money | None = None
    cut: LimitChange | None = None
    obstacle: str = ""
    waiting: LimitChange | None = None
    holds: list[CreditHold] = field(default_factory=list)
    proposed: LimitChange | None = None

    @property
    def proposes(self) -> bool:
        return self.cut is not None and self.earlier is not None and not self.obstacle


@dataclass(slots=True)
class TakeBack:
    """Everything taking back an event moves; shown before, returned after.

    stands: other insolvencies of the customer that are still on record: then nothing but the event goes.
    """

    event: LegalEvent
    status_now: str
    status_after: str
    stands: list[LegalEvent]
    accounts: list[Undone]
    releases_holds: bool

    @property
    def status_moves(self) -> bool:
        return self.status_now != self.status_after

    @property
    def status_stays(self) -> bool:
        """Something else than this event holds the customer insolvent or closed."""
        stopping = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)
        return bool(self.accounts) and not self.status_moves and self.status_now in stopping


def plan_take_back(event: LegalEvent, *, by: User, on: date) -> TakeBack:
    """What `take_back_legal_event` would do; changes nothing."""
    customer = Customer.objects.get(pk=event.customer_id)
    plan = TakeBack(event, customer.status, customer.status, [], [], by.has_perm(RELEASE))
    if event.kind != LegalEvent.Kind.INSOLVENCY or event.ended_on is not None:
        return plan
    others = customer.legal_events.filter(
        kind=LegalEvent.Kind.INSOLVENCY, superseded_at__isnull=True, ended_on__isnull=True
    ).exclude(pk=event.pk)
    plan.stands = list(others.order_by("effective_on", "pk"))
    if plan.stands:
        return plan
    plan.status_after = _status_without(customer)
    rows = customer.accounts.select_related("customer", "company", "segment").order_by("pk")
    plan.accounts = [_undone(account, on) for account in rows]
    return plan


def _caused(customer: Customer):
    """The status facts an insolvency caused (customers/legal.py gives them this reason)."""
    return StatusChange.objects.filter(
        customer=customer,
        status=Customer.Status.INSOLVENT,
        reason_code=REASON,
        superseded_at__isnull=True,
    )


def _status_without(customer: Customer) -> str:
    caused = list(_caused(customer).values_list("pk", flat=True))
    if not caused:
        return customer.status
    remaining = customer.status_changes.filter(superseded_at__isnull=True).exclude(pk__in=caused)
    last = remaining.order_by("-effective_on", "-pk").first()
    if last is not None:
        return last.status
    # No status was ever recorded as a fact: the trail knows what stood on the customer before.
    first = (
        AuditChange.objects.filter(
            table="customers.customer",
            object_pk=str(customer.pk),
            entry__act="customer.status",
            entry__reason_code=REASON,
        )
        .order_by("pk")
        .values_list("before", flat=True)
    )
    known = next((b["status"] for b in first if b and b["status"] != Customer.Status.INSOLVENT), None)
    return known or Customer.Status.ACTIVE


def _undone(account: CreditAccount, on: date) -> Undone:
    found = Undone(account, now=limit_at(account, on).base)
    found.holds = list(
        CreditHold.objects.filter(account=account, reason_code=REASON, released_on__isnull=True).order_by(
            "pk"
        )
    )
    waiting = waiting_change(account)
    if waiting is not None and waiting.reason_code == REASON:
        found.waiting = waiting
        waiting = None
    applied = LimitChange.objects.filter(
        account=account, kind=LimitKind.BASE, status=LimitChange.Status.APPLIED
    )
    last = applied.order_by("-decided_at", "-pk").first()
    if last is None or last.reason_code != REASON:
        return found
    if last.old_amount == last.new_amount:
        return found  # Zero before, too: all it ended was a temporary limit.
    found.cut, found.earlier = last, last.old_amount
    if found.earlier is None:
        found.obstacle = _("No limit was set before the cut: propose one by hand.")
    elif waiting is not None and waiting.proposer_kind == LimitChange.ProposerKind.PERSON:
        found.obstacle = _("A change to %(amount)s is waiting already: amend that one.") % {
            "amount": waiting.new_amount
        }
    return found


@transaction.atomic
def take_back_legal_event(event: LegalEvent, *, by: User, reason: str, on: date) -> TakeBack:
    """Take the event off the record from `on` (business date) on, with the status and holds it caused.

    For each limit it cut, the earlier limit is proposed as a rise in the name of `by`, who therefore cannot approve
    it. Raises TakeBackRefused: taken back already, no right, not in the user's portfolio, no reason.
    """
    customer = Customer.objects.select_for_update(no_key=True).get(pk=event.customer_id)
    locked = LegalEvent.objects.select_for_update().get(pk=event.pk)
    if locked.superseded_at is not None:
        raise TakeBackRefused(_("This event was taken back or corrected already."))
    if not by.has_perms((RECORD, PROPOSE)):
        raise TakeBackRefused(_("Your role does not take back legal events: ask a credit controller."))
    if not by.is_superuser and not visible_accounts(by).filter(customer=customer).exists():
        raise TakeBackRefused(_("This customer is not in your portfolio."))
    if not reason.strip():
        raise TakeBackRefused(_("Write down why: the reason stays with the correction."))
    plan = plan_take_back(locked, by=by, on=on)
    actor = Actor.person(by)
    closing = {"known_until": max(on, locked.known_on), "superseded_at": timezone.now()}
    LegalEvent.objects.filter(pk=locked.pk).update(**closing)
    record_act(
        "legal_event.take_back",
        actor=actor,
        subject=customer,
        reason_code=locked.kind,
        note=reason.strip(),
        business_date=on,
        changes=[
            Change.of(
                locked,
                {"kind": locked.kind, "effective_on": locked.effective_on, "known_until": None},
                {
                    "kind": locked.kind,
                    "effective_on": locked.effective_on,
                    "known_until": closing["known_until"],
                },
            )
        ],
    )
    if plan.accounts:
        _restore_status(customer, plan, actor=actor, on=on, closing=closing)
        evidence = gather_evidence([row.account for row in plan.accounts], on)
        for row in plan.accounts:
            _restore_account(row, plan, by=by, reason=reason, on=on, evidence=evidence[row.account.pk])
    accounts = list(customer.accounts.values_list("pk", flat=True))
    ledger_changed.send(sender=LegalEvent, account_ids=accounts)
    return plan


def _restore_status(customer: Customer, plan: TakeBack, *, actor: Actor, on: date, closing: dict) -> None:
    for fact in _caused(customer):
        StatusChange.objects.filter(pk=fact.pk).update(
            known_until=max(on, fact.known_on), superseded_at=closing["superseded_at"]
        )
    if not plan.status_moves:
        return
    Customer.objects.filter(pk=customer.pk).update(status=plan.status_after)
    record_act(
        "customer.status",
        actor=actor,
        subject=customer,
        reason_code="event_taken_back",
        business_date=on,
        changes=[Change.of(customer, {"status": plan.status_now}, {"status": plan.status_after})],
    )


def _restore_account(row: Undone, plan: TakeBack, *, by: User, reason: str, on: date, evidence: dict) -> None:
    in_scope = by.is_superuser or visible_accounts(by).filter(pk=row.account.pk).exists()
    # The event cut accounts of every company; where the person does not see one, the correction speaks itself.
    actor = Actor.person(by) if in_scope else CORRECTIONS
    locked = lock_account(row.account.pk)
    if row.waiting is not None:
        supersede_waiting(locked, actor=actor, on=on, reason_code="event_taken_back")
    if plan.releases_holds and in_scope:
        for hold in row.holds:
            release_hold(hold, by=by, reason=reason, on=on)
    if row.proposes:
        row.proposed = propose_limit_change(
            locked,
            row.earlier,
            actor=actor,
            as_of=on,
            reason_code="event_taken_back",
            params={"on": plan.event.effective_on, "source": plan.event.source, "event": plan.event.pk},
            evidence=evidence,
            proposer_kind=None if in_scope else LimitChange.ProposerKind.EVENT,
        )
