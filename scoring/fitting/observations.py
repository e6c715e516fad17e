"""Observations of accounts for the 12-month PD: what was known on a day, and what happened in the year after.

One row per account and month-end (or quarter-end). Signals come from `engine.compute` with only the facts known
that day; the outcome may use what became known later, up to the label view. An account counts on a day when it was
not in default (as known then, or as known since), had business in the last twelve months or something overdue, and
its ledger is complete for the whole year after. Windows of one customer overlap: rows are no independent
evidence, so folds, intervals and event counts go by customer.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.db.models import Min, Sum
from numpy.typing import NDArray

from creditdesk.core.audit import Actor
from creditdesk.core.dates import month_end
from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import exponent
from customers.bank.access import log_study
from customers.completeness import complete_through_all
from customers.models import Allocation, CreditAccount, DocumentKind, Instalment
from scoring.bygone import Told
from scoring.engine import compute
from scoring.fitting.columns import Column, Columns, joined, small
from scoring.fitting.materiality import Materiality
from scoring.fitting.measures import Floats
from scoring.fitting.outcomes import Cause, Default, accounts_of, default_episodes
from scoring.invoices.ledger import lot
from scoring.models import Depth
from scoring.signals import SIGNALS
from scoring.statement import Scope
from scoring.stored import values_of

HORIZON_MONTHS = 12
LEAST_HISTORY_DAYS = 180
"""How much ledger must lie before an observation."""
ACTIVE_DAYS = 365
MOST_ROWS = 200_000
"""About so many observations at most are learned from: more hardly narrow what is told, and would not fit in memory."""
RANGE = 5_000
"""Accounts read at once: as Python objects a row of the statement takes some thousand bytes."""
MONTHLY_UP_TO = 12
"""With more month-ends than this, quarter-ends: their windows overlap less and say nearly as much."""

Ints = NDArray[np.int64]


def horizon_of(day: date, months: int = HORIZON_MONTHS) -> date:
    """The day `months` later; a month-end stays one."""
    total = day.year * 12 + day.month - 1 + months
    year, month = total // 12, total % 12 + 1
    last = monthrange(year, month)[1]
    return date(year, month, last if day == month_end(day) else min(day.day, last))


def month_ends(first: date, last: date) -> list[date]:
    """Every month-end from `first` to `last`, both inclusive."""
    found, day = [], month_end(first)
    while day <= last:
        found.append(day)
        day = month_end(day + timedelta(days=1))
    return found


def observation_days(first_document: date | None, known_through: date | None) -> list[date]:
    """Month-ends with enough ledger before them and a complete year after; quarter-ends when there are many."""
    if first_document is None or known_through is None:
        return []
    days = [
        day
        for day in month_ends(first_document + timedelta(days=LEAST_HISTORY_DAYS), known_through)
        if horizon_of(day) <= known_through
    ]
    if len(days) > MONTHLY_UP_TO:
        # Counted back from the last, so that the newest year of outcomes is always used.
        days = days[::-1][::3][::-1]
    return days


def ledger_span() -> tuple[date | None, date | None]:
    """First document of the ledger, and the last day to which any company's ledger is complete."""
    first = Instalment.objects.filter(kind=DocumentKind.INVOICE).aggregate(day=Min("effective_on"))["day"]
    complete = [day for day in complete_through_all().values() if day is not None]
    return first, max(complete, default=None)


