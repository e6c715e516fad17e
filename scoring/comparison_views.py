"""Two scorecards side by side, and having them measured on the same rows. Thin: rules are elsewhere."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from creditdesk.core import charts
from creditdesk.core.clock import business_date
from creditdesk.core.jobs import key_anew, plan_jobs
from creditdesk.core.models import Job
from creditdesk.core.pages import desk_page, render_page
from creditdesk.core.wording import fixed
from scoring import card_comparison, card_pages
from scoring.card_views import VIEW, pages, tried
from scoring.models import CardReport, Scorecard
from scoring.publishing import PROPOSE, PUBLISH
from scoring.side_by_side import MEASURES, refusal

KIND = "compare-cards"
# What a better card has more of (1) or less of (-1).
BETTER = {"gini": 1, "ks": 1, "brier": -1, "loss_in_top_20": 1}


@desk_page(VIEW)
@require_http_methods(["GET"])
def comparison(request: HttpRequest) -> HttpResponse:
    """Any two versions: `a` as the champion, `b` as the challenger; by default the card in use and what comes next."""
    rows = card_pages.cards()
    pair = _asked(request, rows)
    context: dict[str, Any] = {"title": _("Two scorecards compared"), "cards": rows, "pair": pair}
    if pair is not None:
        a, b = (pages.load(card.pk) for card in pair)
        differences = card_comparison.signals(a, b)
        report = card_comparison.report_of(a, b)
        context |= {
            "against": a,
            "policy": b,
            "compared": card_comparison.settings(a, b),
            "different": [one for one in differences if one.state != card_comparison.SAME],
            "same": [one for one in differences if one.state == card_comparison.SAME],
            "counts": {
                state: sum(one.state == state for one in differences)
                for state in ("added", "removed", "changed")
            },
            "report": report,
            "may_measure": request.user.has_perm(PROPOSE) or request.user.has_perm(PUBLISH),
            "measuring": Job.objects.filter(kind=KIND, key__startswith=f"{a.pk}-{b.pk}-")
            .order_by("-pk")
            .first(),
            **(_shown(request, report, a, b) if report else {}),
        }
    return render_page(request, "scorecards/compare.html", context)


def _asked(request: HttpRequest, rows: list[Scorecard]) -> tuple[Scorecard, Scorecard] | None:
    by_pk = {str(card.pk): card for card in rows}
    asked = [request.GET.get(name, "") for name in ("a", "b")]
    if any(one and one not in by_pk for one in asked):
        raise Http404
    usual = card_comparison.usual_pair(rows)
    first = by_pk.get(asked[0]) or (usual[0] if usual else None)
    second = by_pk.get(asked[1]) or (usual[1] if usual else None)
    if first is None or second is None:
        return None
    return first, second


def _shown(request: HttpRequest, report: CardReport, a: Scorecard, b: Scorecard) -> dict[str, Any]:
    figures = report.figures
    matured = [date.fromisoformat(row["day"]) for row in figures["months"] if row["matured"]]
    return {
        "is_stale": card_comparison.is_stale(report, a, b),
        "measured": figures["measured"],
        "refused": refusal(figures["measured"]),
        "measures": _measures(figures["measured"]),
        "months": [row | {"on": date.fromisoformat(row["day"])} for row in figures["months"]],
        "chart": _chart(figures["months"], a, b),
        "has_stored": any(row.get("stored") for row in figures["months"]),
        "since": figures.get("since"),  # reports of before counted a default once a month
        "is_quarterly": any((later - day).days > 31 for day, later in pairwise(matured)),
        "tried": tried(request, report, figures["moves"]),
        "correlation": figures["moves"]["correlation"],
    }


def _measures(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """A line per measure: both cards, the difference, and whether it is more than luck."""
    if "refused" in measured:
        return []
    labels = {
        "gini": _("Gini"),
        "ks": _("KS"),
        "brier": _("Brier (lower is better)"),
        "loss_in_top_20": _("Loss found in the riskiest fifth"),
    }
    lines = []
    told = measured["differences"]
    for name in (name for name in MEASURES if name in told):
        gap = told[name]
        interval, gain = gap["interval"], gap["gain"]
        sure = interval is not None and (interval[0] > 0 or interval[1] < 0)
        way = 0 if not sure or not gain else 1 if gain * BETTER[name] > 0 else -1
        lines.append(
            {
                "label": labels[name],
                "cards": [(f.get(name), f.get(f"{name}_interval")) for f in measured["cards"]],
                "gain": gain,
                "interval": interval,
                "way": way,
                "places": 4 if name == "brier" else 3,
            }
        )
    return lines


def _chart(months: list[dict[str, Any]], a: Scorecard, b: Scorecard) -> charts.Chart | None:
    rows = [(date.fromisoformat(row["day"]), row["gini"]) for row in months]
    if sum(ginis[0] is not None for _day, ginis in rows) < 2:
        return None
    return charts.line_chart(
        [charts.Series(str(card), [(day, ginis[n]) for day, ginis in rows]) for n, card in enumerate((a, b))],
        title=_("Gini by month-end scored"),
        fmt=lambda value: fixed(value, 2),
        axis_fmt=lambda value: fixed(value, 2),  # steps of 0.25
    )


@desk_page(VIEW)
@require_POST
def measure(request: HttpRequest) -> HttpResponse:
    """Measure `b` beside `a` anew, in the background: every month-end of the past is scored again."""
    if not (request.user.has_perm(PROPOSE) or request.user.has_perm(PUBLISH)):
        raise PermissionDenied
    found = {str(card.pk): card for card in card_pages.cards()}
    a, b = found.get(request.POST.get("a", "")), found.get(request.POST.get("b", ""))
    if a is None or b is None:
        raise Http404
    key = key_anew(KIND, f"{a.pk}-{b.pk}-{request.user.pk}")
    plan_jobs(KIND, [key], business_date(), "scoring.tasks.compare_planned_cards", cluster="bulk")
    messages.success(request, _("Both are being measured in the background. Come back in a minute."))
    return redirect(f"{reverse('scorecards:compare')}?{urlencode({'a': a.pk, 'b': b.pk})}")
