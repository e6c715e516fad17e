"""What a card's probabilities stand on, in the words shown wherever one is: uncalibrated, level adjusted, calibrated.

The state belongs to the version of the card and goes with whatever moves the probability (`PD_NUMBERS`, bins): a draft
changed by hand is uncalibrated again, until it is calibrated itself (scoring/recalibrating.py).
"""

from __future__ import annotations

from datetime import date
from typing import Protocol

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import day

UNCALIBRATED, LEVEL, FITTED = "uncalibrated", "level", "fitted"
STATE_FIELDS = ("calibration", "calibrated_on", "calibration_events", "calibration_years")
PD_NUMBERS = frozenset(
    {"base_points", "thin_below", "thin_recent_below", "evidence_from"}
    | {"anchor_score", "odds_at_anchor", "points_to_double"}
)
"""Numbers of a card that move a probability or who gets one; grades and the zones of a decision do not."""


class HasState(Protocol):
    """A stored scorecard, or one ready for use (scoring.card.Card)."""

    @property
    def calibration(self) -> str: ...
    @property
    def calibrated_on(self) -> date | None: ...
    @property
    def calibration_events(self) -> int | None: ...
    @property
    def calibration_years(self) -> int | None: ...


def state_label(state: str) -> str:
    """One or two words, for columns."""
    return {LEVEL: _("level adjusted"), FITTED: _("calibrated")}.get(state, _("uncalibrated"))


def short_label(card: HasState) -> str:
    return state_label(card.calibration)


def label(card: HasState) -> str:
    """The state with its day and defaults, as it stands beside a probability."""
    if card.calibration == UNCALIBRATED:
        return _("uncalibrated")
    if card.calibrated_on is None or card.calibration_events is None:
        return short_label(card)
    events = card.calibration_events
    if card.calibration == LEVEL:
        text = ngettext(
            "level adjusted on %(day)s, %(n)s default", "level adjusted on %(day)s, %(n)s defaults", events
        )
    else:
        text = ngettext(
            "calibrated on %(day)s with %(n)s default", "calibrated on %(day)s with %(n)s defaults", events
        )
    return text % {"day": day(card.calibrated_on), "n": _grouped(events)}


def sentence(card: HasState) -> str:
    """What may be done with the probability, for the card's own page and its model card."""
    if card.calibration == UNCALIBRATED:
        return _(
            "Uncalibrated odds, set by hand or fitted to other points: they order customers and forecast no loss rate."
        )
    if card.calibration == LEVEL and card.calibration_events is not None:
        return _(
            "Level adjusted to your book: %(events)s defaults in %(years)s customer-years; slope is expert judgement."
        ) % {
            "events": _grouped(card.calibration_events),
            "years": _grouped(card.calibration_years or 0),
        }
    if card.calibrated_on is None or card.calibration_events is None:
        return _("Fitted to outcomes.")
    if not card.calibration_years:
        return _("Fitted to what happened through %(day)s: %(events)s customers defaulted.") % {
            "day": day(card.calibrated_on),
            "events": _grouped(card.calibration_events),
        }
    return _(
        "Fitted to what happened through %(day)s: %(events)s customers defaulted in %(years)s customer-years."
    ) % {
        "day": day(card.calibrated_on),
        "events": _grouped(card.calibration_events),
        "years": _grouped(card.calibration_years),
    }


def _grouped(count: int) -> str:
    return str(number_format(count, force_grouping=True))
