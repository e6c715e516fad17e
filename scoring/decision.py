"""What the score recommends: approved, approved with guarantees, a person decides, or declined."""

from __future__ import annotations

from scoring.card import Card
from scoring.models import Depth, Recommendation


def recommend(card: Card, score: int, *, depth: str, insolvent: bool) -> str:
    """The recommendation for a score, in this order:

    1. insolvency proceedings open: declined, whatever the score;
    2. no history, or too thin a one: a person decides (never declined on little evidence);
    3. below the grey zone: declined; within it (card.review_from to review_to, both included): a person;
    4. above it but below card.guarantees_below: approved with guarantees; else approved.

    It advises: for natural persons nothing adverse stays without a named person's decision.
    """
    if insolvent:
        return Recommendation.DECLINED
    if depth != Depth.FULL:
        return Recommendation.REVIEW
    if score < card.review_from:
        return Recommendation.DECLINED
    if score <= card.review_to:
        return Recommendation.REVIEW
    return Recommendation.GUARANTEES if score < card.guarantees_below else Recommendation.APPROVED
