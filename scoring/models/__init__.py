from .card import Scorecard, ScorecardBin
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, ScoreHistory

__all__ = [
    "AccountScore",
    "Depth",
    "DirtyAccount",
    "Grade",
    "Recommendation",
    "ScoreHistory",
    "Scorecard",
    "ScorecardBin",
]