@dataclass(frozen=True)
class Observations:
    """Rows in order of day and account; `values` reads as rows x signals, NaN where missing.

    bad: 1 when a default follows within the year. score, pd: of the card in use, as known that day. exposure: open
    invoices in major units of the account's currency. loss: what the default was about, in the same units.
    """

    signals: tuple[str, ...]
    values: Columns | Floats
    account: Ints
    customer: Ints
    day: Ints
    bad: Floats
    score: Floats
    pd: Floats
    thin: NDArray[np.bool_]
    exposure: Floats
    loss: Floats
    days: tuple[date, ...]
    causes: dict[str, int]

    @property
    def rows(self) -> int:
        return int(self.bad.size)

    @property
    def customers(self) -> int:
        return int(np.unique(self.customer).size)

    @property
    def bad_customers(self) -> int:
        """Customers with at least one default: the number of independent events."""
        return int(np.unique(self.customer[self.bad > 0]).size)

    def column(self, signal: str) -> Floats:
        found: Floats = self.values[:, self.signals.index(signal)]
        return found

    def take(self, chosen: NDArray[Any]) -> Observations:
        """The rows of a mask or of positions; `days` and `causes` stay those of the whole."""
        names = ("values", "account", "customer", "day", "bad", "score", "pd", "thin", "exposure", "loss")
        parts = {name: getattr(self, name)[chosen] for name in names}
        return Observations(signals=self.signals, days=self.days, causes=self.causes, **parts)


def observe(
    days: Sequence[date],
    *,
    labels: View = CURRENT,
    materiality: Materiality | None = None,
    scope: Scope | None = None,
    reader: Actor | None = None,
) -> Observations:
    """The observations of these days. `labels`: which knowledge tells the outcomes, reader: who reads bank data.

    A handful of queries per day and range of accounts. The book is read range by range and kept as small columns, so
    memory grows with the observations only; of a book with more than about MOST_ROWS of them whole customers are drawn
    (always the same ones), with all of their days. Raises NoActiveCard, MissingRate.
    """
    scope = scope or Scope.everyone()
    days = sorted(days)
    if days:
        log_study(reader=reader or Actor.job("learning from the past"), days=[min(days), max(days)])
    customers = _Customers.read(len(days))
    rows, told = _Rows(), Told()
    causes: dict[int, Default] = {}
    for some in customers.scopes(scope) if days else ():
        last = max(horizon_of(day) for day in days)
        episodes = default_episodes(last, labels, materiality=materiality, scope=some)
        for day in days:
            then = default_episodes(day, View(known_at=day), materiality=materiality, scope=some)
            out = episodes.already_in(day) | then.already_in(day)
            found = episodes.between(day, horizon_of(day))
            complete = episodes.complete_for(horizon_of(day))
            opened = open_amounts(day, View(known_at=day), some)
            for row in compute(day, some, View(known_at=day), told=told):
                if row.account_id in out or row.account_id not in complete:
                    continue
                values = values_of(row)
                if not is_active(values):
                    continue
                default = found.get(row.account_id)
                exposure = opened.get(row.account_id, 0.0)
                rows.add(
                    (
                        row.account_id,
                        customers.of(row.account_id),
                        day.toordinal(),
                        default is not None,
                        row.score,
                        float(row.pd),
                        row.depth != Depth.FULL,
                        exposure,
                        _loss(default, exposure),
                    ),
                    [values.get(s.name) for s in SIGNALS],
                )
                if default is not None:
                    causes[row.account_id] = default
    return _stacked(rows, days, causes.values())


@dataclass(frozen=True, slots=True)
class _Customers:
    """The accounts to be read, in order, and whose they are; `whole` where none was left out."""

    account: Ints
    customer: Ints
    whole: bool

    @classmethod
    def read(cls, days: int) -> _Customers:
        pairs = CreditAccount.objects.order_by("pk").values_list("pk", "customer_id")
        account, customer = (
            np.fromiter(
                (number for pair in pairs.iterator(chunk_size=20_000) for number in pair), dtype=np.int64
            )
            .reshape(-1, 2)
            .T
        )
        share = MOST_ROWS / max(account.size * days, 1)
        if share >= 1:
            return cls(account, customer, True)
        chosen = lot(customer) < share
        return cls(account[chosen], customer[chosen], False)

    def of(self, account: int) -> int:
        return int(self.customer[np.searchsorted(self.account, account)])

    def scopes(self, scope: Scope) -> Iterator[Scope]:
        """Ranges or lists of the accounts; a scope somebody asked for stays as it is."""
        if scope.shape != "all" or (self.whole and self.account.size <= RANGE):
            yield scope
            return
        for low in range(0, self.account.size, RANGE):
            some = self.account[low : low + RANGE]
            yield Scope.between(int(some[0]), int(some[-1])) if self.whole else Scope.of(some.tolist())


