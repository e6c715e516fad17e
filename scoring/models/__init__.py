from .card import Scorecard, ScorecardBin
from .peers import PeerFigure
from .policy import LimitPolicy, LimitPolicyGrade
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, Scored, ScoreHistory

__all__ = [
    "AccountScore",
    "Depth",
    "DirtyAccount",
    "Grade",
    "LimitPolicy",
    "LimitPolicyGrade",
    "PeerFigure",
    "Recommendation",
    "ScoreHistory",
    "Scorecard",
    "ScorecardBin",
    "Scored",
]
