"""What the desk decided about its own rules: a limit policy of its own in use, and the next one waiting for the approver."""

from __future__ import annotations

from datetime import date

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from customers.models import CreditAccount
from scoring.causes import react_to_causes
from scoring.models import LimitPolicy
from scoring.policy_publishing import change_policy, copy_policy, propose_policy, publish_policy
from scoring.policy_simulation import keep_simulation

SCORE_DROP = 15
"""Points lost within a month: stricter than the product ships."""


def adopt_own_policy(as_of: date) -> None:
    """Once: carla made the shipped policy stricter about falling scores, and paolo published it."""
    if LimitPolicy.objects.filter(is_shipped=False).exists():
        return
    carla, paolo = _people()
    draft = copy_policy(LimitPolicy.objects.get(status="active"), by=carla, as_of=as_of)
    causes = _causes(draft)
    causes["score_drop"] |= {"threshold": SCORE_DROP, "window_days": 31}
    draft = change_policy(draft, by=carla, as_of=as_of, causes=causes)
    keep_simulation(draft, as_of, actor=Actor.person(carla))
    propose_policy(draft, by=carla, reason="Two customers fell for weeks before we looked.", as_of=as_of)
    publish_policy(draft, approver=paolo, reason="Agreed: proposed, not cut at once.", as_of=as_of)


def react(as_of: date) -> None:
    """What the night finds: late payments and cash shocks cut, falling scores are proposed to be."""
    react_to_causes(as_of, list(CreditAccount.objects.order_by("pk").values_list("pk", flat=True)))


def propose_next_policy(as_of: date) -> None:
    """Once: what paolo finds waiting tomorrow morning, simulated on the whole book."""
    if LimitPolicy.objects.filter(is_shipped=False).count() != 1:
        return
    in_use = LimitPolicy.objects.get(status="active", segment=None)
    carla, _paolo = _people()
    draft = copy_policy(in_use, by=carla, as_of=as_of)
    terms = {"auto_rise_amount": 250_000, "auto_limit_amount": 2_500_000, "concentration_percent": 15}
    grades = {
        row.grade: {
            "ceiling": row.ceiling,
            "need_percent": row.need_percent,
            "review_months": row.review_months,
        }
        for row in draft.grades.all()
    }
    grades["C"] |= {"need_percent": 80, "own_risk": 15_000_000}
    draft = change_policy(draft, by=carla, as_of=as_of, terms=terms, grades=grades)
    keep_simulation(draft, as_of, actor=Actor.person(carla))
    propose_policy(
        draft,
        by=carla,
        reason="Small rises need not wait for anybody; with grade C we want less at our own risk.",
        as_of=as_of,
    )


def _people() -> tuple[User, User]:
    return User.objects.get(username="carla"), User.objects.get(username="paolo")


def _causes(policy: LimitPolicy) -> dict[str, dict[str, object]]:
    names = ("threshold", "window_days", "least_amount", "keep_percent", "is_immediate")
    return {row.kind: {name: getattr(row, name) for name in names} for row in policy.causes.all()}
