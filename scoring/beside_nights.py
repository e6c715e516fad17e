"""What the card in use and those that ran beside it said on a night, read back for a comparison: of one and the same pass.

As arrays: two years of month-ends of a large book are kept at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Min
from numpy.typing import NDArray

from creditdesk.core.models import AuditEntry
from scoring.fitting.observations import is_active
from scoring.models import BesideScore, Scorecard, ScoreHistory

Ints = NDArray[np.int64]
NIGHTLY_ACT = "score.pass"
CHUNK = 20_000
_IN_USE = np.dtype([("account", "i8"), ("score", "i2"), ("active", "?")])
_BESIDE = np.dtype([("account", "i8"), ("score", "i2"), ("pd", "f8")])


@dataclass(frozen=True, slots=True)
class Night:
    """What two cards said that night, of the accounts both scored, in order of account.

    scores: accounts x (first, second); pds: the second's probabilities; active: had business in the year before, or
    something overdue.
    """

    day: date
    accounts: Ints
    scores: NDArray[np.int16]
    pds: NDArray[np.float64]
    active: NDArray[np.bool_]

    def places(self, accounts: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Where accounts stand in the arrays, and which of them do at all."""
        places = np.minimum(np.searchsorted(self.accounts, accounts), self.accounts.size - 1)
        return places, self.accounts[places] == accounts


def night(used: Scorecard, beside: Scorecard, day: date) -> Night | None:
    """A month-end as it was stored; None where one of the cards stored nothing."""
    return next((found for _card, found in nights_of(used, [beside], day)), None)


def nights_of(used: Scorecard, besides: Iterable[Scorecard], day: date) -> Iterator[tuple[Scorecard, Night]]:
    """The same of several cards: what the one in use said is read once."""
    in_use = None
    for card in besides:
        rows = BesideScore.objects.filter(card=card, as_of=day).order_by("account")
        told = np.fromiter(rows.values_list("account", "score", "pd").iterator(CHUNK), dtype=_BESIDE)
        if not told.size:
            continue
        if in_use is None:
            in_use = np.fromiter(_in_use(used, day), dtype=_IN_USE)
        accounts, first, second = np.intersect1d(
            in_use["account"], told["account"], assume_unique=True, return_indices=True
        )
        if accounts.size:
            scores = np.stack([in_use["score"][first], told["score"][second]], axis=1)
            yield card, Night(day, accounts, scores, told["pd"][second], in_use["active"][first])


class _Kept(NamedTuple):
    """A kept score as it is read; `act`: what it was kept by."""

    account: int
    card: int
    score: int
    days_since_invoice: int | None
    oldest_overdue_days: int | None
    entry: int | None
    act: str | None


def _in_use(used: Scorecard, day: date) -> Iterator[tuple[int, int, bool]]:
    """(account, score, active) as the pass of a month-end left them, of the accounts it scored with this card."""
    begun = AuditEntry.objects.filter(act=NIGHTLY_ACT, business_date=day).aggregate(pk=Min("pk"))["pk"]
    rows: Any = ScoreHistory.objects.filter(as_of=day).order_by("account", "pk")
    columns = ("account", "card", "score", "days_since_invoice", "oldest_overdue_days", "entry", "entry__act")
    kept = map(_Kept._make, rows.values_list(*columns).iterator(CHUNK))
    for _account, some in groupby(kept, key=lambda row: row.account):
        row = _of_the_pass(list(some), begun)
        if row.card == used.pk:
            yield row.account, row.score, is_active(row._asdict())


def _of_the_pass(rows: Sequence[_Kept], begun: int | None) -> _Kept:
    """Of an account's kept scores of a day, as they were written: the one that its pass wrote. A pass that found the score
    of the same day unchanged wrote none: then what stood when the passes began. What payments of that day did later
    is not what the cards beside were told."""
    before = [row for row in rows if begun is not None and row.entry is not None and row.entry < begun]
    return next((row for row in rows if row.act == NIGHTLY_ACT), before[-1] if before else rows[0])
