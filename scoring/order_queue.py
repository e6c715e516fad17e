"""The queue of orders on hold: whose turn it is, and what each row says.

Order: what should have been decided by today comes first; then money and age: the amount held, in the company's
currency, times the days it has waited (the first day counts as one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import Places, account_scope, sight_of
from customers.checks import LEVELS, failure_as_seen, failure_of
from customers.limit_reasons import render_reason
from customers.models import OpenOrder, OrderHold
from customers.rates import MissingRate, RateTable
from customers.shown import Shown, shown_fields
from scoring.checks.sentences import Explained, explain_failure
from scoring.models import AccountScore


@dataclass(slots=True)
class Row:
    """One order on hold as the queue shows it."""

    hold: OrderHold
    order: OpenOrder | None
    why: str
    more: int
    level: str
    missing: Money | None
    age: int
    is_late: bool
    score: AccountScore | None


def visible_holds(user: User) -> QuerySet[OrderHold]:
    return OrderHold.objects.filter(account_scope(user, "account__"))


def waiting_for(user: User) -> QuerySet[OrderHold]:
    return visible_holds(user).filter(status=OrderHold.Status.WAITING)


def ranked_ids(user: User, as_of: date) -> list[int]:
    """Ids of the waiting orders the user may see, most pressing first; two queries."""
    rates = RateTable.at(as_of)
    ranked = []
    for pk, currency, home, minor, placed_on, decide_by in waiting_for(user).values_list(
        "pk", "currency", "account__company__currency", "amount", "placed_on", "decide_by"
    ):
        money = Money(int(getattr(minor, "minor", minor)), currency)
        try:
            value = rates.convert(money, home).amount
        except MissingRate:  # an amount nobody can weigh is looked at early rather than forgotten
            value = money.amount
        ranked.append((decide_by >= as_of, -value * (max((as_of - placed_on).days, 0) + 1), pk))
    return [pk for _late, _weight, pk in sorted(ranked)]


def rows(ids: Sequence[int], as_of: date, user: User) -> list[Row]:
    """The rows of a page of the queue for its reader, in the order of `ids`, in a constant number of queries."""
    holds = {
        hold.pk: hold
        for hold in OrderHold.objects.filter(pk__in=ids)
        .select_related("account__customer", "account__company")
        .annotate(**shown_fields(user, "account__customer", as_of))
    }
    ordered = [holds[pk] for pk in ids if pk in holds]
    accounts = {hold.account_id for hold in ordered}
    orders = {
        (order.account_id, order.number): order
        for order in OpenOrder.objects.filter(
            account__in=accounts,
            number__in={hold.order_number for hold in ordered},
            superseded_at__isnull=True,
        )
    }
    scores = {row.account_id: row for row in AccountScore.objects.filter(account__in=accounts)}
    sees = sight_of(user)
    return [
        _row(
            hold,
            explained(hold, sees),
            orders.get((hold.account_id, hold.order_number)),
            scores.get(hold.account_id),
            as_of,
        )
        for hold in ordered
    ]


def _row(
    hold: OrderHold,
    lines: list[Explained],
    order: OpenOrder | None,
    score: AccountScore | None,
    as_of: date,
) -> Row:
    first = lines[0] if lines else None
    return Row(
        hold=hold,
        order=order,
        why=stop_text(hold, Shown.of(hold))
        if hold.cause == OrderHold.Cause.STOPPED
        else first.reason
        if first
        else "",
        more=max(len(lines) - 1, 0),
        level=str(LEVELS[first.level]) if first else "",
        missing=first.missing if first else None,
        age=max((as_of - hold.placed_on).days, 0),
        is_late=hold.decide_by < as_of,
        score=score,
    )


def explained(hold: OrderHold, sees: Callable[[Places], bool]) -> list[Explained]:
    """The failures the hold was placed for, in the reader's language, with the figures the reader may see
    (`sight_of`)."""
    stored: list[dict[str, Any]] = hold.details.get("failures", [])
    return [explain_failure(failure_as_seen(failure_of(failure), sees)) for failure in stored]


def stop_text(hold: OrderHold, shown: Shown) -> str:
    """Why business was stopped, with the provision that allows to hold back what was agreed."""
    reason = render_reason(hold.details.get("code", ""), hold.details.get("params", {}), shown=shown)
    provision = hold.details.get("provision")
    if not provision:
        return _("Business was stopped: %(reason)s") % {"reason": reason}
    return _("Business was stopped: %(reason)s. Held back under %(provision)s.") % {
        "reason": reason.rstrip("."),
        "provision": provision,
    }


def next_to_decide(user: User, as_of: date, *, skipping: Sequence[int] = ()) -> int | None:
    return next((pk for pk in ranked_ids(user, as_of) if pk not in skipping), None)
