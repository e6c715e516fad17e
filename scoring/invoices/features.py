"""What an invoice card looks at: the payer's record as known that day, and the invoice's own facts.

Every feature is 0 for a payer without a record and for an ordinary invoice, and grows toward 'later'. A record
enters shrunk toward the portfolio (empirical Bayes): (late + k * portfolio rate) / (decided + k), with the k that
the spread between the payers of the training period calls for; with little history it stays close to 0 and it
never lies beyond the record itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from numpy.typing import ArrayLike

from scoring.fitting.logistic import logit
from scoring.fitting.measures import Floats, floats
from scoring.invoices.channel import Channel
from scoring.invoices.history import History, Moment
from scoring.invoices.ledger import Days

HALF_LIVES: tuple[float | None, ...] = (None, 180.0, 45.0)
BOOK_NOW, BOOK_LONG, BOOK_ROWS = 45.0, 180.0, 30.0
BOOK_LIVES = (20.0, 45.0, 180.0)
SIZE_ROWS = 2.0
LEAST = 1e-4
KINDS = ("month", "size")
MOST_ALIKE = 200.0
"""Rows of the whole record a record with one kind of invoice is blended with where the kinds do not differ."""


@dataclass(frozen=True, slots=True)
class Feature:
    """code: its reason code. recorded: it speaks of the payer's record, so it is 0 without one. grows: a higher
    value never lowers the chance of being late (the coefficient is kept at or above 0). starts: the coefficient it
    has until the data say otherwise; 1 where the feature is itself an estimate of the log-odds."""

    code: str
    label: str | Promise
    recorded: bool = True
    grows: bool = True
    starts: float = 0.0


FEATURES: tuple[Feature, ...] = (
    Feature("late_share", _("share of invoices paid that late, whole record"), starts=1.0),
    Feature("late_share_180", _("share of invoices paid that late, weighted to the last half year")),
    Feature("late_share_45", _("share of invoices paid that late, weighted to the last weeks")),
    Feature("delay", _("days between due date and payment, whole record")),
    Feature("delay_180", _("days between due date and payment, weighted to the last half year")),
    Feature("delay_45", _("days between due date and payment, weighted to the last weeks")),
    Feature("days_late", _("days late on average, early payment counting as on time")),
    Feature("pace", _("usual days from invoice to payment against the terms of this invoice")),
    Feature("overdue_now", _("invoices overdue now")),
    Feature("overdue_days", _("days overdue now, over all invoices")),
    Feature("disputes", _("share of invoices disputed")),
    Feature("open_now", _("other invoices open and not yet due"), grows=False),
    Feature("terms", _("terms of this invoice"), recorded=False, grows=False),
    Feature("amount", _("amount of this invoice"), recorded=False, grows=False),
    Feature("amount_usual", _("amount against the payer's usual one"), recorded=False, grows=False),
    Feature("weekday", _("weekday of the due date"), recorded=False, starts=1.0),
    # Of cards fitted before the book was looked at over three spans; new ones give them nothing.
    Feature("book", _("how punctual all customers are at present"), recorded=False),
    Feature("book_trend", _("change in how punctual all customers are"), recorded=False, grows=False),
    # Other customers only. Free in direction: what the year brings next may be the opposite of what it just brought.
    Feature("others_20", _("how punctual other customers are in these weeks"), recorded=False, grows=False),
    Feature("others_45", _("how punctual other customers are in these months"), recorded=False, grows=False),
    Feature("others_180", _("how punctual other customers are this year"), recorded=False, grows=False),
    Feature("others_days_20", _("days late of other customers in these weeks"), recorded=False, grows=False),
    Feature("others_days_45", _("days late of other customers in these months"), recorded=False, grows=False),
    Feature("others_days_180", _("days late of other customers this year"), recorded=False, grows=False),
    Feature("month", _("part of the month in which it falls due"), recorded=False, starts=1.0),
    Feature("like_month", _("its invoices due in the same part of the month against its others")),
    Feature("like_size", _("its invoices as large as this one against its others")),
    Feature(
        "channel",
        _("how this invoice was sent, against how its invoices were"),
        recorded=False,
        grows=False,
        starts=1.0,
    ),
)
CODES = tuple(f.code for f in FEATURES)
RECORDED = np.array([f.recorded for f in FEATURES])
GROWS = np.array([f.grows for f in FEATURES])
LATE_SHARE = CODES.index("late_share")
UNTOLD = np.array([f.code != "channel" for f in FEATURES])
"""Features that are there whether or not it is told how invoices were sent."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A portfolio rate and how many rows of it a payer's own record is blended with (beta-binomial)."""

    rate: float
    rows: float

    def blended(self, count: ArrayLike, happened: ArrayLike) -> Floats:
        return (floats(happened) + self.rows * self.rate) / (floats(count) + self.rows)

    @classmethod
    def of(cls, count: ArrayLike, happened: ArrayLike, *, least: float = 0.005, doubt: float = 0.0) -> Rate:
        """From the counts of each payer (or weekday): the spread between them beyond chance gives `rows`.

        Moments of the beta-binomial (Kleinman 1973). Without spread: many rows; too little to tell: 10. least: the
        smallest likeness within a payer. doubt: standard errors taken off the spread before it is believed.
        """
        n, s = floats(count), floats(happened)
        n, s = n[n > 0], s[n > 0]
        if not n.sum():
            return cls(0.5, 10.0)
        # Half a row of each outcome: a rate of 0 or 1 is a lack of data, not a certainty.
        rate = float((s.sum() + 0.5) / (n.sum() + 1))
        room = rate * (1 - rate) * (n - 1).sum()
        if n.size < 3 or room <= 0 or not 0 < s.sum() < n.sum():
            return cls(rate, 10.0)
        chance = n.size + doubt * (2 * n.size) ** 0.5
        excess = float((n * (s / n - rate) ** 2).sum() - rate * (1 - rate) * chance)
        likeness = min(max(excess / room, min(least, 1e-4) if doubt else least), 0.8)
        return cls(rate, (1 - likeness) / likeness)


