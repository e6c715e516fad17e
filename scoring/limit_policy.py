"""The recommended limit of an account: the smallest of several caps, each shown, approached in small steps.

The smallest cap (scoring/limit_caps.py), rounded down to a step, is the target. A rise goes towards it by at most
max_rise_percent, and only while every gate holds (scoring/limit_gates.py); the yearly maximum bounds it too. A cut
goes the whole way. A declined score aims at zero; a score that is for a person to decide, or none, leaves the limit
alone. Pure functions of their inputs; scoring/limit_inputs.py gathers these for a whole book.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money
from customers.limit_reasons import money_param, render_reason
from customers.models import Customer
from customers.shown import Shown
from scoring.limit_caps import QUARTER_DAYS, Cap, cap_formula, caps_of
from scoring.limit_gates import Gate, gates_of, yearly_bound
from scoring.limit_terms import CauseTerms, GradeTerms, LimitInputs, PolicyTerms, floored, share
from scoring.models import Recommendation

__all__ = [
    "QUARTER_DAYS",
    "Cap",
    "CauseTerms",
    "Gate",
    "GradeTerms",
    "LimitInputs",
    "LimitRecommendation",
    "PolicyTerms",
    "cap_formula",
    "keep_sentence",
    "material_difference",
    "recommend_limit",
]

CLOSED = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)


@dataclass(frozen=True, slots=True)
class LimitRecommendation:
    """target: where the caps point. amount: what to set now (small steps). bound_by: code of the smallest cap.

    moves: `amount` differs materially from the current limit, so it is worth a proposal. Otherwise `keep` says why
    the limit stays: no_score, review, no_purchases, not_active, small_difference, or the first gate that fails.
    gates: of a rise; empty for anything else.
    """

    inputs: LimitInputs
    policy: PolicyTerms
    caps: tuple[Cap, ...]
    bound_by: str
    target: Money | None
    amount: Money | None
    keep: str
    reason_code: str
    params: dict[str, Any]
    gates: tuple[Gate, ...] = ()

    @property
    def moves(self) -> bool:
        return not self.keep

    @property
    def is_rise(self) -> bool:
        """More than a limit that is there; a first limit is none."""
        current = self.inputs.current
        return self.moves and self.amount is not None and current is not None and self.amount > current

    @property
    def automatic_up_to(self) -> Money | None:
        """Up to where a rise waits for nobody under the policy; None: it goes to an approver.

        Every gate holds, the score approves without guarantees, the account has the policy's currency, and the step
        is within the percentage even where a whole step would be more. A trigger holds the same bounds.
        """
        current, policy = self.inputs.current, self.policy
        if not self.is_rise or current is None or self.inputs.currency != policy.currency:
            return None
        if self.inputs.recommendation != Recommendation.APPROVED or not all(
            gate.passed for gate in self.gates
        ):
            return None
        most = min(
            current.minor + policy.auto_rise_amount,
            policy.auto_limit_amount,
            current.minor * (100 + policy.max_rise_percent) // 100,
        )
        return Money(most, self.inputs.currency)

    @property
    def is_automatic(self) -> bool:
        up_to = self.automatic_up_to
        return up_to is not None and self.amount is not None and self.amount <= up_to

    def sentence_for(self, shown: Shown) -> str:
        """The recommendation in plain words, in the reader's language, who may see of the customer what `shown` says."""
        if self.moves:
            return render_reason(self.reason_code, self.params, shown=shown)
        return keep_sentence(self.keep, self.policy)

    def as_json(self) -> dict[str, Any]:
        """For the evidence of a limit change."""
        return {
            "policy_version": self.policy.version,
            "policy": self.policy.policy_id,
            "target": None if self.target is None else money_param(self.target),
            "amount": None if self.amount is None else money_param(self.amount),
            "bound_by": self.bound_by,
            "keep": self.keep,
            "reason_code": self.reason_code,
            "params": self.params,
            "caps": [
                {
                    "code": cap.code,
                    "amount": None if cap.amount is None else money_param(cap.amount),
                    "params": cap.params,
                }
                for cap in self.caps
            ],
            "gates": [
                {"code": gate.code, "passed": gate.passed, "params": gate.params} for gate in self.gates
            ],
        }


