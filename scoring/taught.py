"""What a scorecard was taught, written on the card itself: which outcomes, of which sample, by which version, on which day.

`Scorecard.learned_until` and `Scorecard.taught` go with every copy and are frozen with the card, so a version is never
tested or calibrated on outcomes that taught it, whatever became of the versions it was made from.
"""

from __future__ import annotations

from datetime import date
from typing import Any

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
    """What a card was taught, with odds fitted since; newest first; earlier ones stay, for what they saw was seen."""
    return taught | {"odds": [found, *taught.get("odds", [])]}


def points_lesson(card: Scorecard) -> Lesson | None:
    """What taught the points of a card, its own or those it was copied with, edited since or not."""
    found: Lesson | None = card.taught.get("points")
    return found


def first_odds_lesson(card: Scorecard) -> Lesson | None:
    """The first calibration of a card or of those it was copied from: its "expert" are the odds before any outcome. None
    where odds were never fitted alone."""
    lessons: list[Lesson] = card.taught.get("odds", [])
    return lessons[-1] if lessons else None


def taught_until(card: Scorecard) -> date | None:
    """The last day whose outcomes a card's probability has seen, by its points or by its odds: odds touched since, by a
    hair or by much, were touched by somebody who knew the fitted ones."""
    lessons = [date.fromisoformat(one["until"]) for one in card.taught.get("odds", [])]
    days = (card.learned_until, card.calibrated_on, *lessons)
    return max((day for day in days if day is not None), default=None)
