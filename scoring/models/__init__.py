from .beside import BesideScore
from .card import Scorecard, ScorecardBin, ScorecardEditor
from .cause import CreditCause
from .checks import CheckPolicy, CheckPolicyEditor, CheckPolicyReport, CheckRule, CheckRuleCode
from .decision import BookFigure, Decision, DecisionLetter
from .invoice import InvoiceCard, InvoiceLevel
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
from .terms import TermsPolicy, TermsPolicyEditor, TermsPolicyGrade, TermsPolicyReport
from .version import IN_ORDER, NEWEST_FIRST, WAS_IN_USE, SegmentVersion, Version, VersionReport

__all__ = [
    "IN_ORDER",
    "NEWEST_FIRST",
    "WAS_IN_USE",
    "AccountScore",
    "BesideScore",
    "BookFigure",
    "CardReport",
    "CauseKind",
    "CheckPolicy",
    "CheckPolicyEditor",
    "CheckPolicyReport",
    "CheckRule",
    "CheckRuleCode",
    "CreditCause",
    "Decision",
    "DecisionLetter",
    "Depth",
    "DirtyAccount",
    "Grade",
    "InvoiceCard",
    "InvoiceLevel",
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
    "SegmentVersion",
    "TermsPolicy",
    "TermsPolicyEditor",
    "TermsPolicyGrade",
    "TermsPolicyReport",
    "Version",
    "VersionReport",
]
