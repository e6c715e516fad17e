"""The receivables of a book as arrays, each fact with the day from which it could be known.

Days are integers (date.toordinal). A row is an instalment, or one version of it where it was corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.measures import Floats

Days = NDArray[np.int64]
"""Whole numbers; read from the database, days are of 32 bits and numbers of rows and accounts of 64."""
UNKNOWN, ELECTRONIC, PAPER = 0, 1, 2
"""How an invoice was sent (Ledger.channel)."""
NEVER = 10**7
"""A day that does not come: not paid, not corrected, not disputed."""
MOST_ROWS = 100_000
"""A larger book is learned from through whole payers drawn from it (always the same ones)."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Rows of instalments.

    row         id of the instalment, account: of its credit account
    issued, due days
    known       day from which the row was known; until: from which it was known to be wrong
    amount      in the account's currency, major units; currency: its code
    paid        day the last cash came that settled it; NEVER while open or where it never was paid
    paid_known  day from which that was known
    closed_known day from which it was known to be gone without cash (credited, written off, vanished between two
                snapshots)
    at_least    of a row closed without cash: it was this many days late or more (a write-off; last seen open in a
                snapshot); -NEVER: nothing is known
    disputed, undisputed: from and until when it was known to stand in dispute
    channel     how it was sent: ELECTRONIC, PAPER, or UNKNOWN; known like the row itself
    """

    row: Days
    account: Days
    issued: Days
    due: Days
    known: Days
    until: Days
    amount: Floats
    currency: NDArray[np.str_]
    paid: Days
    paid_known: Days
    closed_known: Days
    at_least: Days
    disputed: Days
    undisputed: Days
    channel: NDArray[np.int8]

    def __len__(self) -> int:
        return int(self.row.size)

    def take(self, which: Any) -> Ledger:
        return Ledger(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    @classmethod
    def of(cls, *, account: Any, issued: Any, due: Any, amount: Any, paid: Any, **others: Any) -> Ledger:
        """A ledger in which everything was known at once; `paid` NEVER where it is open."""
        count = len(account)
        never = np.full(count, NEVER, dtype=np.int64)
        days: dict[str, Any] = {
            "row": np.arange(count),
            "account": account,
            "issued": issued,
            "due": due,
            "known": issued,
            "until": never,
            "paid": paid,
            "paid_known": paid,
            "closed_known": never,
            "at_least": -never,
            "disputed": never,
            "undisputed": never,
        }
        currency = others.pop("currency", np.full(count, "EUR"))
        channel = others.pop("channel", np.zeros(count))
        days |= others
        return cls(
            amount=np.asarray(amount, dtype=np.float64),
            currency=np.asarray(currency, dtype=np.str_),
            channel=np.asarray(channel, dtype=np.int8),
            **{name: np.asarray(values, dtype=np.int64) for name, values in days.items()},
        )

    def delay_at(self, judged: int) -> tuple[Days, Days]:
        """(least, greatest) possible days late of every row as known on day `judged`; equal where it is paid.

        An open row is at least as late as it is overdue. A row closed without cash keeps what is known of it: a
        written-off one is later than its day, a credited one may have been anything.
        """
        is_paid = self.paid_known <= judged
        is_closed = ~is_paid & (self.closed_known <= judged)
        late = self.paid - self.due
        low = np.where(is_paid, late, np.where(is_closed, self.at_least, judged - self.due))
        return low, np.where(is_paid, late, NEVER)


def beyond(low: Days, high: Days, days: int) -> Floats:
    """1 where the delay is known to be more than `days`, 0 where it is known not to be, NaN where nobody knows."""
    return np.where(low > days, 1.0, np.where(high <= days, 0.0, np.nan))


def drawn(ledger: Ledger, places: Days, most: int = MOST_ROWS) -> Days:
    """All of the rows, or those of whole payers drawn by their number where there are more than `most`."""
    if places.size <= most:
        return places
    return places[lot(ledger.account[places]) < most / places.size]


def lot(account: Days) -> Floats:
    """A number in 0..1 for each account, always the same one and without order."""
    return (account * 2654435761 % (1 << 32)) / (1 << 32)