def recommend_limit(inputs: LimitInputs, policy: PolicyTerms) -> LimitRecommendation:
    """The recommended limit of one account with every cap, which of them binds, and why."""
    caps = caps_of(inputs, policy)
    bound_by, target = _smallest(inputs, policy, caps)
    rises = target is not None and inputs.current is not None and target > inputs.current
    gates = gates_of(inputs, policy) if rises else ()
    made: dict[str, Any] = {
        "inputs": inputs,
        "policy": policy,
        "caps": caps,
        "bound_by": bound_by,
        "target": target,
        "gates": gates,
    }

    def keep(why: str) -> LimitRecommendation:
        return LimitRecommendation(**made, amount=inputs.current, keep=why, reason_code="", params={})

    if inputs.customer_status in CLOSED:
        return keep("not_active")
    if inputs.score is None:
        return keep("no_score")
    if inputs.recommendation == Recommendation.REVIEW:
        return keep("review")
    if target is None:
        return keep("no_purchases")
    if inputs.current is not None and not _is_material(inputs, policy, target):
        return keep("small_difference")
    if not rises:
        return LimitRecommendation(**made, amount=target, keep="", **_why(inputs, policy, bound_by, target))
    failed = next((gate.code for gate in gates if not gate.passed), "")
    if failed:
        return keep(failed)
    amount = _stepped_rise(inputs, policy, target)
    return LimitRecommendation(**made, amount=amount, keep="", **_why(inputs, policy, bound_by, target))


def _smallest(inputs: LimitInputs, policy: PolicyTerms, caps: tuple[Cap, ...]) -> tuple[str, Money | None]:
    if inputs.recommendation == Recommendation.DECLINED:
        return "declined", Money.zero(inputs.currency)
    found = {cap.code: cap.amount for cap in caps if cap.amount is not None}
    if "behaviour" not in found:
        # Without purchases nobody knows what the customer needs: the other caps alone would be generous.
        return "", None
    code = min(found, key=lambda name: found[name].minor)
    return code, floored(found[code], policy.step)


def _stepped_rise(inputs: LimitInputs, policy: PolicyTerms, target: Money) -> Money:
    """At most max_rise_percent above the current limit, but at least one step, and never above target or yearly bound."""
    assert inputs.current is not None
    step = Money.of(policy.step, inputs.currency)
    by_percent = floored(share(inputs.current, 100 + policy.max_rise_percent), policy.step)
    bound = yearly_bound(inputs, policy)
    wanted = min(target, max(by_percent, inputs.current + step))
    return wanted if bound is None else min(wanted, bound)


def _is_material(inputs: LimitInputs, policy: PolicyTerms, target: Money) -> bool:
    assert inputs.current is not None
    difference = abs(target.minor - inputs.current.minor)
    return bool(difference) and difference >= material_difference(inputs, policy, inputs.current).minor


def material_difference(inputs: LimitInputs, policy: PolicyTerms, amount: Money) -> Money:
    """From how much on a difference to `amount` is worth a person's time. A limit to zero always is."""
    least = inputs.converted(policy, policy.material_amount).minor
    if inputs.recommendation == Recommendation.DECLINED:
        least = 0
    return Money(max(least, amount.minor * policy.material_percent // 100), inputs.currency)


def _why(inputs: LimitInputs, policy: PolicyTerms, bound_by: str, target: Money) -> dict[str, Any]:
    if bound_by == "declined":
        return {"reason_code": "declined", "params": {"score": inputs.score, "grade": inputs.grade}}
    params: dict[str, Any] = {"cap": bound_by, "target": money_param(target)}
    if inputs.current is None:
        return {"reason_code": "first_limit", "params": params}
    if target > inputs.current:
        return {"reason_code": "policy_rise", "params": params | {"step": policy.max_rise_percent}}
    return {"reason_code": "policy_cut", "params": params}


def keep_sentence(code: str, policy: PolicyTerms | None = None) -> str:
    """Why the limit is left alone."""
    days = policy.cool_down_days if policy else "?"
    late = policy.rise_max_days_past_due if policy else "?"
    return {
        "not_active": _("The customer is insolvent or closed: no limit is recommended."),
        "no_score": _("Without a score no limit is recommended."),
        "review": _("The score is for a person to decide: the limit is left as it is."),
        "no_purchases": _("No purchases in twelve months: what the customer needs is unknown."),
        "small_difference": _("The recommended limit differs too little from the current one."),
        "on_hold": _("No rise while new business is stopped."),
        "overdue": _("No rise while anything is overdue for more than %(days)s days.") % {"days": late},
        "cool_down": _("No second rise within %(days)s days.") % {"days": days},
        "year_rises": _("The limit rose as often within a year as the policy allows."),
        "yearly": _("The limit rose as much within a year as the policy allows."),
        "promise": _("No rise so soon after a broken promise."),
        "event": _("No rise so soon after an adverse public event."),
        "score_fall": _("No rise while the score is falling."),
        "use": _("No rise while so little of the limit is used."),
    }[code]