def rows_alike(payer: Days, kind: Days, happened: Floats) -> float:
    """With how many rows of the payer's whole record its record with one kind of invoice is blended.

    Moments, as in `Rate.of`: the spread between the kinds within a payer beyond chance. Without spread: many.
    """
    if not payer.size:
        return MOST_ALIKE
    _ids, who = np.unique(payer, return_inverse=True)
    n = np.bincount(who).astype(np.float64)
    rate = np.bincount(who, happened) / n
    _cells, place, cell = np.unique(who * 16 + kind, return_index=True, return_inverse=True)
    m = np.bincount(cell).astype(np.float64)
    of = who[place]
    spread = float((m * (np.bincount(cell, happened) / m - rate[of]) ** 2).sum())
    noise = np.where(n > 1, rate * (1 - rate) * n / np.maximum(n - 1, 1), 0.0)
    chance = float((noise * (np.bincount(of, minlength=n.size) - 1)).sum())
    room = float((noise * (n - np.bincount(of, m**2, minlength=n.size) / n)).sum())
    if room <= 0:
        return MOST_ALIKE
    likeness = min(max((spread - chance) / room, 1 / (MOST_ALIKE + 1)), 0.5)
    return (1 - likeness) / likeness


@dataclass(frozen=True, slots=True)
class Mean:
    """A portfolio mean and how many rows of it a payer's own mean is blended with."""

    mean: float
    rows: float

    def blended(self, count: Floats, total: Floats) -> Floats:
        return (total + self.rows * self.mean) / (count + self.rows)

    @classmethod
    def of(cls, payer: Days, values: Floats) -> Mean:
        """One-way variance components: rows = variance within payers / variance between them, kept in 1..50."""
        if not values.size:
            return cls(0.0, 3.0)
        _ids, member = np.unique(payer, return_inverse=True)
        count = np.bincount(member).astype(np.float64)
        mean = np.bincount(member, values) / count
        within = float(((values - mean[member]) ** 2).sum())
        free = values.size - count.size
        overall = float(values.mean())
        if free < 1 or count.size < 3 or within <= 0:
            return cls(overall, 3.0)
        within /= free
        spread = float((count * (mean - overall) ** 2).sum()) - (count.size - 1) * within
        size = count.sum() - (count**2).sum() / count.sum()
        between = spread / size if size > 0 else 0.0
        return cls(overall, float(np.clip(within / between, 1, 50)) if between > 0 else 50.0)


