"""A prospect without payment history: when the rules may say yes from accounts, bank flows and registers alone.

The terms policy says up to which amount, from which grade and from which Altman Z'' on; without an amount a person decides
always. Everything has to speak for it: enough bank data to be scored by the thin card, recent accounts that stand, no
adverse event in the registers or the group, and a score above the grey zone. Whatever is missing is told, and a person
decides. Never about a natural person, whose yes is given by a named human.
"""

from __future__ import annotations

from scoring.card import Card
from scoring.decision import recommend
from scoring.default_thin_card import EVIDENCE_FROM
from scoring.models import AccountScore, Depth, Recommendation, TermsPolicy
from scoring.overrides import is_insolvent
from scoring.stored import values_of

ACCOUNTS_MONTHS = 18
"""Accounts older than this say too little (as in the completeness grid)."""

ADVERSE = ("legal_marks_24m", "insolvent", "insolvency_over", "struck_off", "group_insolvent")


def obstacles(score: AccountScore, card: Card, policy: TermsPolicy) -> list[str]:
    """What keeps the rules from saying yes, whatever the amount; empty: nothing does."""
    values = values_of(score)
    found = []
    if (values["bank_history_days"] or 0) < EVIDENCE_FROM:
        found.append("no_bank")
    age, z = values["statement_age_months"], values["altman_z"]
    if age is None or age > ACCOUNTS_MONTHS or z is None:
        found.append("no_accounts")
    elif values["negative_equity"] or z < policy.prospect_z:
        found.append("weak_accounts")
    if any(values[name] for name in ADVERSE):
        found.append("adverse_event")
    if outcome_of(score, card) == Recommendation.REVIEW or score.grade > policy.prospect_grade:
        found.append("low_score")
    return found


def outcome_of(score: AccountScore, card: Card) -> str:
    """What the score would recommend if it stood on a payment history; below the grey zone a person decides, too."""
    found = recommend(card, score.score, depth=Depth.FULL, insolvent=is_insolvent(score))
    return Recommendation.REVIEW if found == Recommendation.DECLINED else found
