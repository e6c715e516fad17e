"""The approval inbox: which changes wait for a user, in which order, and what each row says.

Order: what an event proposed comes first (a hold stops business until somebody decides); then by money and age:
the amount that moves, in the company's currency, times the days it has waited (the first day counts as one).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.fields.json import KT

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.approval_clock import Clock, clock_of, terms_of
from customers.approval_rules import authorities
from customers.bulk_approval import grew_worse, why_not_small
from customers.holds import open_holds
from customers.limit_evidence import ledger_evidence, money_of
from customers.limit_moves import moves
from customers.limit_reasons import render_reason
from customers.mandates import Mandate, decisions_shown, mandates
from customers.models import Company, LimitChange, LimitDecision, LimitReminder
from customers.rates import MissingRate, RateTable
from customers.shown import Shown, shown_fields
from scoring import limit_comparison
from scoring.models import AccountScore
from scoring.overrides import grades_now, grades_of

Status = LimitChange.Status
Evidence = dict[str, Any]

# What a person looks at: everything, what they may decide, small rises, seconds of two, what waits too long.
SHOWS = ("all", "mine", "small", "second", "overdue")


@dataclass(slots=True)
class Waiting:
    """One waiting change as far as ranking and filtering need it; evidence is not loaded."""

    change: LimitChange
    mandates: list[Mandate]
    clock: Clock
    is_second: bool
    why_not_small: str

    def shown_in(self, show: str) -> bool:
        return {
            "mine": bool(self.mandates),
            "small": not self.why_not_small and bool(self.mandates),
            "second": self.is_second,
            "overdue": self.clock.is_overdue,
        }.get(show, True)


@dataclass(slots=True)
class Row:
    """One waiting change as the inbox shows it."""

    change: LimitChange
    why: str
    score: AccountScore | None
    grade_now: str
    exposure: Money | None
    overdue: Money | None
    clock: Clock
    who_may: list[str]
    is_own: bool
    mandates: list[Mandate]
    decisions: list[LimitDecision]
    facts: list[limit_comparison.Line]
    moved: list[limit_comparison.MoveLine]
    why_not_small: str
    reminders: int = 0
    decided_by_user: bool = False
    urgent: list[limit_comparison.MoveLine] = field(default_factory=list)

    @property
    def customer(self) -> str:
        return self.change.account.customer.name

    @property
    def may_decide(self) -> bool:
        return bool(self.mandates)

    @property
    def deputy_for(self) -> User | None:
        return self.mandates[0].on_behalf_of if self.mandates else None

    @property
    def needs_two(self) -> bool:
        return bool(self.mandates) and not self.mandates[0].decides_alone

    @property
    def is_small(self) -> bool:
        """May be ticked for approval together with others."""
        return not self.why_not_small and self.may_decide

    @property
    def waiting_days(self) -> int:
        return self.clock.waiting_days

    @property
    def score_then(self) -> int | None:
        return (self.change.evidence or {}).get("score")

    @property
    def grade_then(self) -> str:
        return (self.change.evidence or {}).get("grade", "")

    @property
    def score_moved(self) -> bool:
        if self.score is None or self.score_then is None:
            return False
        return (self.score_then, self.grade_then) != (self.score.score, self.grade_now)


def visible_changes(user: User) -> QuerySet[LimitChange]:
    return LimitChange.objects.filter(account_scope(user, "account__"))


def ranked_ids(user: User, as_of: date) -> list[int]:
    """Ids of the waiting changes the user may see, most pressing first; two queries."""
    rates = RateTable.at(as_of)
    found = (
        visible_changes(user)
        .filter(status=Status.PROPOSED)
        .values_list(
            *("pk", "proposer_kind", "currency", "account__company__currency"),
            *("old_amount", "new_amount", "as_of"),
        )
    )
    return [
        pk
        for *_order, pk in sorted(
            (*_pressing(kind, Money(abs(new - (old or 0)), currency), home, since, rates, as_of), pk)
            for pk, kind, currency, home, old, new, since in found
        )
    ]


def _pressing(
    kind: str, moved: Money, home: str, since: date, rates: RateTable, as_of: date
) -> tuple[bool, Any]:
    """What the inbox is sorted by: events first, then the amount moved times the days it has waited."""
    days = max((as_of - since).days, 0) + 1
    try:
        weight = rates.convert(moved, home).amount * days
    except MissingRate:  # an amount nobody can weigh is looked at early rather than forgotten
        weight = moved.amount * days
    return kind != LimitChange.ProposerKind.EVENT, -weight


def waiting(user: User, as_of: date) -> list[Waiting]:
    """What waits, in the order of `ranked_ids`, with who may decide it; in a constant number of queries."""
    rates = RateTable.at(as_of)
    changes = sorted(_light(user), key=lambda one: (*_order(one, rates, as_of), one.pk))
    accounts = {change.account_id for change in changes}
    grades = grades_now(accounts, as_of)
    terms = terms_of(_companies(changes))
    ways = mandates(changes, user, grades, on=as_of)
    held = _held(accounts, as_of)
    return [
        Waiting(
            change=change,
            mandates=ways[change.pk],
            clock=clock_of(change, terms[change.account.company_id], as_of),
            is_second=change.decided > 0,  # type: ignore[attr-defined]
            why_not_small=why_not_small(
                change,
                terms[change.account.company_id],
                grades.get(change.account_id, ""),
                rates,
                is_held=change.account_id in held,
            ),
        )
        for change in changes
    ]


def _light(user: User) -> QuerySet[LimitChange]:
    """Waiting changes as far as ranking, filtering and authority need them."""
    return (
        visible_changes(user)
        .filter(status=Status.PROPOSED)
        .select_related("account__company")
        .defer("evidence", "reason_params", "comment")
        .annotate(grade_then=KT("evidence__grade"), decided=Count("decisions"))
    )


def _order(change: LimitChange, rates: RateTable, as_of: date) -> tuple[bool, Any]:
    before = change.old_amount.minor if change.old_amount is not None else 0
    moved = Money(abs(change.new_amount.minor - before), change.currency)
    home = change.account.company.currency
    return _pressing(change.proposer_kind, moved, home, change.as_of, rates, as_of)


def _companies(changes: Iterable[LimitChange]) -> list[Company]:
    return list({change.account.company_id: change.account.company for change in changes}.values())


def _held(accounts: Iterable[int], as_of: date) -> set[int]:
    return set(open_holds(as_of).filter(account__in=accounts).values_list("account_id", flat=True))


def rows(user: User, found: Sequence[Waiting], as_of: date) -> list[Row]:
    """The rows of a page of the inbox, in order, in a constant number of queries."""
    changes = {
        change.pk: change
        for change in LimitChange.objects.filter(pk__in=[one.change.pk for one in found])
        .select_related("account__customer", "account__company", "proposer")
        .prefetch_related(
            decisions_shown(),
            "reminders",
        )
        .annotate(comment_count=Count("comments"), **shown_fields(user, "account__customer", as_of))
    }
    shown = [one for one in found if one.change.pk in changes]
    ordered = [changes[one.change.pk] for one in shown]
    accounts = {change.account_id: change.account for change in ordered}
    scores = {row.account_id: row for row in AccountScore.objects.filter(account__in=accounts)}
    grades = grades_of(scores.values(), as_of)
    now = facts_now(list(accounts.values()), scores, grades, as_of)
    covering = authorities(ordered, grades_now=grades, on=as_of)
    return [
        _row(
            user,
            one,
            changes[one.change.pk],
            now=now[one.change.account_id],
            score=scores.get(one.change.account_id),
            who_may=who_may(covering[one.change.pk]),
        )
        for one in shown
    ]


def _row(
    user: User,
    one: Waiting,
    change: LimitChange,
    *,
    now: Evidence,
    score: AccountScore | None,
    who_may: list[str],
) -> Row:
    then = change.evidence or {}
    raw = moves(then, now, change.new_amount) if then else []
    moved = [limit_comparison.move_line(move) for move in raw]
    decisions = list(change.decisions.all())
    return Row(
        change=change,
        why=render_reason(change.reason_code, change.reason_params, shown=Shown.of(change)),
        score=score,
        grade_now=now.get("grade", ""),
        exposure=money_of(now["exposure"]["total"]),
        overdue=money_of(now["overdue"]),
        clock=one.clock,
        who_may=who_may,
        is_own=change.proposer_id == user.pk,
        mandates=one.mandates,
        decisions=decisions,
        facts=limit_comparison.key_facts(then, now),
        moved=moved,
        urgent=[line for line in moved if line.is_material],
        why_not_small=one.why_not_small or grew_worse(raw),
        reminders=sum(row.kind == LimitReminder.Kind.REMIND for row in change.reminders.all()),
        decided_by_user=any(user.pk in decision.people for decision in decisions),
    )


def who_may(covering: Iterable[Any]) -> list[str]:
    """The groups whose authority covers a change: who decides alone, and who needs a second person (×2)."""
    alone = {row.group.name for row in covering if row.approvers_needed == 1}
    two = {row.group.name for row in covering if row.approvers_needed == 2} - alone
    return [*sorted(alone), *(f"{name} ×2" for name in sorted(two))]


def facts_now(
    accounts: Sequence[Any], scores: dict[int, AccountScore], grades: dict[int, str], as_of: date
) -> dict[int, Evidence]:
    """What the inbox compares with the evidence of each change: the ledger and the stored score, no policy."""
    found = ledger_evidence(accounts, as_of)
    for pk, row in scores.items():
        found[pk] |= {
            "score": row.score,
            "grade": grades[pk],
            "pd": str(row.pd),
            "recommendation": row.recommendation,
        }
    return found


def next_to_decide(user: User, as_of: date, *, skipping: Sequence[int] = ()) -> int | None:
    """The most pressing change the user may decide: what opens after a decision."""
    return next(
        (one.change.pk for one in waiting(user, as_of) if one.mandates and one.change.pk not in skipping),
        None,
    )