@dataclass(frozen=True, slots=True)
class Priors:
    """What the portfolio of the training period says, for one target.

    steps: the target as a chain of rates ("late", "> 15 of the late ones"), each blended on its own.
    """

    steps: tuple[tuple[int, int | None, Rate], ...]
    delay: Mean
    days_late: Mean
    took: Mean
    terms: float
    terms_vary: bool
    weekdays: tuple[float, ...]
    months: tuple[float, ...] = ()
    alike: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    disputes: Rate = field(default_factory=lambda: Rate(0.5, 10.0))
    book: Rate = field(default_factory=lambda: Rate(0.5, 10.0))
    sizes: Mapping[str, float] = field(default_factory=dict)
    size: float = 0.0
    channel: Channel | None = None
    """What the way an invoice is sent does; None where it is not told, or does nothing that can be told."""
    spans: bool = True
    """Whether the book is looked at over BOOK_LIVES; False in cards stored before it was."""

    @property
    def rate(self) -> float:
        return float(np.prod([r.rate for _d, _a, r in self.steps]))

    def as_dict(self) -> dict[str, Any]:
        return {
            "steps": [[d, a, [r.rate, r.rows]] for d, a, r in self.steps],
            "delay": [self.delay.mean, self.delay.rows],
            "days_late": [self.days_late.mean, self.days_late.rows],
            "took": [self.took.mean, self.took.rows],
            "terms": self.terms,
            "terms_vary": self.terms_vary,
            "disputes": [self.disputes.rate, self.disputes.rows],
            "book": [self.book.rate, self.book.rows],
            "weekdays": list(self.weekdays),
            "months": list(self.months),
            "alike": {kind: list(rows) for kind, rows in self.alike.items()},
            "sizes": dict(self.sizes),
            "size": self.size,
            "channel": [self.channel.share, self.channel.effect] if self.channel else [],
            "spans": self.spans,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Priors:
        means = {name: Mean(*data[name]) for name in ("delay", "days_late", "took")}
        return cls(
            **{
                "spans": False,
                **data,
                **means,
                "steps": tuple((d, a, Rate(*r)) for d, a, r in data["steps"]),
                "disputes": Rate(*data["disputes"]),
                "book": Rate(*data["book"]),
                "weekdays": tuple(data["weekdays"]),
                "months": tuple(data.get("months", ())),
                "channel": Channel(*data["channel"]) if data.get("channel") else None,
                "alike": {kind: tuple(rows) for kind, rows in data.get("alike", {}).items()},
            }
        )


def record(priors: Priors, history: History, seen: Moment) -> tuple[Floats, Floats]:
    """(invoices decided, share of them that were so late) of each payer, as it stands: not shrunk."""
    (days, above, _rate), *_more = priors.steps
    count, happened = history.beyond(days, above, None, seen)
    for later, over, _r in priors.steps[1:]:
        _n, happened = history.beyond(later, over, None, seen)
    return count, np.divide(happened, count, out=np.full(count.shape, np.nan), where=count > 0)


def features(priors: Priors, history: History, seen: Moment) -> Floats:
    """(observations, len(FEATURES)), in the order of FEATURES."""
    led = history.ledger
    columns: dict[str, Floats] = {}
    for half_life in HALF_LIVES:
        name = "" if half_life is None else f"_{half_life:.0f}"
        chance = np.ones(seen.day.size)
        for days, above, rate in priors.steps:
            chance = chance * rate.blended(*history.beyond(days, above, half_life, seen))
        columns[f"late_share{name}"] = logit(chance, LEAST) - logit(priors.rate, LEAST)
        columns[f"delay{name}"] = priors.delay.blended(*history.delays(half_life, seen)) - priors.delay.mean
    paid, late, took = history.payments(seen)
    columns["days_late"] = np.log1p(np.maximum(priors.days_late.blended(paid, late), 0)) - np.log1p(
        max(priors.days_late.mean, 0)
    )
    terms = (led.due - led.issued)[seen.place].astype(np.float64)
    if priors.terms_vary:
        # Without a record the usual days are the portfolio's and the terms speak for themselves.
        usual = priors.took.blended(paid, took)
        columns["pace"] = np.where(paid > 0, usual - priors.took.mean - (terms - priors.terms), 0.0)
        columns["terms"] = terms - priors.terms
    running, overdue, days_over = history.standing(seen)
    columns["overdue_now"] = np.log1p(overdue)
    columns["overdue_days"] = np.log1p(days_over)
    if priors.disputes.rate > LEAST:
        columns["disputes"] = logit(priors.disputes.blended(*history.disputes(seen)), LEAST) - logit(
            priors.disputes.rate, LEAST
        )
    columns["open_now"] = np.log1p(running)
    size = np.log(np.maximum(led.amount[seen.place], 0.01))
    usual_size = np.array([priors.sizes.get(str(c), priors.size) for c in led.currency[seen.place]])
    count, sizes = history.sizes(seen)
    columns["amount"] = size - usual_size
    columns["amount_usual"] = size - (sizes + SIZE_ROWS * usual_size) / (count + SIZE_ROWS)
    columns["weekday"] = np.array(priors.weekdays)[led.due[seen.place] % 7]
    if priors.months:
        columns["month"] = np.array(priors.months)[history.kinds("month")[seen.place]]
    for kind in priors.alike:
        columns[f"like_{kind}"] = _alike(priors, history, seen, kind)
    if priors.channel:
        days, above, rate = priors.steps[0]
        columns["channel"] = priors.channel.column(days, above, rate.rows, history, seen)
    columns |= _book(priors, history, seen)
    nothing = np.zeros(seen.day.size)
    return np.column_stack([columns.get(code, nothing) for code in CODES])


def _alike(priors: Priors, history: History, seen: Moment, kind: str) -> Floats:
    """The payer's record with invoices of this kind against its whole record, in log-odds; 0 without such ones."""
    whole, part = np.ones(seen.day.size), np.ones(seen.day.size)
    there = np.zeros(seen.day.size, dtype=bool)
    for (days, above, rate), rows in zip(priors.steps, priors.alike[kind], strict=True):
        own = rate.blended(*history.beyond(days, above, None, seen))
        count, happened = history.alike(kind, days, above, seen)
        whole, part = whole * own, part * (happened + rows * own) / (count + rows)
        there |= count > 0
    return np.where(there, logit(part, LEAST) - logit(whole, LEAST), 0.0)


def _book(priors: Priors, history: History, seen: Moment) -> dict[str, Floats]:
    """How punctual everybody is lately, in the card's first step."""
    first, rate = priors.steps[0][:2], Rate(priors.book.rate, BOOK_ROWS)
    columns: dict[str, Floats] = {}
    if not priors.spans:
        now, long = (history.book(*first, span, seen) for span in (BOOK_NOW, BOOK_LONG))
        columns["book"] = logit(priors.book.blended(*now)) - logit(rate.rate)
        columns["book_trend"] = logit(rate.blended(*now)) - logit(rate.blended(*long))
        return columns
    days = Mean(priors.delay.mean, BOOK_ROWS)
    for span in BOOK_LIVES:
        columns[f"others_{span:.0f}"] = logit(rate.blended(*history.others(*first, span, seen))) - logit(
            rate.rate
        )
        columns[f"others_days_{span:.0f}"] = days.blended(*history.others_delays(span, seen)) - days.mean
    return columns
