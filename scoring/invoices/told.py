"""What the sentences about an invoice's estimate speak of, and the figures they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from scoring.invoices.card import Target
from scoring.invoices.features import Priors
from scoring.invoices.history import History, Moment


@dataclass(frozen=True, slots=True)
class Told:
    """What the sentences speak of: one observation, the target and what the portfolio's training period says.

    left: what the cards of the day of issue leave for it among those that become late; on: the day it is seen.
    """

    target: Target
    history: History
    seen: Moment
    on: date
    currency: str
    left: float | None = None

    @property
    def priors(self) -> Priors:
        assert self.target.priors is not None
        return self.target.priors

    def rate(self, half_life: float | None, *, others: bool = False) -> tuple[float, float]:
        """(decided, share of them that were so late), weighted with `half_life`; share 0 where nothing is decided."""
        ask = self.history.others if others else self.history.beyond
        steps = self.priors.steps[:1] if others else self.priors.steps
        counts = [ask(days, above, half_life, self.seen) for days, above, _r in steps]  # type: ignore[arg-type]
        decided, happened = float(counts[0][0][0]), float(counts[-1][1][0])
        return decided, happened / decided if decided > 1e-6 else 0.0

    def delay(self, half_life: float | None, *, others: bool = False) -> tuple[float, float]:
        """(invoices, days from due date to payment on average), early payment negative."""
        ask = self.history.others_delays if others else self.history.delays
        count, total = ask(half_life, self.seen)  # type: ignore[arg-type]
        return float(count[0]), float(total[0] / count[0]) if count[0] > 1e-6 else 0.0

    def number(self, ask: Callable[[Moment], tuple[Any, ...]], place: int) -> float:
        return float(np.asarray(ask(self.seen)[place])[0])

    @property
    def terms(self) -> int:
        led = self.history.ledger
        return int(led.due[self.seen.place[0]] - led.issued[self.seen.place[0]])


def event(days: int) -> str:
    """What the target is, as part of a sentence."""
    return _("more than %s days late") % days if days else _("late")
