"""Evidence about scorecards: storing what was measured, and measuring how stable a card's scores are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.sentences import gettext as _
from creditdesk.core.sentences import stored
from customers.bank.access import log_study
from scoring.card import Card, as_card
from scoring.engine import compute
from scoring.fitting.measures import psi
from scoring.models import AccountScore, CardReport, Depth, Scorecard

YEAR = timedelta(days=365)


def store_report(
    card: Scorecard, kind: str, as_of: date, figures: dict[str, Any], *, made_by: str
) -> CardReport:
    """Keep a report as evidence (append-only); publishing reads the newest of a kind."""
    return CardReport.objects.create(
        card=card, kind=kind, as_of=as_of, figures=stored(figures), made_by=made_by
    )


def band_counts(scores: Iterable[int]) -> list[int]:
    """How many scores lie in each band of ten points; the last band is 90 to 100."""
    counts = Counter(min(score // 10, 9) for score in scores)
    return [counts[band] for band in range(10)]


def psi_of_scores(before: Sequence[int], after: Sequence[int]) -> float | None:
    """Population stability index between two sets of scores; None where one is empty."""
    found = psi(band_counts(before), band_counts(after))
    return None if found is None else round(found.value, 4)


def counts(card: Card, row: AccountScore) -> bool:
    """Does a score computed with a card in the place of its kind speak of that card?"""
    return row.card_id == card.pk if card.kind == Scorecard.Kind.THIN else row.depth != Depth.NONE


def stability(
    card: Scorecard, as_of: date, before: date | None = None, reader: Actor | None = None
) -> dict[str, Any]:
    """PSI of a card's scores between a year ago (or `before`), with what was known then, and `as_of`.

    Accounts without any payment history are left out of both: they would only show how many newcomers there are. Of a
    thin card only the files it scores, with or without a history, count.
    """
    before = before or as_of - YEAR
    log_study(reader=reader or Actor.job("stability"), days=[before, as_of])
    ready = as_card(card, list(card.bins.all()))

    def scores(day: date) -> list[int]:
        rows = compute(day, view=View(known_at=day), card=ready)
        return [row.score for row in rows if counts(ready, row)]

    first, second = scores(before), scores(as_of)
    found: dict[str, Any] = {
        "from": before.isoformat(),
        "to": as_of.isoformat(),
        "accounts_then": len(first),
        "accounts_now": len(second),
        "bands_then": band_counts(first),
        "bands_now": band_counts(second),
        "psi": psi_of_scores(first, second),
    }
    return (
        found
        if found["psi"] is not None
        else found | {"refused": _("There are no scores to compare: nobody had a payment history.")}
    )
