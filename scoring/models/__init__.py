from .card import Scorecard, ScorecardBin, ScorecardEditor
from .decision import BookFigure, Decision, DecisionLetter, TermsPolicy, TermsPolicyGrade
from .invoice import InvoiceCard
from .peers import PeerFigure
from .policy import LimitPolicy, LimitPolicyGrade
from .report import CardReport, PublishingGate, ScoreOverride
from .review import ScoreReview
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, Scored, ScoreHistory

__all__ = [
    "AccountScore",
    "BookFigure",
    "CardReport",
    "Decision",
    "DecisionLetter",
    "Depth",
    "DirtyAccount",
    "Grade",
    "InvoiceCard",
    "LimitPolicy",
    "LimitPolicyGrade",
    "PeerFigure",
    "PublishingGate",
    "Recommendation",
    "ScoreHistory",
    "ScoreOverride",
    "ScoreReview",
    "Scorecard",
    "ScorecardBin",
    "ScorecardEditor",
    "Scored",
    "TermsPolicy",
    "TermsPolicyGrade",
]
