from .card import Scorecard, ScorecardBin
from .policy import LimitPolicy, LimitPolicyGrade
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, ScoreHistory

__all__ = [
    "AccountScore",
    "Depth",
    "DirtyAccount",
    "Grade",
    "LimitPolicy",
    "LimitPolicyGrade",
    "Recommendation",
    "ScoreHistory",
    "Scorecard",
    "ScorecardBin",
]