class _Rows:
    """Observations as they come, put into columns by the thousand: as Python objects they take twenty times the room."""

    def __init__(self) -> None:
        self._facts: list[tuple[Any, ...]] = []
        self._values: list[list[Any]] = []
        self._parts: list[Floats] = []
        self._columns: list[list[Column]] = [[] for _signal in SIGNALS]

    def add(self, facts: tuple[Any, ...], values: list[Any]) -> None:
        self._facts.append(facts)
        self._values.append(values)
        if len(self._facts) >= 2000:
            self._pack()

    def _pack(self) -> None:
        if self._facts:
            self._parts.append(np.array(self._facts, dtype=np.float64))
            for parts, column in zip(self._columns, np.array(self._values, dtype=np.float64).T, strict=True):
                parts.append(small(column))
            self._facts, self._values = [], []

    def arrays(self) -> tuple[Floats, Columns]:
        """(rows x 9 facts, rows x signals) in order of day and account; lets go of its parts as they are copied."""
        self._pack()
        sizes = [len(part) for part in self._parts]
        facts = np.concatenate(self._parts) if self._parts else np.empty((0, 9))
        order = np.lexsort((facts[:, 0], facts[:, 2]))
        columns: list[Column] = []
        for parts in self._columns:
            column = joined(parts, sizes)
            columns.append(None if column is None else column[order])
            parts.clear()
        return facts[order], Columns(columns, int(order.size))


def is_active(values: dict[str, Any]) -> bool:
    """Whether an account had business in the last twelve months, or something overdue."""
    since = values["days_since_invoice"]
    return (since is not None and since <= ACTIVE_DAYS) or (values["oldest_overdue_days"] or 0) > 0


def _loss(default: Default | None, exposure: float) -> float:
    """An insolvency loses what is open on the day of observation: the ledger names no other amount."""
    if default is None:
        return 0.0
    return exposure if default.cause == Cause.INSOLVENCY else _major(default.amount, default.currency)


def _major(minor: int, currency: str) -> float:
    return minor / 10 ** exponent(currency)


def open_amounts(as_of: date, view: View, scope: Scope | None = None) -> dict[int, float]:
    """Open invoices per account on a day, in major units of the account's currency; two queries."""
    whose = accounts_of(scope or Scope.everyone(), "account")
    billed = (
        Instalment.objects.filter(view.q(), whose, kind=DocumentKind.INVOICE, effective_on__lte=as_of)
        .order_by()
        .values_list("account_id", "account__currency")
        .annotate(total=Sum("account_amount"))
    )
    settled = dict(
        Allocation.objects.filter(view.q(), whose, effective_on__lte=as_of, instalment__isnull=False)
        .order_by()
        .values_list("account_id")
        .annotate(total=Sum("account_amount"))
    )
    return {
        pk: max(_major(int(total) - int(settled.get(pk, 0)), currency), 0.0) for pk, currency, total in billed
    }


def _stacked(rows: _Rows, days: Sequence[date], defaults: Iterable[Default]) -> Observations:
    facts, values = rows.arrays()
    counts: dict[str, int] = {}
    for default in defaults:
        counts[default.cause] = counts.get(default.cause, 0) + 1
    return Observations(
        signals=tuple(s.name for s in SIGNALS),
        values=values,
        account=facts[:, 0].astype(np.int64),
        customer=facts[:, 1].astype(np.int64),
        day=facts[:, 2].astype(np.int64),
        bad=facts[:, 3].copy(),
        score=facts[:, 4].copy(),
        pd=facts[:, 5].copy(),
        thin=facts[:, 6] > 0,
        exposure=facts[:, 7].copy(),
        loss=facts[:, 8].copy(),
        days=tuple(days),
        causes=counts,
    )
