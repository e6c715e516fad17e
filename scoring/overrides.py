"""A person's grade in place of the card's: reasoned, dated, expiring, and measured later.

The computed score and its history stay what they are. What is decided on the score (limit recommendations) uses the
overriding grade while it holds. Open insolvency cannot be overridden: it is a fact, not an estimate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.compiled import asked_for
from creditdesk.core.models import User
from customers.access import visible_accounts
from customers.models import CreditAccount
from scoring.models import AccountScore, Grade, Recommendation, ScoreOverride
from scoring.models.report import REPLACED

PERMISSION = "scoring.override_score"
LONGEST = timedelta(days=366)

RECOMMENDED = {
    Grade.A: Recommendation.APPROVED,
    Grade.B: Recommendation.APPROVED,
    Grade.C: Recommendation.GUARANTEES,
    Grade.D: Recommendation.REVIEW,
    Grade.E: Recommendation.DECLINED,
}
"""What an overriding grade recommends: a person has decided already, so only D is left to one."""


class OverrideError(ValueError):
    """An override that cannot be made or ended; the text says why.

    code: not_allowed, out_of_scope, no_score, same_grade, insolvent, no_reason, dates, ended.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def in_force(as_of: date) -> Q:
    """Condition on ScoreOverride: valid on the day (both days inclusive) and not ended by then."""
    return Q(valid_from__lte=as_of, valid_until__gte=as_of) & (
        Q(ended_on__isnull=True) | Q(ended_on__gt=as_of)
    )


def overrides_at(account_ids: Collection[int], as_of: date) -> dict[int, ScoreOverride]:
    """The override of each account on a day, in one query; at most one holds."""

    def rows(ids: Any, day: date) -> QuerySet[ScoreOverride, Any]:
        held = ScoreOverride.objects.filter(in_force(day), account__in=ids)
        return held.select_related("made_by").order_by("pk")

    return {row.account_id: row for row in asked_for("overrides", rows, account_ids, as_of)}


def standing(as_of: date) -> QuerySet[ScoreOverride]:
    """Every override that holds on a day: few in any book."""
    return ScoreOverride.objects.filter(in_force(as_of))


def effective(row: AccountScore | None, override: ScoreOverride | None) -> tuple[str, str]:
    """(grade, recommendation) to decide on: the override's where one holds, else the card's; "" without a score."""
    if row is None:
        return "", ""
    if override is None or is_insolvent(row):
        return row.grade, row.recommendation
    return override.grade, RECOMMENDED[Grade(override.grade)]


@dataclass(frozen=True, slots=True)
class Overruled:
    """What counts instead of the card's word while an override holds, until its last day."""

    grade: str
    recommendation: str
    until: date


def overruled(row: AccountScore | None, override: ScoreOverride | None) -> Overruled | None:
    """None where the card's word counts: without an override, or against an open insolvency."""
    if row is None or override is None or is_insolvent(row):
        return None
    grade, recommendation = effective(row, override)
    return Overruled(grade, str(Recommendation(recommendation).label), override.valid_until)


def grades_now(account_ids: Collection[int], on: date) -> dict[int, str]:
    """The grade that authority over each scored account is measured by, in two queries.

    The override's where one holds, and never better than the card's: an override to a better grade does not let
    somebody decide whose authority ends above the card's.
    """
    return grades_of(
        AccountScore.objects.filter(account__in=account_ids).only(
            "account_id", "grade", "recommendation", "pd"
        ),
        on,
    )


def grades_of(rows: Iterable[AccountScore], on: date) -> dict[int, str]:
    """`grades_now` of scores that are loaded, by account id; one query."""
    loaded = list(rows)
    held = overrides_at([row.account_id for row in loaded], on)
    return {row.account_id: max(row.grade, effective(row, held.get(row.account_id))[0]) for row in loaded}


def is_insolvent(row: AccountScore) -> bool:
    """The score says that proceedings are open: the PD is 1 in that case only."""
    return row.pd == 1


@transaction.atomic
def override_score(
    account: CreditAccount,
    grade: str,
    *,
    by: User,
    reason_code: str,
    note: str,
    valid_until: date,
    as_of: date,
) -> ScoreOverride:
    """Set a grade in place of the computed one from `as_of` to `valid_until` (at most a year, both inclusive).

    One already in force ends today. Raises OverrideError.
    """
    _check_person(by, account)
    locked = CreditAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    row = AccountScore.objects.filter(account=locked).first()
    if row is None:
        raise OverrideError("no_score", _("The account has no score yet."))
    if grade == row.grade:
        raise OverrideError("same_grade", _("The card gives grade %s already.") % grade)
    if is_insolvent(row):
        raise OverrideError("insolvent", _("Open insolvency proceedings cannot be overridden."))
    if not note.strip():
        raise OverrideError("no_reason", _("Explain what you know that the score does not."))
    if not as_of <= valid_until <= as_of + LONGEST:
        raise OverrideError("dates", _("An override lasts from today to at most a year from now."))
    for old in ScoreOverride.objects.filter(in_force(as_of), account=locked):
        _end(old, by=by, reason=REPLACED, as_of=as_of)
    made = ScoreOverride.objects.create(
        account=locked,
        grade=grade,
        computed_score=row.score,
        computed_grade=row.grade,
        card_id=row.card_id,
        reason_code=reason_code,
        note=note.strip(),
        valid_from=as_of,
        valid_until=valid_until,
        made_by=by,
    )
    record_act(
        "score.overridden",
        actor=Actor.person(by),
        subject=locked,
        business_date=as_of,
        reason_code=reason_code,
        note=note,
        changes=[Change.of(made, {"grade": row.grade}, {"grade": grade, "until": valid_until.isoformat()})],
    )
    return made


@transaction.atomic
def end_override(override: ScoreOverride, *, by: User, reason: str, as_of: date) -> ScoreOverride:
    """End an override before its last day; from `as_of` on the card's grade counts again."""
    locked = (
        ScoreOverride.objects.select_for_update(of=("self",)).select_related("account").get(pk=override.pk)
    )
    _check_person(by, locked.account)
    if not reason.strip():
        raise OverrideError("no_reason", _("Say why the override ends."))
    if locked.ended_on is not None or locked.valid_until < as_of:
        raise OverrideError("ended", _("This override is over already."))
    return _end(locked, by=by, reason=reason.strip(), as_of=as_of)


def _end(override: ScoreOverride, *, by: User, reason: str, as_of: date) -> ScoreOverride:
    override.ended_on, override.ended_by, override.end_reason = as_of, by, reason
    override.save(update_fields=["ended_on", "ended_by", "end_reason"])
    record_act(
        "score.override_ended",
        actor=Actor.person(by),
        subject=override.account,
        business_date=as_of,
        reason_code="replaced" if reason == REPLACED else "",
        note="" if reason == REPLACED else reason,
        changes=[Change.of(override, {"ended_on": None}, {"ended_on": as_of.isoformat()})],
    )
    return override


def _check_person(user: User, account: CreditAccount) -> None:
    if not user.is_active or not user.has_perm(PERMISSION):
        raise OverrideError("not_allowed", _("Your role does not allow overriding scores."))
    if not visible_accounts(user).filter(pk=account.pk).exists():
        raise OverrideError("out_of_scope", _("This account is not in your portfolio."))


def upward() -> Q:
    """Overrides that trusted the customer more than the card did (A is the best grade)."""
    return Q(grade__lt=F("computed_grade"))
