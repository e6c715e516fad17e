"""What the pages of onboarding show: the list, and everything about one application on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils.translation import gettext as _

from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.bank.consents import consent_of
from customers.limit_evidence import money_of
from customers.limit_reasons import CAP_LABELS
from customers.models import CreditApplication
from customers.shown import Shown
from scoring.bank_right import Ended, ended_for, shown_by
from scoring.completeness import Completeness, completeness
from scoring.cures import Cured, cured
from scoring.decision_reasons import Reason, reasons_of
from scoring.explain import Explanation, explain
from scoring.guarantees import still_missing
from scoring.limit_comparison import cap_withheld
from scoring.limit_policy import cap_formula
from scoring.models import AccountScore, Decision, Recommendation
from scoring.onboarding.assessing import Status, may_assess
from scoring.onboarding.converting import may_propose

ORDER = (Status.OPEN, Status.GRANTED, Status.PROPOSED)
READABLE = (".xml", ".sta", ".txt")
"""Documents that may hold bank lines as CAMT.053 or MT940."""


def visible_applications(user: Any) -> QuerySet[CreditApplication]:
    rows = CreditApplication.objects.filter(account_scope(user, "account__"))
    return rows.select_related("account__customer", "account__company", "account__segment", "limit_change")


def listed(user: Any, *, running: bool, words: str = "") -> QuerySet[CreditApplication]:
    """Applications with `outcome` of their last decision: what waits first, the oldest on top."""
    rows = visible_applications(user)
    if running:
        rows = rows.filter(status__in=ORDER)
    if words:
        rows = rows.filter(
            Q(account__customer__name__icontains=words)
            | Q(account__customer__code__iexact=words)
            | Q(account__customer__vat_number__iexact=words)
        )
    last = Decision.objects.filter(application=OuterRef("pk")).order_by("-pk")
    places = [When(status=status, then=Value(place)) for place, status in enumerate(ORDER)]
    return rows.annotate(
        outcome=Subquery(last.values("outcome")[:1]),
        score=Subquery(last.values("score")[:1]),
        grade=Subquery(last.values("grade")[:1]),
        granted=Subquery(last.values("limit")[:1]),
        place=Case(*places, default=Value(len(ORDER))),
    ).order_by("place", F("closed_on").desc(nulls_first=True), "received_on", "pk")


@dataclass(frozen=True, slots=True)
class CapRow:
    label: str
    amount: str
    formula: str
    binds: bool


@dataclass(frozen=True, slots=True)
class Screen:
    """One application: its latest decision and all before, and what the next step needs."""

    decision: Decision | None
    ended: Ended
    reasons: list[Reason]
    caps: list[CapRow]
    advised_limit: Money | None
    guarantee: dict[str, Any]
    missing_guarantee: Money | None
    history: list[Decision]
    grid: Completeness
    grid_rows: list[Cured]
    why: Explanation | None
    consent: Any
    documents: list[Any]
    may_assess: bool
    may_propose: bool

    @property
    def outcome_label(self) -> str:
        return str(Recommendation(self.decision.outcome).label) if self.decision else ""

    @property
    def advised_label(self) -> str:
        return str(Recommendation(self.decision.advised).label) if self.decision else ""


def screen_of(application: CreditApplication, as_of: date, user: User) -> Screen:
    """Everything of one application at a date, as `user` may work on it, in a fixed number of queries."""
    account = application.account
    history = list(
        Decision.objects.filter(application=application)
        .select_related("decided_by", "card", "kept", "limit_policy", "terms_policy")
        .prefetch_related("letters")
        .order_by("-pk")
    )
    for row in history:
        row.account = account
    decision = history[0] if history else None
    score = AccountScore.objects.filter(account=account).select_related("card").first()
    grid = completeness([account], as_of, enough_due=score.card.thin_below if score else 4)[account.pk]
    documents: list[Any] = list(application.documents.select_related("removed_by"))
    for document in documents:
        document.may_hold_lines = document.name.lower().endswith(READABLE)
    advice = decision.advice if decision else {}
    granted = decision is not None and decision.outcome in (
        Recommendation.APPROVED,
        Recommendation.GUARANTEES,
    )
    ended = ended_for(user, account.customer, as_of, past=True)
    return Screen(
        decision=decision,
        ended=ended,
        reasons=reasons_of(decision, user, named=not ended, ended=ended) if decision else [],
        caps=_caps(decision, shown_by(user, ended)),
        advised_limit=money_of(advice.get("limit")),
        guarantee=_guarantee(decision),
        missing_guarantee=still_missing(decision, as_of) if decision and granted else None,
        history=history,
        grid=grid,
        grid_rows=cured(grid, account, user),
        why=explain(score).for_reader(user, ended=ended) if score else None,
        consent=consent_of(account.customer, as_of),
        documents=documents,
        may_assess=may_assess(application, decision),
        may_propose=may_propose(application),
    )


def _caps(decision: Decision | None, shown: Shown) -> list[CapRow]:
    """The caps the decision saw, as a reader may see them; where nothing was bought yet, what was asked for stands in for the need."""
    found = (decision.inputs.get("limit") or {}) if decision else {}
    caps = found.get("caps", [])
    if decision is None or not caps:
        return []
    amounts = {cap["code"]: money_of(cap["amount"]) for cap in caps}
    if amounts.get("behaviour") is None and decision.requested is not None:
        amounts["asked"] = decision.requested
    known = {code: money for code, money in amounts.items() if money is not None}
    bound_by = min(known, key=lambda code: known[code].minor, default="")
    kept_back = cap_withheld(shown)
    rows = [
        CapRow(
            str(CAP_LABELS.get(cap["code"], cap["code"])),
            "…" if cap["code"] in kept_back else _text(amounts[cap["code"]]),
            kept_back.get(cap["code"]) or cap_formula(cap["code"], cap["params"]),
            cap["code"] == bound_by,
        )
        for cap in caps
    ]
    if "asked" in amounts:
        need = _("in place of the need: nothing was bought yet")
        rows.insert(0, CapRow(_("credit asked for"), _text(amounts["asked"]), need, bound_by == "asked"))
    return rows


def _text(money: Money | None) -> str:
    return "—" if money is None else str(money)


def _guarantee(decision: Decision | None) -> dict[str, Any]:
    """What is asked, or advised: amounts as Money."""
    if decision is None:
        return {}
    asked = decision.guarantees or decision.advice.get("guarantees") or {}
    if not asked:
        return {}
    return {**asked, "amount": money_of(asked["amount"]), "held": money_of(asked.get("held"))}
