from .card import Scorecard, ScorecardBin
from .policy import LimitPolicy, LimitPolicyGrade
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, Scored, ScoreHistory

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
    "Scored",
]
