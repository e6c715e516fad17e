"""Why one invoice is expected when it is: on the day of issue, today, and what became of it.

The very estimate the customer page shows, with the lines it is made of. Whatever became known after a day plays no
part on it, and the card is the one that was in use that day: where there was none, nothing was estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from creditdesk.core.facts import CURRENT
from customers.completeness import complete_through_all
from customers.models import DocumentKind, Instalment, SettledBy
from scoring.fitting.measures import Floats
from scoring.invoices.card import THIN, Target
from scoring.invoices.cards import Use, uses
from scoring.invoices.estimates import BOOK_HOURS, InvoiceEstimate, book_drift, book_levels, levels_then
from scoring.invoices.history import BookLevels, History, Moment
from scoring.invoices.ledger import Days, Ledger
from scoring.invoices.load import load_ledger
from scoring.invoices.points import DOUBLING, Points, points_of
from scoring.invoices.wording import Told, event, label, sentence
from scoring.models import InvoiceCard

STRONGEST = 5
LATELY = 180


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the points: positive makes late payment likelier."""

    code: str
    label: str
    sentence: str
    points: int
    odds: float


@dataclass(frozen=True, slots=True)
class Chance:
    """One of the three chances, with what it is made of; `lines` empty where it is certain (`happened`)."""

    target: int
    value: float
    points: Points | None
    lines: tuple[Line, ...]

    @property
    def event(self) -> str:
        return event(self.target)

    @property
    def happened(self) -> bool:
        return self.points is None

    @property
    def total(self) -> int:
        return self.points.total if self.points else 0

    @property
    def base(self) -> Line | None:
        return next((line for line in self.lines if line.code == "base"), None)

    @property
    def level(self) -> Line | None:
        return next((line for line in self.lines if line.code == "level_now"), None)

    @property
    def raising(self) -> tuple[Line, ...]:
        return self._strongest(1)

    @property
    def lowering(self) -> tuple[Line, ...]:
        return self._strongest(-1)

    @property
    def others(self) -> int:
        shown = [*self.raising, *self.lowering, self.base, self.level]
        return self.total - sum(line.points for line in shown if line)

    @property
    def raised(self) -> int:
        return sum(line.points for line in self.raising)

    @property
    def lowered(self) -> int:
        return sum(line.points for line in self.lowering)

    @property
    def odds(self) -> float:
        return sum(self.points.lines.values()) if self.points else 0.0

    def _strongest(self, sign: int) -> tuple[Line, ...]:
        ours = [x for x in self.lines if x.points * sign > 0 and x.code not in {"base", "level_now"}]
        return tuple(sorted(ours, key=lambda x: (-abs(x.points), x.code))[:STRONGEST])


