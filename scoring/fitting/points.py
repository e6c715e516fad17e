"""Between good:bad odds, probabilities and points on a scale (Siddiqi, Credit Risk Scorecards, ch. 6)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True)
class Scale:
    """score = offset + factor * ln(odds); `doubling` points double the good:bad odds, `score` stands for `odds`."""

    doubling: float
    score: float
    odds: float

    @property
    def factor(self) -> float:
        return self.doubling / log(2)

    @property
    def offset(self) -> float:
        return self.score - self.factor * log(self.odds)

    def score_of_odds(self, odds: float) -> float:
        return self.offset + self.factor * log(odds)

    def score_of(self, probability: float) -> float:
        """Score of a probability of the bad event, strictly between 0 and 1."""
        return self.score_of_odds((1 - probability) / probability)

    def odds_of(self, score: float) -> float:
        return 2.0 ** ((score - self.score) / self.doubling) * self.odds

    def probability_of(self, score: float) -> float:
        return 1 / (1 + self.odds_of(score))
