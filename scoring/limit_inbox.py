"""The approval inbox: which changes wait for a user, in which order, and what each row says.

Order: what an event proposed comes first (a hold stops business until somebody decides); then by money and age:
the amount that moves, in the company's currency, times the days it has waited (the first day counts as one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.approval_rules import DECIDE, authorities
from customers.exposure import Exposure, exposures
from customers.limit_reasons import render_reason
from customers.models import LimitChange
from customers.rates import MissingRate, RateTable
from scoring.models import AccountScore

Status = LimitChange.Status


@dataclass(slots=True)
class Row:
    """One waiting change as the inbox shows it."""

    change: LimitChange
    why: str
    score: AccountScore | None
    exposure: Exposure
    waiting_days: int
    who_may: list[str]
    is_own: bool
    may_decide: bool

    @property
    def customer(self) -> str:
        return self.change.account.customer.name

    @property
    def score_then(self) -> int | None:
        return (self.change.evidence or {}).get("score")

    @property
    def grade_then(self) -> str:
        return (self.change.evidence or {}).get("grade", "")

    @property
    def score_moved(self) -> bool:
        return self.score is not None and self.score_then not in (None, self.score.score)


def visible_changes(user: User) -> QuerySet[LimitChange]:
    return LimitChange.objects.filter(account_scope(user, "account__"))


def ranked_ids(user: User, as_of: date, now: datetime | None = None) -> list[int]:
    """Ids of the waiting changes the user may see, most pressing first; two queries."""
    now = now or timezone.now()
    rates = RateTable.at(as_of)
    waiting = visible_changes(user).filter(status=Status.PROPOSED)
    ranked = []
    for pk, kind, currency, home, old, new, at in waiting.values_list(
        *("pk", "proposer_kind", "currency", "account__company__currency"),
        *("old_amount", "new_amount", "proposed_at"),
    ):
        money = Money(abs(new - (old or 0)), currency)
        try:
            weight = rates.convert(money, home).amount * (max((now - at).days, 0) + 1)
        except MissingRate:  # an amount nobody can weigh is looked at early rather than forgotten
            weight = money.amount * (max((now - at).days, 0) + 1)
        ranked.append((kind != LimitChange.ProposerKind.EVENT, -weight, pk))
    return [pk for _event, _weight, pk in sorted(ranked)]


def rows(user: User, ids: Sequence[int], as_of: date) -> list[Row]:
    """The rows of a page of the inbox, in the order of `ids`, in a constant number of queries."""
    changes = {
        change.pk: change
        for change in LimitChange.objects.filter(pk__in=ids)
        .select_related("account__customer", "account__company", "proposer")
        .annotate(comment_count=Count("comments"))
    }
    ordered = [changes[pk] for pk in ids if pk in changes]
    accounts = {change.account_id: change.account for change in ordered}
    scores = {row.account_id: row for row in AccountScore.objects.filter(account__in=accounts)}
    grades = {pk: row.grade for pk, row in scores.items()}
    now = exposures(accounts.values(), as_of)
    covering = authorities(ordered, grades_now=grades, on=as_of)
    groups = set(user.groups.values_list("pk", flat=True))
    decides = user.has_perm(DECIDE)
    return [
        Row(
            change=change,
            why=render_reason(change.reason_code, change.reason_params),
            score=scores.get(change.account_id),
            exposure=now[change.account_id],
            waiting_days=max((timezone.now() - change.proposed_at).days, 0),
            who_may=sorted({row.group.name for row in covering[change.pk]}),
            is_own=change.proposer_id == user.pk,
            may_decide=decides
            and change.proposer_id != user.pk
            and any(row.group_id in groups for row in covering[change.pk]),
        )
        for change in ordered
    ]


def next_to_decide(user: User, as_of: date, *, skipping: Sequence[int] = ()) -> int | None:
    """The most pressing change the user may decide: what opens after a decision."""
    ids = [pk for pk in ranked_ids(user, as_of) if pk not in skipping]
    for start in range(0, len(ids), 50):
        for row in rows(user, ids[start : start + 50], as_of):
            if row.may_decide:
                return row.change.pk
    return None


def json_signals(evidence: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """{signal name: {"value", "points"}} of stored evidence."""
    return {item["name"]: item for item in evidence.get("signals", [])}
