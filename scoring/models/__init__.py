from .card import Scorecard, ScorecardBin, ScorecardEditor
from .cause import CreditCause
from .checks import CheckPolicy, CheckRule, CheckRuleCode
from .decision import BookFigure, Decision, DecisionLetter, TermsPolicy, TermsPolicyGrade
from .invoice import InvoiceCard
from .limit_review import LimitReview
from .peers import PeerFigure
from .policy import (
    CauseKind,
    LimitPolicy,
    LimitPolicyCause,
    LimitPolicyEditor,
    LimitPolicyGrade,
    PolicyReport,
)
from .report import CardReport, PublishingGate, ScoreOverride
from .review import ScoreReview
from .score import AccountScore, Depth, DirtyAccount, Grade, Recommendation, Scored, ScoreHistory

__all__ = [
    "AccountScore",
    "BookFigure",
    "CardReport",
    "CauseKind",
    "CheckPolicy",
    "CheckRule",
    "CheckRuleCode",
    "CreditCause",
    "Decision",
    "DecisionLetter",
    "Depth",
    "DirtyAccount",
    "Grade",
    "InvoiceCard",
    "LimitPolicy",
    "LimitPolicyCause",
    "LimitPolicyEditor",
    "LimitPolicyGrade",
    "LimitReview",
    "PeerFigure",
    "PolicyReport",
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
