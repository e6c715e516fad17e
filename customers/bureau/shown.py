"""What people see of agency reports: the newest of each agency, the course of its standing, and what was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core import charts
from creditdesk.core.facts import View
from creditdesk.core.models import User
from creditdesk.core.sentences import told
from customers.bureau.adapters import AgencyError, adapter_named
from customers.bureau.ages import ANSWERED, free_on, is_young, newest_answers
from customers.bureau.bases import withheld_among
from customers.models import BureauProvider, BureauPull, BureauReport, Customer

TONES = {
    "rated": "good",
    "unrated": "mute",
    "not_found": "mute",
    "asked": "info",
    "unavailable": "warn",
    "refused": "bad",
    "bad_answer": "bad",
    "doubt": "bad",
    "too_young": "mute",
    "no_budget": "warn",
    "no_basis": "warn",
}


@dataclass(slots=True)
class AgencyShown:
    """One agency about one customer. reports: current versions, newest first; free_on: when it may be asked again."""

    slug: str
    label: str
    scale: str = ""
    is_recorded: bool = False
    reports: list[BureauReport] = field(default_factory=list)
    free_on: date | None = None

    @property
    def newest(self) -> BureauReport:
        return self.reports[0]

    @property
    def moved(self) -> int | None:
        """Points of standing since the report before; None where one of them is not rated."""
        if len(self.reports) < 2:
            return None
        now, before = self.reports[0].standing, self.reports[1].standing
        return None if now is None or before is None else now - before


def agencies_of(customer: int, as_of: date) -> list[AgencyShown]:
    """The agencies that have said something about a customer, in the order of asking; four queries."""
    providers = {one.slug: one for one in BureauProvider.objects.order_by("position", "slug")}
    reports = BureauReport.objects.at(as_of, View(known_at=as_of)).filter(customer=customer)
    answers = newest_answers([customer], as_of)
    found: dict[str, AgencyShown] = {}
    for report in reports.order_by("-effective_on", "-pk"):
        shown = found.get(report.provider)
        if shown is None:
            shown = found[report.provider] = _agency(report.provider, providers.get(report.provider))
        shown.reports.append(report)
    for slug, shown in found.items():
        provider = providers.get(slug)
        if provider is not None:
            newest = answers[customer, slug]
            shown.free_on = free_on(newest, provider) if is_young(newest, provider, as_of) else None
    places = list(providers)
    return sorted(
        found.values(), key=lambda one: (places.index(one.slug) if one.slug in providers else 99, one.slug)
    )


def _agency(slug: str, provider: BureauProvider | None) -> AgencyShown:
    if provider is None:
        return AgencyShown(slug, slug, _("As its file gives it."))
    try:
        scale = adapter_named(provider.adapter).scale(provider.settings)
    except AgencyError:
        scale = ""
    return AgencyShown(slug, provider.label, scale, provider.adapter == "recorded")


def questions_about(customer: Customer) -> QuerySet[BureauPull]:
    """What was asked about a customer, and about those merged into it; newest first."""
    rows = BureauPull.objects.filter(Q(customer=customer) | Q(customer__merged_into=customer))
    return rows.select_related("provider", "asked_by").order_by("-asked_on", "-asked_at", "-pk")


def standing_chart(agencies: Sequence[AgencyShown]) -> charts.Chart | None:
    """The standing over time, a line for each agency; None without two rated reports."""
    series = []
    for shown in agencies:
        rated = [
            (one.effective_on, one.standing) for one in reversed(shown.reports) if one.standing is not None
        ]
        if rated:
            series.append(charts.Series(shown.label, rated))
    if sum(len(one.values) for one in series) < 2:
        return None
    events = [
        charts.Event(one.effective_on, f"{shown.label}: {one.get_activity_display()}", "bad")
        for shown in agencies
        for one in shown.reports
        if one.activity == BureauReport.Activity.CEASED
    ]
    return charts.line_chart(
        series, title=_("Standing by agency (100 is safest)"), y_range=(0, 100), events=events
    )


def with_tones(rows: Iterable[Any], user: User, as_of: date) -> list[Any]:
    """Questions with their outcome, its colour, and in words what went wrong, as the user may see them on the day: that
    a person was asked about, and what it cost, is told for good; what the agency answered only while there is a basis."""
    found = list(rows)
    hidden = withheld_among({row.customer_id for row in found}, user, as_of)
    for row in found:
        row.tone = TONES.get(row.outcome, "mute")
        row.outcome_label, row.said = row.get_outcome_display(), told(row.detail.get("text"))
        if row.customer_id in hidden and row.outcome in (*ANSWERED, BureauPull.Outcome.BAD_ANSWER):
            row.tone, row.outcome_label, row.said = "mute", _("answered; the legal basis has ended"), ""
    return found
