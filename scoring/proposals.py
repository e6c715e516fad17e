"""Turning recommended limits into proposals for the approvers, each with its evidence.

Nightly for the whole book, and on the page for one account. A cut is only ever proposed here (causes cut at once:
scoring/causes.py); a rise within what the policy gives away is applied at once, any other goes to the approvers.
Running it twice changes nothing: a proposal that still says the same stays, one that moved materially is replaced, one whose
reason is gone is withdrawn. What a person proposed, or an event, is never touched; what a person rejected is
not proposed again until it moves materially or the cool-down is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from creditdesk.core.audit import Actor
from customers.approval import ApprovalError, propose_limit_change, withdraw_limit_change
from customers.automatic import apply_policy_rise
from customers.limit_evidence import gather_evidence
from customers.models import CreditAccount, LimitChange, LimitKind
from scoring.explain import explain
from scoring.history import keep_for_decision
from scoring.limit_inputs import SCORE_MAX_AGE, recommendations, recommendations_of_book
from scoring.limit_policy import LimitRecommendation, material_difference
from scoring.models import AccountScore
from scoring.overrides import grades_of

POLICY_ACTOR = Actor.policy("limit policy")
ProposerKind = LimitChange.ProposerKind


@dataclass(slots=True)
class Outcome:
    """What a run did, in numbers of accounts."""

    seen: int = 0
    raised: int = 0
    proposed: int = 0
    replaced: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    left_to_people: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def propose_limits(as_of: date, account_ids: Sequence[int] | None = None) -> Outcome:
    """Propose limit changes for the book (or some accounts) at a date; returns what was done.

    Each account is its own transaction: a run that is killed leaves whole proposals, and the next one goes on.
    """
    total = Outcome()
    for found in recommendations_of_book(as_of, account_ids):
        total += _propose_chunk(found, as_of)
    return total


def _propose_chunk(found: dict[int, LimitRecommendation], as_of: date) -> Outcome:
    outcome = Outcome(seen=len(found))
    waiting = {
        change.account_id: change
        for change in LimitChange.objects.filter(
            account__in=list(found), kind=LimitKind.BASE, status=LimitChange.Status.PROPOSED
        )
    }
    rejected = _rejected(found, as_of)
    wanted: list[int] = []
    for pk, recommendation in found.items():
        change = waiting.get(pk)
        if change is not None and change.proposer_kind != ProposerKind.POLICY:
            outcome.left_to_people += 1
        elif not recommendation.moves:
            if change is not None:
                outcome.withdrawn += _withdraw(change, recommendation, as_of)
        elif (
            change is not None and _says_the_same(change, recommendation) and not recommendation.is_automatic
        ):
            outcome.unchanged += 1
        elif pk in rejected and _says_the_same(rejected[pk], recommendation):
            outcome.left_to_people += 1
        else:
            wanted.append(pk)
    # An account joined into another (customers/merging.py) gets no limits of its own any more.
    rows = CreditAccount.objects.filter(pk__in=wanted, joined_into__isnull=True)
    accounts = list(rows.select_related("customer").order_by("pk"))
    evidence = gather_evidence(accounts, as_of) if accounts else {}
    for account in accounts:
        if found[account.pk].is_automatic:
            if _raise(account, found[account.pk], evidence[account.pk], as_of):
                outcome.raised += 1
            else:
                outcome.left_to_people += 1
        elif _propose(account, found[account.pk], evidence[account.pk], as_of):
            outcome.proposed += account.pk not in waiting
            outcome.replaced += account.pk in waiting
        else:
            outcome.left_to_people += 1
    return outcome


def _rejected(found: dict[int, LimitRecommendation], as_of: date) -> dict[int, LimitChange]:
    """The last policy proposal a person turned down within the cool-down, per account."""
    longest = max((r.policy.cool_down_days for r in found.values()), default=0)
    rows = LimitChange.objects.filter(
        account__in=list(found),
        kind=LimitKind.BASE,
        status=LimitChange.Status.REJECTED,
        proposer_kind=ProposerKind.POLICY,
        as_of__gt=as_of - timedelta(days=longest),
        as_of__lte=as_of,
    )
    return {change.account_id: change for change in rows.order_by("pk")}


def _says_the_same(change: LimitChange, recommendation: LimitRecommendation) -> bool:
    """Same limit to start from, same direction, and an amount that did not move materially."""
    assert recommendation.amount is not None
    if change.old_amount != recommendation.inputs.current:
        return False
    moved = abs(change.new_amount.minor - recommendation.amount.minor)
    if moved == 0:
        return True
    least = material_difference(recommendation.inputs, recommendation.policy, change.new_amount)
    return moved < least.minor


def _withdraw(change: LimitChange, recommendation: LimitRecommendation, as_of: date) -> bool:
    try:
        withdraw_limit_change(change, actor=POLICY_ACTOR, reason=recommendation.keep, on=as_of)
    except ApprovalError:  # decided by a person in the meantime
        return False
    return True


def _propose(
    account: CreditAccount, recommendation: LimitRecommendation, evidence: dict[str, Any], as_of: date
) -> bool:
    """False when a person proposed or decided something in the meantime: theirs stands."""
    assert recommendation.amount is not None
    try:
        propose_limit_change(
            account,
            recommendation.amount,
            actor=POLICY_ACTOR,
            as_of=as_of,
            reason_code=recommendation.reason_code,
            params=recommendation.params,
            evidence=evidence,
        )
    except ApprovalError as error:
        if error.code not in ("already_waiting", "same_amount"):
            raise
        return False
    return True


def _raise(
    account: CreditAccount, recommendation: LimitRecommendation, evidence: dict[str, Any], as_of: date
) -> bool:
    """Apply a rise that waits for nobody; False when something moved meanwhile: tomorrow it is looked at again."""
    current, amount, up_to = (
        recommendation.inputs.current,
        recommendation.amount,
        recommendation.automatic_up_to,
    )
    assert current is not None and amount is not None and up_to is not None
    try:
        apply_policy_rise(
            account,
            amount,
            actor=POLICY_ACTOR,
            on=as_of,
            old_amount=current,
            policy_ref=recommendation.policy.policy_id,
            automatic_up_to=up_to,
            reason_code=recommendation.reason_code,
            params=recommendation.params,
            evidence=evidence,
        )
    except ApprovalError as error:
        if error.code not in ("already_waiting", "limit_moved", "stopped", "same_amount"):
            raise
        return False
    return True


def answer_evidence(
    sender: Any, accounts: Sequence[CreditAccount], as_of: date, **_kwargs: Any
) -> dict[int, dict[str, Any]]:
    """What scoring adds to the evidence of a limit change (customers.events.limit_evidence_wanted)."""
    rows = AccountScore.objects.filter(
        account__in=[account.pk for account in accounts],
        as_of__lte=as_of,
        as_of__gte=as_of - SCORE_MAX_AGE,
    )
    scores = list(rows.select_related("card"))
    grades = grades_of(scores, as_of)
    answer = {row.account_id: score_evidence(row, grades[row.account_id]) for row in scores}
    for pk, recommendation in recommendations(accounts, as_of).items():
        answer.setdefault(pk, {})["recommended"] = recommendation.as_json()
    return answer


def score_evidence(row: AccountScore, grade: str) -> dict[str, Any]:
    """A score with every signal and its points: base_points plus all points is the score.

    grade: what authority is measured by (scoring.overrides.grades_now); the card's own is kept beside it.
    """
    explanation = explain(row, named=False)
    return {
        "score": row.score,
        "grade": grade,
        "card_grade": row.grade,
        "pd": str(row.pd),
        "pd_is": explanation.pd_is,
        "recommendation": row.recommendation,
        "depth": row.depth,
        "score_as_of": row.as_of.isoformat(),
        "judged_on": row.judged_on.isoformat() if row.judged_on else None,
        "card": {"code": row.card.code, "version": row.card.version},
        "base_points": explanation.base_points,
        "signals": [
            {"name": item.name, "value": item.value, "points": item.points} for item in explanation.items
        ],
        "reasons": {
            "helping": [item.name for item in explanation.helping],
            "hurting": [item.name for item in explanation.hurting],
        },
    }


def keep_deciding_score(sender: Any, change: LimitChange, **_kwargs: Any) -> None:
    """Keep the score a decision was taken on (customers.events.limit_applied)."""
    row = AccountScore.objects.filter(account=change.account_id).first()
    if row is not None:
        keep_for_decision(row)


@transaction.atomic
def evidence_of(account: CreditAccount, as_of: date) -> dict[str, Any]:
    """Evidence of one account, for a proposal a person makes on the page."""
    return gather_evidence([account], as_of)[account.pk]
