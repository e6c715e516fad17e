"""What a scorecard was taught, written on the card itself: which outcomes, of which sample, by which version, on which day.

`Scorecard.learned_until` and `Scorecard.taught` go with every copy and are frozen with the card, so a version is never
tested or calibrated on outcomes that taught it, whatever became of the versions it was made from.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from scoring.fitting.odds import Odds
from scoring.models import CardReport, Scorecard

SAMPLE = ("observations", "customers", "events", "customer_years")

Lesson = dict[str, Any]
"""until, made_on: ISO days; card, version, report: what was taught first; the sizes of SAMPLE. Of odds also state, expert
and odds_after."""


def lesson(card: Scorecard, report: CardReport, until: date) -> Lesson:
    """What a card was taught with this report, known through `until`."""
    return {
        "until": until.isoformat(),
        "made_on": report.made_at.date().isoformat(),
        "card": card.pk,
        "version": f"{card.code} {card.version}",
        "report": report.pk,
        **{name: report.figures.get(name) for name in SAMPLE},
    }


def lesson_of_odds(card: Scorecard, report: CardReport) -> Lesson:
    figures = report.figures
    return lesson(card, report, report.as_of) | {
        name: figures[name] for name in ("state", "expert", "odds_after")
    }


def with_odds(taught: dict[str, Any], found: Lesson) -> dict[str, Any]:
    """What a card was taught, with odds fitted since; earlier ones stay, for a person may set their odds again."""
    return taught | {"odds": [found, *taught.get("odds", [])]}


def points_lesson(card: Scorecard) -> Lesson | None:
    """What taught the points of a card, its own or those it was copied with, edited since or not."""
    found: Lesson | None = card.taught.get("points")
    return found


def odds_lesson(card: Scorecard) -> Lesson | None:
    """The calibration a card's odds come from, whatever else was changed since; None where they were never fitted alone,
    or were set by hand since."""
    odds = Odds(card.anchor_score, float(card.odds_at_anchor), float(card.points_to_double))
    return next((one for one in card.taught.get("odds", []) if Odds(**one["odds_after"]) == odds), None)


def taught_until(card: Scorecard) -> date | None:
    """The last day whose outcomes a card's probability has seen, by its points or by its odds."""
    odds = odds_lesson(card)
    days = (card.learned_until, card.calibrated_on, date.fromisoformat(odds["until"]) if odds else None)
    return max((day for day in days if day is not None), default=None)
