"""Who said it and when: the names and days behind the signals of credit agencies.

Read from the reports as they were recorded when the score was computed, in one query, and only where a score has such
a signal. The rule which report counts is that of scoring/families/bureau.py; where the two did not agree the sentence
without names stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from creditdesk.core.wording import day, percent
from customers.bureau.bases import without_basis
from customers.models import BureauProvider, BureauReport, CreditAccount
from scoring.families.bureau import VALID_DAYS, YEAR_BEFORE_DAYS
from scoring.models import AccountScore, ScoreHistory
from scoring.sentences.bureau import beyond_terms

_ACTIVITY = {"active": 0, "dormant": 1, "ceased": 2}
_FIGURES: dict[str, Callable[[BureauReport], int | None]] = {
    "standing": lambda r: None if r.standing is None else 100 - r.standing,
    "pd": lambda r: r.pd_basis_points,
    "days_beyond_terms": lambda r: r.days_beyond_terms,
    "activity": lambda r: _ACTIVITY.get(r.activity),
}
"""Of each the worst is the greatest."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one agency says in its newest report that says it. figure: the greater, the worse."""

    agency: str
    report: BureauReport
    figure: int

    @property
    def on(self) -> date:
        return self.report.effective_on


def view_of(row: AccountScore | ScoreHistory) -> View:
    """What was recorded when a stored score was computed; today's knowledge for one that is not stored."""
    if row._state.adding:
        return CURRENT
    return View(recorded_by=row.recorded_at if isinstance(row, ScoreHistory) else row.stamp)


def reports_at(as_of: date, view: View = CURRENT, *, all_years: bool = False) -> QuerySet[BureauReport]:
    """The reports scores of the day read, newest first, each with its agency's name as `label` (None: not set up).

    all_years: also those too old for any score.
    """
    since = date.min if all_years else as_of - timedelta(days=VALID_DAYS + YEAR_BEFORE_DAYS)
    label = BureauProvider.objects.filter(slug=OuterRef("provider")).values("label")[:1]
    rows = BureauReport.objects.filter(view.q(), effective_on__lte=as_of, effective_on__gt=since).annotate(
        label=Subquery(label)
    )
    return rows.order_by("-effective_on", "provider", "pk")


def newest_of_each(reports: Iterable[BureauReport], field: str, as_of: date) -> list[Said]:
    """What each agency says of a field, the worst first."""
    found: dict[str, Said] = {}
    for report in reports:
        figure = _FIGURES[field](report)
        if figure is None or report.effective_on <= as_of - timedelta(days=VALID_DAYS):
            continue
        known = found.get(report.provider)
        newer = known is None or report.effective_on > known.on
        if newer or (known and report.effective_on == known.on and figure > known.figure):
            found[report.provider] = Said(_name(report), report, figure)
    return sorted(found.values(), key=lambda said: (-said.figure, -said.on.toordinal(), said.agency))


def sentences(
    row: AccountScore | ScoreHistory, values: Mapping[str, Any], view: View | None = None
) -> dict[str, str]:
    """signal -> sentence with names and days, of those among `values` that agencies told."""
    wanted = [name for name in values if name in _WORDS and values[name] is not None]
    if not wanted:
        return {}
    mine = CreditAccount.objects.filter(pk=row.account_id).values("customer")
    reports = list(reports_at(row.as_of, view or view_of(row)).filter(customer__in=mine))
    told = ((name, _WORDS[name](values[name], reports, row.as_of)) for name in wanted)
    return {name: text for name, text in told if text}


def agency_limits(customers: Collection[int], as_of: date) -> dict[int, list[tuple[str, date, Money]]]:
    """Per customer what each agency recommends as its limit, in the newest report that does: (agency, day, amount).

    As known at the date, within the months a report counts, of natural persons under a legal basis; two queries.
    """
    rows = reports_at(as_of).filter(
        customer__in=set(customers) - without_basis(customers, as_of, View(known_at=as_of)),
        known_on__lte=as_of,
        recommended_limit__isnull=False,
        effective_on__gt=as_of - timedelta(days=VALID_DAYS),
    )
    found: dict[int, dict[str, tuple[str, date, Money]]] = defaultdict(dict)
    for row in rows:
        assert row.recommended_limit is not None
        one = (_name(row), row.effective_on, row.recommended_limit)
        known = found[row.customer_id].setdefault(row.provider, one)
        if known[1] == one[1] and one[2].currency == known[2].currency and one[2] < known[2]:
            found[row.customer_id][row.provider] = one
    return {customer: list(by_agency.values()) for customer, by_agency in found.items()}


def _name(report: BureauReport) -> str:
    return getattr(report, "label", None) or report.provider


def before_of(said: Said, reports: Iterable[BureauReport]) -> BureauReport | None:
    """The best rating the same agency gave in the 13 months before."""
    earlier = [
        r
        for r in reports
        if r.provider == said.report.provider
        and r.standing is not None
        and 1 <= (said.on - r.effective_on).days <= YEAR_BEFORE_DAYS
    ]
    return max(earlier, key=lambda r: (r.standing, r.effective_on), default=None)


def rated(said: Said, reports: Iterable[BureauReport]) -> str:
    """ "34 of 100 by Example on 3 Mar 2026 (61 on 2 Mar 2025)"."""
    figures = {"standing": said.report.standing, "agency": said.agency, "on": day(said.on)}
    before = before_of(said, reports)
    if before is None:
        return _("%(standing)s of 100 by %(agency)s on %(on)s") % figures
    figures |= {"before": before.standing, "then": day(before.effective_on)}
    return _("%(standing)s of 100 by %(agency)s on %(on)s (%(before)s on %(then)s)") % figures


def _standing(value: Any, reports: list[BureauReport], as_of: date) -> str:
    said = newest_of_each(reports, "standing", as_of)
    if not said or said[0].report.standing != value:
        return ""
    return _("Rated %s.") % "; ".join(rated(one, reports) for one in said)


def _pd(value: Any, reports: list[BureauReport], as_of: date) -> str:
    said = newest_of_each(reports, "pd", as_of)
    if not said or abs(said[0].figure / 10_000 - value) > 1e-6:
        return ""
    return _("%(agency)s put its probability of default within a year at %(pd)s on %(on)s.") % {
        "agency": said[0].agency,
        "pd": percent(value),
        "on": day(said[0].on),
    }


def _beyond(value: Any, reports: list[BureauReport], as_of: date) -> str:
    said = newest_of_each(reports, "days_beyond_terms", as_of)
    if not said or said[0].figure != value:
        return ""
    return _("As %(agency)s saw it on %(on)s, %(clause)s.") % {
        "agency": said[0].agency,
        "on": day(said[0].on),
        "clause": beyond_terms(value),
    }


def _activity(value: Any, reports: list[BureauReport], as_of: date) -> str:
    said = newest_of_each(reports, "activity", as_of)
    if not said or not value or not said[0].figure:
        return ""
    text = (
        _("%(agency)s said on %(on)s that its business has ceased.")
        if said[0].figure == _ACTIVITY["ceased"]
        else _("%(agency)s said on %(on)s that its business is dormant.")
    )
    return text % {"agency": said[0].agency, "on": day(said[0].on)}


_WORDS: dict[str, Callable[[Any, list[BureauReport], date], str]] = {
    "bureau_standing": _standing,
    "bureau_pd": _pd,
    "bureau_days_beyond_terms": _beyond,
    "bureau_inactive": _activity,
    "bureau_ceased": _activity,
}
