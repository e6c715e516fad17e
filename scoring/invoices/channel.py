"""How invoices are sent, and what it does: whether the same payer pays those sent electronically sooner or later.

The difference is looked for within payers (who take electronic invoices may be other people), and it is believed as
far as its own doubt allows. A payer's record was made of invoices sent in some way, too: an invoice is moved by
how it differs from them, so that nobody is credited twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.fitting.measures import Floats
from scoring.invoices.history import History, Moment
from scoring.invoices.ledger import ELECTRONIC, UNKNOWN, Days

LEAST_ROWS, LEAST_PAYERS = 30, 5
"""Invoices that must have been sent either way, and payers who must have got both, before anything is told from them."""

SPREAD = 1.0
"""Standard deviation, in log-odds, of what sending electronically does from book to book."""


@dataclass(frozen=True, slots=True)
class Channel:
    """share: of the invoices of the training period of which it is known how they were sent, those sent
    electronically. effect: log-odds of the event by which an electronic invoice differs from one on paper of the same
    payer."""

    share: float
    effect: float

    @classmethod
    def of(cls, channel: Any, payer: Days, happened: Floats) -> Channel | None:
        """None where too few invoices, or payers who got both, say anything.

        Mantel and Haenszel's odds ratio over payers, its variance by payer (linearised: payers differ in it, too),
        under a normal prior around "no difference" with standard deviation SPREAD.
        """
        known = channel != UNKNOWN
        electronic, bad = channel[known] == ELECTRONIC, happened[known]
        _ids, who = np.unique(payer[known], return_inverse=True)
        if min(electronic.sum(), (~electronic).sum()) < LEAST_ROWS:
            return None
        cells = [np.bincount(who, of * what) for of in (electronic, ~electronic) for what in (bad, 1 - bad)]
        late, prompt, paper_late, paper_prompt = cells
        count = late + prompt + paper_late + paper_prompt
        more, less = late * paper_prompt / count, prompt * paper_late / count
        both = (late + prompt > 0) & (paper_late + paper_prompt > 0)
        if both.sum() < LEAST_PAYERS or not (more.sum() > 0 and less.sum() > 0):
            return None
        ratio = more.sum() / less.sum()
        doubt = float(((more - ratio * less) ** 2).sum() / more.sum() ** 2)
        return cls(float(electronic.mean()), float(np.log(ratio)) * SPREAD**2 / (SPREAD**2 + doubt))

    def of_row(self, channel: Any) -> Floats:
        """1 where sent electronically, 0 where on paper; where nobody knows, the portfolio's share."""
        return np.where(channel == UNKNOWN, self.share, np.where(channel == ELECTRONIC, 1.0, 0.0))

    def column(self, days: int, above: int | None, rows: float, history: History, seen: Moment) -> Floats:
        """Log-odds by which each invoice differs from those its payer's record was made of: the record is blended with
        `rows` of the portfolio (features.Rate), and so is how its invoices were sent."""
        count, _happened = history.beyond(days, above, None, seen)
        known, electronic = history.sent(days, above, None, seen)
        mix = (electronic + (count - known + rows) * self.share) / (count + rows)
        return self.effect * (self.of_row(history.ledger.channel[seen.place]) - mix)
