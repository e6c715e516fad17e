"""What the scorecard pages show, gathered from the models; no HTTP here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Prefetch, Q
from django.utils.translation import gettext as _

from scoring import sentences
from scoring.models import AccountScore, CardReport, Scorecard, ScorecardBin
from scoring.rationale import shown
from scoring.signals import BY_NAME, SIGNALS, Signal

Kind = CardReport.Kind


@dataclass(frozen=True, slots=True)
class Line:
    """One bin as it is read: `span` says which values."""

    span: str
    points: int
    rationale: str
    is_missing: bool


@dataclass(frozen=True, slots=True)
class SignalTable:
    signal: str
    label: str
    lines: tuple[Line, ...]

    @property
    def least(self) -> int:
        return min(line.points for line in self.lines)

    @property
    def most(self) -> int:
        return max(line.points for line in self.lines)


def cards() -> list[Scorecard]:
    """Every card with its newest reports loaded, the ones in use first, then what waits, drafts, the rest."""
    order = {"active": 0, "planned": 1, "proposed": 2, "draft": 3, "retired": 4}
    shown = [Kind.FIT, Kind.BACKTEST, Kind.STABILITY]
    reports = CardReport.objects.filter(kind__in=shown).order_by("-pk")
    rows = Scorecard.objects.select_related("created_by", "proposed_by", "decided_by").prefetch_related(
        Prefetch("reports", queryset=reports)
    )
    return sorted(rows, key=lambda card: (order[card.status], -card.pk))


def newest(reports: Iterable[CardReport], *kinds: str) -> CardReport | None:
    return next((report for report in reports if report.kind in kinds), None)


def tables(card: Scorecard) -> list[SignalTable]:
    """The signals a card uses in catalogue order, each with its lines as sentences read them."""
    by_signal: dict[str, list[ScorecardBin]] = {}
    for b in card.bins.all():
        by_signal.setdefault(b.signal, []).append(b)
    found = [_table(BY_NAME[s.name], by_signal[s.name]) for s in SIGNALS if s.name in by_signal]
    return found


def _table(signal: Signal, bins: list[ScorecardBin]) -> SignalTable:
    ordered = sorted(
        bins, key=lambda b: (b.is_missing, b.lower if b.lower is not None else Decimal("-Infinity"))
    )
    return SignalTable(
        signal.name,
        str(signal.label),
        tuple(Line(span(b), b.points, shown(b.rationale), b.is_missing) for b in ordered),
    )


def span(b: ScorecardBin) -> str:
    """Which values a bin holds, in words, with the signal's unit."""
    if b.is_missing:
        return _("missing")
    return sentences.span(b.signal, b.lower, b.upper)


def unused(card: Scorecard) -> list[Signal]:
    used = set(card.bins.values_list("signal", flat=True))
    return [signal for signal in SIGNALS if signal.name not in used]


def live_shares(signal: str, bins: Iterable[ScorecardBin]) -> dict[int, float]:
    """Share of the live book's accounts in each bin (by its pk), in one query; empty without scores."""
    conditions = {}
    for b in bins:
        if b.is_missing:
            condition = Q(**{f"{signal}__isnull": True})
        else:
            condition = Q(**{f"{signal}__isnull": False})
            if b.lower is not None:
                condition &= Q(**{f"{signal}__gte": b.lower})
            if b.upper is not None:
                condition &= Q(**{f"{signal}__lt": b.upper})
        conditions[f"bin_{b.pk}"] = Count("pk", filter=condition)
    counts: dict[str, Any] = AccountScore.objects.aggregate(total=Count("pk"), **conditions)
    total = counts.pop("total")
    return {int(name[4:]): n / total for name, n in counts.items()} if total else {}
