"""The facts that tell customers apart, each read in one query for all accounts in scope.

`scope` is a list of account ids or a subquery of them; every function takes it as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from math import sqrt
from typing import Any

from django.db.models import Avg as Average
from django.db.models import BigIntegerField, Count, Exists, ExpressionWrapper, F, Max, OuterRef, Q, Sum

from customers.disputes import open_at
from customers.exposure import exposures, instalments_open_at, payments_open_at
from customers.models import (
    Allocation,
    CreditAccount,
    CreditLimit,
    Dispute,
    DisputeItem,
    DocumentKind,
    DunningBlock,
    Instalment,
    LimitKind,
    Payment,
    Promise,
    PromiseItem,
)
from customers.promises import broken_at
from customers.rates import MissingRate
from dunning.models import Reminder
from worklists import situations as model
from worklists.causes import (
    BROKEN_WITHIN_DAYS,
    DISPUTE_CLOSED_WITHIN_DAYS,
    RETURNED_WITHIN_DAYS,
)
from worklists.models import FollowUp, Snooze
from worklists.situations import Situation

HANDED_OVER = "handed_over"
REMINDERS_COUNT_FOR_DAYS = 60
CONTACTS_LOOKED_AT_DAYS = 14

# Minor units, their currency, the wanted one: minor units of that.
Convert = Callable[[int, str, str], int]


def collect(found: dict[int, Situation], scope: Any, as_of: date, judged_on: date, convert: Convert) -> None:
    """Fill in everything but the items, their holds and the groups."""
    _behaviour(found, scope, judged_on)
    _typical_item(found, scope, judged_on)
    _overdue_before(found, scope, judged_on - timedelta(days=30), convert)
    _promises(found, scope, as_of, judged_on)
    _closed_disputes(found, scope, as_of)
    _returned(found, scope, judged_on)
    _unapplied(found, scope, judged_on)
    _limits(found, scope, as_of)
    _contacts(found, scope, as_of)
    _reminders(found, scope, as_of)
    _snoozes(found, scope, as_of)


def disputed_items(scope: Any, as_of: date) -> dict[int, tuple[int, str]]:
    """{instalment: (minor units in open dispute, reason)}."""
    rows = DisputeItem.objects.filter(open_at(as_of, prefix="dispute__"), dispute__account__in=scope)
    found: dict[int, tuple[int, str]] = {}
    for pk, minor, reason in rows.order_by("dispute_id").values_list(
        "instalment_id", "amount", "dispute__reason"
    ):
        found[pk] = (found.get(pk, (0, ""))[0] + minor, reason)
    return found


def blocks(scope: Any, as_of: date) -> tuple[dict[int, tuple[str, date, date]], set[int]]:
    """Dunning blocks in force: per account (reason, from, until), and the single instalments blocked."""
    rows = (
        DunningBlock.objects.filter(
            account__in=scope, superseded_at__isnull=True, effective_on__lte=as_of, expires_on__gte=as_of
        )
        .filter(Q(lifted_on__isnull=True) | Q(lifted_on__gt=as_of))
        .order_by("expires_on")
    )
    accounts: dict[int, tuple[str, date, date]] = {}
    items: set[int] = set()
    for account_id, item_id, code, starts_on, until in rows.values_list(
        "account_id", "instalment_id", "reason_code", "effective_on", "expires_on"
    ):
        if item_id is not None:
            items.add(item_id)
        elif accounts.get(account_id, ("",))[0] != HANDED_OVER:
            accounts[account_id] = (code, starts_on, until)
    return accounts, items


def _window(start: date, end: date) -> Q:
    return Q(effective_on__gt=start, effective_on__lte=end)


def _behaviour(found: dict[int, Situation], scope: Any, judged_on: date) -> None:
    """Money-weighted days late. A reversal repeats the days with a negative amount, so that the two cancel."""

    def ago(days: int) -> date:
        return judged_on - timedelta(days=days)

    windows = {
        "year": _window(ago(365), judged_on),
        "before": _window(ago(365), ago(60)),
        "season": _window(ago(410), ago(320)),
        "rest": _window(ago(290), ago(75)),
    }
    late = ExpressionWrapper(F("account_amount") * F("days_late"), output_field=BigIntegerField())
    square = ExpressionWrapper(
        F("account_amount") * F("days_late") * F("days_late"), output_field=BigIntegerField()
    )
    paid, back = Q(amount__gt=0), Q(amount__lt=0)
    measures: dict[str, Any] = {
        "paid_ever": Count("pk", filter=paid) - Count("pk", filter=back),
        "late_ever": Count("pk", filter=paid & Q(days_late__gt=3)),
        "last_on": Max("effective_on", filter=paid),
        "year_square": Sum(square, filter=windows["year"]),
    }
    for name, window in windows.items():
        measures[f"{name}_count"] = Count("pk", filter=window & paid) - Count("pk", filter=window & back)
        measures[f"{name}_late"] = Sum(late, filter=window)
        measures[f"{name}_weight"] = Sum("account_amount", filter=window)
    rows = (
        Allocation.objects.filter(
            account__in=scope,
            kind=Allocation.Kind.CASH,
            superseded_at__isnull=True,
            effective_on__lte=judged_on,
        )
        .order_by()
        .values("account_id")
        .annotate(**measures)
    )
    for row in rows:
        situation = found.get(row["account_id"])
        if situation is None:
            continue
        means = {name: _ratio(row[f"{name}_late"], row[f"{name}_weight"]) for name in windows}
        variance = _ratio(row["year_square"], row["year_weight"]) - means["year"] ** 2
        situation.behaviour = model.Behaviour(
            paid_ever=row["paid_ever"],
            late_ever=row["late_ever"],
            last_payment_on=row["last_on"],
            year_spread=sqrt(max(variance, 0.0)),
            **{f"{name}_mean": mean for name, mean in means.items()},  # type: ignore[arg-type]
            **{f"{name}_count": row[f"{name}_count"] for name in windows},
        )


def _ratio(total: Any, weight: Any) -> float:
    return float(total) / float(weight) if weight else 0.0


def _typical_item(found: dict[int, Situation], scope: Any, judged_on: date) -> None:
    rows = (
        Instalment.objects.filter(
            _window(judged_on - timedelta(days=365), judged_on),
            account__in=scope,
            kind=DocumentKind.INVOICE,
            superseded_at__isnull=True,
        )
        .order_by()
        .values("account_id")
        .annotate(count=Count("pk"), mean=Average("account_amount"))
    )
    for row in rows:
        if row["account_id"] in found and row["count"] >= 3:
            found[row["account_id"]].typical_item = round(row["mean"])


def _overdue_before(found: dict[int, Situation], scope: Any, then: date, convert: Convert) -> None:
    rows = instalments_open_at(
        then,
        instalments=Instalment.objects.filter(account__in=scope, kind=DocumentKind.INVOICE, due_on__lt=then),
    ).order_by()
    totals: dict[tuple[int, str], int] = defaultdict(int)
    for account_id, currency, minor in rows.values_list("account_id", "currency", "open_then").iterator(
        chunk_size=5000
    ):
        totals[account_id, currency] += minor
    for (account_id, currency), minor in totals.items():
        situation = found.get(account_id)
        if situation is not None:
            situation.overdue_before += convert(minor, currency, situation.currency)


def _promises(found: dict[int, Situation], scope: Any, as_of: date, judged_on: date) -> None:
    still_open = PromiseItem.objects.filter(promise=OuterRef("pk"), instalment__open_amount__gt=0)
    rows = (
        Promise.objects.filter(account__in=scope, effective_on__lte=as_of)
        .filter(
            Q(due_on=as_of, superseded_at__isnull=True)
            & (Q(resolved_on__isnull=True) | Q(resolved_on__gt=as_of))
            | broken_at(judged_on) & Q(resolved_on__gt=judged_on - timedelta(days=365))
        )
        .annotate(still_open=Exists(still_open))
        .order_by("due_on", "pk")
        .values_list(
            "account_id", "amount", "currency", "due_on", "kept_amount", "resolved_on", "status", "still_open"
        )
    )
    recent = judged_on - timedelta(days=BROKEN_WITHIN_DAYS)
    for pk, minor, currency, due_on, kept, resolved_on, status, is_open in rows:
        situation = found.get(pk)
        if situation is None:
            continue
        if status in {Promise.Status.BROKEN, Promise.Status.PARTLY_KEPT} and resolved_on <= judged_on:
            situation.broken_count += 1
            if is_open and resolved_on > recent:
                situation.broken = model.Sum(
                    minor, currency, due_on, {"kept": kept, "resolved_on": resolved_on}
                )
        else:
            situation.promise_today = model.Sum(minor, currency, due_on)


def _closed_disputes(found: dict[int, Situation], scope: Any, as_of: date) -> None:
    still_open = DisputeItem.objects.filter(dispute=OuterRef("pk"), instalment__open_amount__gt=0)
    rows = (
        Dispute.objects.filter(
            Exists(still_open),
            account__in=scope,
            superseded_at__isnull=True,
            closed_on__lte=as_of,
            closed_on__gt=as_of - timedelta(days=DISPUTE_CLOSED_WITHIN_DAYS),
        )
        # Upheld ends in a credit note; opened and withdrawn on one day was a slip of the finger.
        .exclude(outcome=Dispute.Outcome.UPHELD)
        .exclude(outcome=Dispute.Outcome.WITHDRAWN, closed_on=F("effective_on"))
        .order_by("closed_on", "pk")
    )
    for pk, minor, currency, closed_on, outcome in rows.values_list(
        "account_id", "amount", "currency", "closed_on", "outcome"
    ):
        if pk in found:
            found[pk].dispute_closed = model.Sum(minor, currency, closed_on, {"outcome": outcome})


def _returned(found: dict[int, Situation], scope: Any, judged_on: date) -> None:
    rows = Allocation.objects.filter(
        _window(judged_on - timedelta(days=RETURNED_WITHIN_DAYS), judged_on),
        account__in=scope,
        kind=Allocation.Kind.RETURNED,
        superseded_at__isnull=True,
        amount__gt=0,
    ).order_by("effective_on", "pk")
    for pk, minor, currency, on in rows.values_list("account_id", "amount", "currency", "effective_on"):
        if pk in found:
            found[pk].returned = model.Sum(minor, currency, on)


def _unapplied(found: dict[int, Situation], scope: Any, judged_on: date) -> None:
    # Nothing of the others can have been open then; without saying so each payment's allocations are summed up.
    used_later = Allocation.objects.filter(
        payment__isnull=False, superseded_at__isnull=True, effective_on__gt=judged_on
    ).values("payment_id")
    payments = Payment.objects.filter(Q(open_amount__gt=0) | Q(pk__in=used_later), account__in=scope)
    rows = payments_open_at(judged_on, payments=payments)
    for pk, currency, minor, on in rows.order_by("effective_on", "pk").values_list(
        "account_id", "currency", "open_then", "effective_on"
    ):
        situation = found.get(pk)
        if situation is not None:
            before = situation.unapplied
            earlier = before.minor if before is not None and before.currency == currency else 0
            situation.unapplied = model.Sum(minor + earlier, currency, on)


def _limits(found: dict[int, Situation], scope: Any, as_of: date) -> None:
    rows = (
        CreditLimit.objects.filter(account__in=scope, valid_from__lte=as_of)
        .filter(Q(valid_until__isnull=True) | Q(valid_until__gte=as_of))
        .order_by("valid_from", "pk")
    )
    base: dict[int, int] = {}
    temporary: dict[int, int] = {}
    for pk, kind, minor in rows.values_list("account_id", "kind", "amount"):
        (temporary if kind == LimitKind.TEMPORARY else base)[pk] = minor
    limits = {**base, **temporary}
    if not limits:
        return
    accounts = CreditAccount.objects.filter(pk__in=scope)
    try:
        used = exposures(accounts, as_of)
    except MissingRate:
        # The row stays, without its limit; the build reports the missing pair (gathering.Gathered).
        return
    for pk, exposure in used.items():
        if pk in found and pk in limits:
            found[pk].limit, found[pk].exposure = limits[pk], exposure.total.minor


def _contacts(found: dict[int, Situation], scope: Any, as_of: date) -> None:
    kinds = FollowUp.Kind
    rows = (
        FollowUp.objects.filter(
            account__in=scope,
            kind__in=[kinds.CALL, kinds.EMAIL, kinds.PROMISE, kinds.DISPUTE],
            compensated_by__isnull=True,
            business_date__lte=as_of,
            business_date__gt=as_of - timedelta(days=CONTACTS_LOOKED_AT_DAYS),
        )
        .exclude(outcome=FollowUp.Outcome.WRONG_NUMBER)
        .exclude(reminder__state__in=[Reminder.State.FAILED, Reminder.State.CANCELLED])
        .order_by("business_date", "pk")
    )
    for pk, day, kind, outcome in rows.values_list("account_id", "business_date", "kind", "outcome"):
        if pk in found:
            found[pk].last_contact_on = day
            found[pk].last_contact_reached = kind != kinds.CALL or outcome in FollowUp.REACHED_OUTCOMES


def _reminders(found: dict[int, Situation], scope: Any, as_of: date) -> None:
    rows = (
        Reminder.objects.filter(
            account__in=scope,
            business_date__lte=as_of,
            business_date__gt=as_of - timedelta(days=REMINDERS_COUNT_FOR_DAYS),
        )
        .exclude(state=Reminder.State.CANCELLED)
        .order_by("business_date", "level")
    )
    fortnight = as_of - timedelta(days=CONTACTS_LOOKED_AT_DAYS)
    for pk, level, day, state in rows.values_list("account_id", "level", "business_date", "state"):
        situation = found.get(pk)
        if situation is None:
            continue
        if state == Reminder.State.FAILED:
            situation.undelivered_on = day if day > fortnight else None
        else:
            situation.reminder_level, situation.reminded_on, situation.undelivered_on = level, day, None


def _snoozes(found: dict[int, Situation], scope: Any, as_of: date) -> None:
    rows = Snooze.objects.filter(
        account__in=scope, starts_on__lte=as_of, until__gt=as_of, ended_on__isnull=True
    )
    for pk, until in rows.order_by("until").values_list("account_id", "until"):
        if pk in found:
            found[pk].snoozed_until = until