@dataclass(frozen=True, slots=True)
class Seen:
    """The estimate on one day. on: the day its knowledge ends; chances: late, > 15, > 30 days."""

    on: date
    estimate: InvoiceEstimate
    chances: tuple[Chance, ...]

    @property
    def main(self) -> Chance:
        """The nearest chance that is still open: the one there is something to explain about."""
        return next((c for c in self.chances if not c.happened), self.chances[-1])


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the invoice. late: days after the due date (negative: early); None: no cash settled it.

    against: "sooner", "within" or "later" than the range expected on the day of issue; "" without an estimate.
    """

    on: date
    by: str
    late: int | None
    against: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceExplanation:
    """at_issue, now: None where there is no estimate for that day (now: of a settled invoice).

    card: in use today; then: the one in use on the day of issue, None where there was none.
    decided, lately: invoices of the payer decided so far, and of the last 180 days: how deep its record is.
    complete_through: nobody is late beyond it. kept_hours: age at most of what the whole book tells.
    """

    card: InvoiceCard
    then: Use | None
    at_issue: Seen | None
    now: Seen | None
    settled: Settled | None
    decided: int
    lately: int
    complete_through: date | None
    kept_hours: int = BOOK_HOURS
    doubling: int = DOUBLING

    @property
    def is_thin(self) -> bool:
        return self.decided < THIN

    @property
    def seen(self) -> Seen | None:
        return self.now or self.at_issue


def explain_invoice(row: Instalment, as_of: date, using: str = "default") -> InvoiceExplanation | None:
    """Everything about one instalment of an invoice, seen at the end of `as_of`; None without a card in use.

    row: with its account. A fixed number of queries; what the whole book tells is kept for some hours.
    """
    used = uses(using)
    if not used or row.kind != DocumentKind.INVOICE:
        return None
    current = used[-1]
    ledger = load_ledger([row.account_id], CURRENT, using)
    places = np.flatnonzero((ledger.row == row.pk) & (ledger.until > ledger.known))
    if not places.size:
        return None
    complete = complete_through_all([row.company_id]).get(row.company_id)
    looker = _Looker(current, ledger, row.account.currency, using)
    issued, known = (int(values[places[0]]) for values in (ledger.issued, ledger.known))
    first = date.fromordinal(max(issued, known))
    then = next((use for use in reversed(used) if use.first <= first), None)
    at_issue = None
    if then is not None and first <= as_of:
        past = _Looker(then, ledger, row.account.currency, using)
        at_issue = past.at(places, first, levels_then(first, using))
    today = max(min(as_of, complete or as_of), row.effective_on)
    book = min(as_of, complete) if complete else as_of
    now = looker.at(places, today, book_levels(as_of, using), drift_on=book) if row.open_amount else None
    decided, lately = looker.depth(int(places[-1]), today)
    return InvoiceExplanation(
        card=current.card,
        then=then,
        at_issue=at_issue,
        now=now,
        settled=_settled(row, at_issue),
        decided=decided,
        lately=lately,
        complete_through=complete,
    )


class _Looker:
    """Asks a card of one account's ledger about one row of it on any day."""

    def __init__(self, use: Use, ledger: Ledger, currency: str, using: str) -> None:
        self.model, self.version, self.ledger, self.using = use.model(using), use.card.version, ledger, using
        self.currency = currency

    def at(self, places: Days, on: date, book: BookLevels, *, drift_on: date | None = None) -> Seen | None:
        """The row as known on a day, with what the whole book tells then; drift_on: of another day, its drift."""
        day, led = on.toordinal(), self.ledger
        alive = [int(p) for p in places if led.known[p] <= max(day, led.issued[p]) and led.until[p] > day]
        if not alive:
            return None
        place = alive[-1]
        history = History(led, book)
        seen = Moment(led.account[[place]], np.array([day]), np.array([place]))
        levels = book_drift(self.version, self.model, drift_on or on, self.using)
        said = self.model.estimate(history, seen, levels)
        values = {0: said.late, 15: said.late_15, 30: said.late_30}
        chances = [
            self._chance(history, seen, points, target, float(value[0]), on)
            for target, value in values.items()
            for points in [points_of(self.model, history, seen, levels, target, float(value[0]))]
        ]
        least, due = day + 1, int(led.due[place])

        def reached(days: Floats) -> date:
            return date.fromordinal(int(max(due + days[0], least)))

        estimate = InvoiceEstimate(
            p_late=float(said.late[0]),
            p_late_15=float(said.late_15[0]),
            p_late_30=float(said.late_30[0]),
            days_late=float(said.days_late[0]),
            expected_on=reached(said.p50),
            earliest_on=reached(said.p10),
            latest_on=reached(said.p90),
            card=self.version,
        )
        return Seen(on, estimate, tuple(chances))

    def _chance(
        self, history: History, seen: Moment, points: Points | None, target: int, value: float, on: date
    ) -> Chance:
        if points is None:
            return Chance(target, value, None, ())
        told = Told(self._target(points), history, seen, on, self.currency, points.left)
        lines = tuple(
            Line(code, label(code), sentence(code, told), whole, points.lines[code])
            for code, whole in points.points.items()
            if whole or code in {"base", "level_now"}
        )
        return Chance(target, value, points, lines)

    def _target(self, points: Points) -> Target:
        targets = self.model.unpaid if points.overdue else self.model.issue
        target = next(t for t in targets if t.days == points.target)
        while target.priors is None:
            target = next(t for t in targets if t.days == target.scaled_from)
        return target

    def depth(self, place: int, on: date) -> tuple[int, int]:
        """The payer's invoices decided by a day, and those of them fallen due in the last LATELY days."""
        led, day = self.ledger, on.toordinal()
        told = (led.known <= day) & (led.until > day) & (led.closed_known > day)
        decided = told & ((led.paid_known <= day) | (led.due < day))
        decided[place] = False
        return int(decided.sum()), int((decided & (led.due > day - LATELY)).sum())


def _settled(row: Instalment, at_issue: Seen | None) -> Settled | None:
    if row.open_amount or row.settled_on is None:
        return None
    by = str(SettledBy(row.settled_by).label)
    if row.settled_by != SettledBy.CASH:
        return Settled(row.settled_on, by, None)
    against = ""
    if at_issue:
        said = at_issue.estimate
        sooner, later = row.settled_on < said.earliest_on, row.settled_on > said.latest_on
        against = "sooner" if sooner else "later" if later else "within"
    return Settled(row.settled_on, by, (row.settled_on - row.due_on).days, against)
