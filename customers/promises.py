"""Promises to pay: taking one, withdrawing it, and judging it by the payments that arrive.

A promise is judged on its date plus grace (business days). It is kept when cash received between the day it
was given and the judging day reaches the promised amount on its instalments; none is broken before the
ledger is complete through the judging day.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.calendars import add_business_days
from customers.completeness import complete_through_all
from customers.events import promise_moved
from customers.models import Allocation, CreditAccount, Instalment, Promise, PromiseItem, PromiseMove

GRACE_BUSINESS_DAYS = 2

Status = Promise.Status
# Judgement follows the ledger, so it may also go back: a returned payment reopens or breaks a kept promise.
ALLOWED = {
    Status.OPEN: {Status.KEPT, Status.PARTLY_KEPT, Status.BROKEN, Status.WITHDRAWN, Status.REPLACED},
    Status.KEPT: {Status.OPEN, Status.PARTLY_KEPT, Status.BROKEN},
    Status.PARTLY_KEPT: {Status.OPEN, Status.KEPT, Status.BROKEN},
    Status.BROKEN: {Status.OPEN, Status.KEPT, Status.PARTLY_KEPT},
    Status.WITHDRAWN: set(),
    Status.REPLACED: set(),
}


class PromiseError(ValueError):
    """A promise that cannot be taken or moved; the text names the cure."""


@transaction.atomic
def take_promise(
    account: CreditAccount,
    parts: Sequence[tuple[Instalment, Decimal]],
    *,
    due_on: date,
    given_on: date,
    actor: Actor,
    given_by: str = "",
    grace_days: int = GRACE_BUSINESS_DAYS,
    known_on: date | None = None,
) -> Promise:
    """Record a promise over parts of open instalments (one currency). An open promise on one of them is replaced."""
    if not parts:
        raise PromiseError(_("Choose at least one open invoice the promise is for."))
    if due_on < given_on:
        raise PromiseError(_("The promised date lies in the past: choose today or later."))
    currencies = {row.currency for row, _amount in parts}
    if len(currencies) != 1:
        raise PromiseError(_("Take one promise per currency."))
    currency = currencies.pop()
    amounts = [(row, Money.of(amount, currency)) for row, amount in parts]
    for row, money in amounts:
        if row.account_id != account.pk:
            raise PromiseError(_("An invoice of another account cannot be promised here."))
        if money.minor <= 0 or money > row.open_amount:
            raise PromiseError(
                _("%(amount)s is not within what is open (%(open)s): correct the amount.")
                % {"amount": money, "open": row.open_amount}
            )
    promise = Promise.objects.create(
        account=account,
        currency=currency,
        amount=sum((money for _row, money in amounts), Money.zero(currency)),
        due_on=due_on,
        judged_on=add_business_days(due_on, grace_days, account.company.country),
        given_by=given_by,
        taken_by=actor.user,
        effective_on=given_on,
        known_on=known_on or given_on,
    )
    PromiseItem.objects.bulk_create(
        PromiseItem(promise=promise, instalment=row, amount=money) for row, money in amounts
    )
    earlier = Promise.objects.filter(
        account=account, status=Status.OPEN, items__instalment__in=[row.pk for row, _m in amounts]
    ).exclude(pk=promise.pk)
    for old in earlier.distinct():
        _move(old, Status.REPLACED, old.kept_amount, given_on, actor, "replaced", replaced_by=promise)
    record_act(
        "promise.take",
        actor=actor,
        subject=promise,
        business_date=given_on,
        changes=[
            Change.of(promise, None, {"amount": promise.amount.minor, "currency": currency, "due_on": due_on})
        ],
    )
    promise_moved.send(sender=Promise, promise=promise)
    return promise


@transaction.atomic
def withdraw_promise(promise: Promise, *, on: date, actor: Actor, reason_code: str) -> Promise:
    """Take a promise back (a mistake, or undone by the collector); it never counts as broken."""
    locked = Promise.objects.select_for_update().get(pk=promise.pk)
    _move(locked, Status.WITHDRAWN, locked.kept_amount, on, actor, reason_code)
    return locked


def _move(
    promise: Promise,
    to: str,
    kept: Money,
    on: date,
    actor: Actor,
    reason_code: str,
    *,
    known_on: date | None = None,
    replaced_by: Promise | None = None,
) -> None:
    # A judged promise may move within its state: the kept amount changed with cash that came back.
    if to not in ALLOWED[Status(promise.status)] and not (to == promise.status == Status.PARTLY_KEPT):
        raise PromiseError(
            _("A promise that is %(from)s cannot become %(to)s.")
            % {"from": promise.get_status_display(), "to": Status(to).label}
        )
    before = {
        "status": promise.status,
        "kept_amount": promise.kept_amount.minor,
        "resolved_on": promise.resolved_on,
    }
    PromiseMove.objects.create(
        promise=promise,
        from_status=promise.status,
        to_status=to,
        kept_amount=kept.minor,
        moved_by=actor.user,
        reason_code=reason_code,
        effective_on=on,
        known_on=known_on or on,
    )
    promise.status, promise.kept_amount = to, kept
    promise.resolved_on = None if to == Status.OPEN else on
    promise.replaced_by = replaced_by or promise.replaced_by
    promise.save(update_fields=["status", "kept_amount", "resolved_on", "replaced_by"])
    after = {"status": to, "kept_amount": kept.minor, "resolved_on": promise.resolved_on}
    record_act(
        "promise.move",
        actor=actor,
        subject=promise,
        reason_code=reason_code,
        business_date=on,
        changes=[Change.of(promise, before, after)],
    )
    promise_moved.send(sender=Promise, promise=promise)


def settle_promises(as_of: date, *, account_ids: Collection[int] | None = None, actor: Actor) -> int:
    """Judge promises by the cash of the ledger as it stands; returns how many moved. Running it again moves none.

    Covers open promises, and judged ones whose cash changed since (a returned payment, a late booking).
    """
    candidates = Promise.objects.exclude(status__in=[Status.WITHDRAWN, Status.REPLACED]).filter(
        superseded_at__isnull=True, effective_on__lte=as_of
    )
    if account_ids is not None:
        candidates = candidates.filter(account__in=account_ids)
    else:
        # The nightly pass: what can still move is open, or was judged within the last year.
        candidates = candidates.filter(Q(status=Status.OPEN) | Q(resolved_on__gte=date(as_of.year - 1, 1, 1)))
    moved = 0
    with transaction.atomic():
        # FOR UPDATE refuses DISTINCT and joins: lock by id first, then read.
        ids = list(candidates.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            promises = list(Promise.objects.select_for_update().filter(pk__in=part).order_by("pk"))
            complete = complete_through_all()
            companies = dict(
                CreditAccount.objects.filter(pk__in={p.account_id for p in promises}).values_list(
                    "pk", "company_id"
                )
            )
            cash = _cash_towards(promises, as_of)
            for promise in promises:
                done = complete.get(companies[promise.account_id])
                moved += _judge(promise, cash.get(promise.pk, []), min(as_of, done) if done else None, actor)
    return moved


def _cash_towards(promises: Sequence[Promise], as_of: date) -> dict[int, list[tuple[date, int]]]:
    """Signed cash on each promise's instalments from the day it was given to its judging day: {pk: [(day, minor)]}.

    An instalment's part counts up to the amount promised for it.
    """
    rows = (
        PromiseItem.objects.filter(
            promise__in=promises,
            instalment__allocations__kind=Allocation.Kind.CASH,
            instalment__allocations__superseded_at__isnull=True,
            instalment__allocations__effective_on__gte=F("promise__effective_on"),
            instalment__allocations__effective_on__lte=as_of,
        )
        .order_by("instalment__allocations__effective_on", "instalment__allocations__pk")
        .values_list(
            "promise_id",
            "promise__judged_on",
            "amount",
            "pk",
            "instalment__allocations__effective_on",
            "instalment__allocations__amount",
        )
    )
    running: dict[int, int] = {}
    cash: dict[int, list[tuple[date, int]]] = {}
    for promise_id, judged_on, part, item_id, day, minor in rows:
        # Returned cash counts against the promise whenever it comes back; late cash does not help it.
        if minor > 0 and day > judged_on:
            continue
        before = min(running.get(item_id, 0), part)
        running[item_id] = running.get(item_id, 0) + minor
        cash.setdefault(promise_id, []).append((day, min(running[item_id], part) - before))
    return cash


def _judge(promise: Promise, cash: list[tuple[date, int]], judged_through: date | None, actor: Actor) -> int:
    kept, reached_on = 0, None
    for day, minor in cash:
        kept += minor
        if kept >= promise.amount.minor and reached_on is None:
            reached_on = day
        elif kept < promise.amount.minor:
            reached_on = None
    over = judged_through is not None and promise.judged_on <= judged_through
    if reached_on is not None:
        status, on = Status.KEPT, reached_on
    elif not over:
        status, on = Status.OPEN, judged_through or promise.effective_on
    elif kept > 0:
        status, on = Status.PARTLY_KEPT, promise.judged_on
    else:
        status, on = Status.BROKEN, promise.judged_on
    money = Money(max(kept, 0), promise.currency)
    if status == promise.status:
        if money == promise.kept_amount:
            return 0
        if status == Status.OPEN:  # nothing is judged yet: what has come in so far is only a counter
            Promise.objects.filter(pk=promise.pk).update(kept_amount=money.minor)
            return 0
    known = max(on, judged_through) if judged_through else on
    _move(promise, status, money, on, actor, "judged", known_on=known)
    return 1


def broken_at(as_of: date, view: View = CURRENT) -> Q:
    """Condition on promises broken (or kept only in part) on or before `as_of`."""
    return view.q() & Q(status__in=[Status.BROKEN, Status.PARTLY_KEPT], resolved_on__lte=as_of)


def open_promised(account_ids: Collection[int] | QuerySet, as_of: date) -> dict[int, int]:
    """Minor units promised, not yet judged at `as_of` and not yet received, per instalment.

    `account_ids` may be a subquery. What came in since the promise was given is no longer promised but paid:
    it must not hold back the rest of the instalment a second time.
    """
    items = (
        PromiseItem.objects.filter(
            promise__account__in=account_ids,
            promise__effective_on__lte=as_of,
            promise__superseded_at__isnull=True,
        )
        .filter(Q(promise__resolved_on__isnull=True) | Q(promise__resolved_on__gt=as_of))
        .order_by()
        .annotate(
            came=Sum(
                "instalment__allocations__amount",
                filter=Q(
                    instalment__allocations__kind=Allocation.Kind.CASH,
                    instalment__allocations__superseded_at__isnull=True,
                    instalment__allocations__effective_on__gte=F("promise__effective_on"),
                    instalment__allocations__effective_on__lte=as_of,
                ),
            )
        )
    )
    promised: dict[int, int] = {}
    for instalment_id, minor, came in items.values_list("instalment_id", "amount", "came"):
        rest = min(max(minor - (came or 0), 0), minor)
        promised[instalment_id] = promised.get(instalment_id, 0) + rest
    return promised
