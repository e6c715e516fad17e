from .card import Scorecard, ScorecardBin, ScorecardEditor
from .invoice import InvoiceCard
from .policy import LimitPolicy, LimitPolicyGrade
from .report import CardReport, PublishingGate, ScoreOverride
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, Scored, ScoreHistory

__all__ = [
    "AccountScore",
    "CardReport",
    "Depth",
    "DirtyAccount",
    "Grade",
    "InvoiceCard",
    "LimitPolicy",
    "LimitPolicyGrade",
    "PublishingGate",
    "Recommendation",
    "ScoreHistory",
    "ScoreOverride",
    "Scorecard",
    "ScorecardBin",
    "ScorecardEditor",
    "Scored",
]
