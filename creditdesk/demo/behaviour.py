"""How a customer buys and pays over the months: a plan, and the ledger it leaves behind, dirt included.

The dirt of real life: short pays and their small write-offs, part payments, disputes with credit notes, credit
and rebill, corrected documents, bounced direct debits and RiBa, cash on the wrong account, cash booked late,
payments made twice, cash not applied yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from .accounts import AccountLedger
from .days import month_end, month_of, month_start, on_business_day
from .papers import Cash, Doc, Part

# (rng, issued day, due day) -> calendar days late (negative: early), None: never paid.
Lateness = Callable[[Random, int, int], int | None]


@dataclass(frozen=True, slots=True)
class Dirt:
    """Chances, per instalment (or document), that something is not as it should be."""

    short: float = 0.015
    part: float = 0.02
    dispute: float = 0.02
    rebill: float = 0.006
    corrected: float = 0.004
    wrong_account: float = 0.004
    booked_late: float = 0.015
    paid_twice: float = 0.004
    bounce: float = 0.0
    promise: float = 0.2


CLEAN = Dirt(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Buying and paying of one account. Amounts in minor units of the account's currency."""

    per_month: float
    amount: int
    late: Lateness
    terms: int = 30
    end_of_month: bool = False
    spread: float = 0.45
    months: int = 24
    stop_months_ago: int = 0
    season: tuple[float, ...] = (1.0,) * 12
    growth: float = 0.0
    instalments: int = 1
    instrument: str = "transfer"
    weekly_run: bool = False
    dirt: Dirt = field(default_factory=Dirt)
    write_off_after: int = 0
    foreign: str = ""
    foreign_share: float = 0.0
    # Days later than usual what came by paper is paid, and days earlier what came electronically (sending.py).
    by_post: int = 0

    def dirty(self, **chances: float) -> Plan:
        return replace(self, dirt=replace(self.dirt, **chances))


def punctual(mean: float = -1.0, spread: float = 2.5) -> Lateness:
    return lambda rng, _issued, _due: round(rng.gauss(mean, spread))


def slow(mean: float, spread: float) -> Lateness:
    return lambda rng, _issued, _due: max(round(rng.gauss(mean, spread)), -10)


def drifting(start: float, end: float, since: int, until: int, spread: float = 4.0) -> Lateness:
    """Days late grow (or fall) steadily between two days, on the due date."""

    def late(rng: Random, _issued: int, due: int) -> int:
        share = min(max((due - since) / max(until - since, 1), 0.0), 1.0)
        return max(round(rng.gauss(start + (end - start) * share, spread)), -10)

    return late


def stops_paying(before: Lateness, on: int) -> Lateness:
    """Pays as before what it would pay until that day, then nothing."""

    def late(rng: Random, issued: int, due: int) -> int | None:
        days = before(rng, issued, due)
        return None if days is None or due + days >= on else days

    return late


def late_in_months(months: frozenset[int], late_days: Lateness, otherwise: Lateness) -> Lateness:
    """Seasonal: what falls due in these months is paid late."""

    def late(rng: Random, issued: int, due: int) -> int | None:
        return (late_days if month_of(due) in months else otherwise)(rng, issued, due)

    return late


@dataclass(slots=True)
class Story:
    """The life of one account while it is told: its ledger, its plan and what was planned for each part."""

    ledger: AccountLedger
    plan: Plan
    rng: Random
    neighbour: int | None = None
    collector: int | None = None
    docs: list[Doc] = field(default_factory=list)
    payday: dict[int, int | None] = field(default_factory=dict)
    runs: dict[tuple[int, str, str], list[tuple[Part, int]]] = field(default_factory=dict)

    def tell(self) -> None:
        """Issue every invoice of the plan, let it be paid or not, then book the payment runs."""
        for issued, amount in self._issues():
            self.live(issued, amount)
        self.book_runs()

    def _issues(self) -> list[tuple[int, int]]:
        plan, rng, world = self.plan, self.rng, self.ledger.world
        issues = []
        for back in range(plan.months, plan.stop_months_ago - 1, -1):
            first = month_start(world.as_of, back)
            rate = plan.per_month * plan.season[month_of(first) - 1]
            rate *= (1 + plan.growth) ** ((24 - back) / 12)
            for _n in range(int(rate + rng.random())):
                day = on_business_day(first + rng.randrange(27), self.ledger.country)
                amount = max(int(plan.amount * rng.lognormvariate(0, plan.spread)), 5)
                if world.start <= day <= world.complete:
                    issues.append((day, amount))
        return sorted(issues)

    # One document's life

    def live(self, issued: int, amount: int) -> Doc:
        rng, dirt, ledger = self.rng, self.plan.dirt, self.ledger
        currency = ledger.currency
        if self.plan.foreign and rng.random() < self.plan.foreign_share:
            currency = self.plan.foreign
        draw = rng.random()
        doc = ledger.post(issued, self.terms(issued, amount), currency=currency)
        if draw < dirt.rebill and ledger.happens(issued + 12):
            return self._credit_and_rebill(doc, issued + rng.randint(5, 12))
        if draw < dirt.rebill + dirt.corrected and ledger.happens(issued + 4):
            wrong, doc = doc, ledger.correct(doc, issued + 4, self.terms(issued, amount + amount // 20))
            self.docs.append(wrong)
        self.docs.append(doc)
        for part in doc.parts:
            self._part(doc, part)
        return doc

    def terms(self, issued: int, amount: int) -> list[tuple[int, int]]:
        """Due days and amounts of a document issued that day under the plan's terms."""
        base = month_end(issued) if self.plan.end_of_month else issued
        count = self.plan.instalments if amount > 20000 else 1
        each = amount // count
        return [
            (base + self.plan.terms + 30 * i, each if i else amount - each * (count - 1))
            for i in range(count)
        ]

    def _credit_and_rebill(self, wrong: Doc, on: int) -> Doc:
        note = self.ledger.post(on, [(on, wrong.amount)], kind="credit_note", currency=wrong.currency)
        for part in wrong.parts:
            self.ledger.credit(note, part, part.amount, on)
        again = self.ledger.post(
            on, self.terms(on, wrong.amount - wrong.amount // 8), currency=wrong.currency
        )
        self.docs += [wrong, note, again]
        for part in again.parts:
            self._part(again, part)
        return again

    def _part(self, doc: Doc, part: Part) -> None:
        rng, plan = self.rng, self.plan
        days = plan.late(rng, doc.issued, part.due)
        if days is None:
            self.payday[part.id] = None
            self._give_up(doc, part)
            return
        days += self.ledger.sending.delay(doc.issued, plan.by_post)
        day = on_business_day(max(part.due + days, doc.known + 1), self.ledger.country)
        if plan.weekly_run:
            # Pays once a week, on the day after next Wednesday's run.
            day = on_business_day(day + (3 - (day + 6) % 7) % 7, self.ledger.country)
        self.payday[part.id] = day
        draw, dirt = rng.random(), plan.dirt
        for chance, fate in (
            (dirt.dispute, self._disputed),
            (dirt.bounce, self._bounced),
            (dirt.short, self._short),
            (dirt.part, self._in_parts),
            (dirt.wrong_account, self._on_wrong_account),
            (dirt.booked_late, self._booked_late),
            (dirt.paid_twice, self._paid_twice),
        ):
            draw -= chance
            if draw < 0:
                fate(doc, part, day)
                return
        self.pay(doc, part, part.amount, day)

    def pay(self, doc: Doc, part: Part, amount: int, day: int, instrument: str = "") -> None:
        """Put it into the payment run of that day, when that day has come."""
        if amount > 0 and self.ledger.happens(day):
            key = (day, instrument or self.plan.instrument, doc.currency)
            self.runs.setdefault(key, []).append((part, amount))

    # Fates

    def _disputed(self, doc: Doc, part: Part, day: int) -> None:
        rng, ledger = self.rng, self.ledger
        on = min(doc.issued + rng.randint(4, 25), part.due + 8)
        disputed = max(part.amount * rng.choice((8, 12, 20, 35, 50)) // 100, 1)
        closed = on_business_day(on + rng.randint(12, 75), ledger.country)
        upheld = rng.random() < 0.6
        if not ledger.happens(on):
            self.pay(doc, part, part.amount, day)
            return
        ledger.dispute(
            doc,
            [(part, disputed)],
            on,
            reason=rng.choice(("price", "quantity", "quality", "delivery", "not_received")),
            by=self.collector,
            answer_by=on + 14,
            closed=closed,
            outcome="upheld" if upheld else "rejected",
        )
        self.pay(doc, part, part.amount - disputed, day)
        if upheld and ledger.happens(closed):
            note = ledger.post(closed, [(closed, disputed)], kind="credit_note", currency=doc.currency)
            ledger.credit(note, part, disputed, closed)
            self.docs.append(note)
        elif not upheld:
            later = on_business_day(max(day, closed) + rng.randint(4, 20), ledger.country)
            self.pay(doc, part, disputed, later)

    def _bounced(self, doc: Doc, part: Part, day: int) -> None:
        rng, ledger = self.rng, self.ledger
        back = on_business_day(day + rng.randint(3, 7), ledger.country)
        if not ledger.happens(day):
            return
        cash = self._receive(doc, part.amount, day)
        ledger.allocate(cash, part, part.amount)
        if ledger.happens(back):
            ledger.give_back(cash, back)
            again = on_business_day(back + rng.randint(12, 45), ledger.country)
            self.payday[part.id] = again
            self.pay(doc, part, part.amount, again, "transfer")

    def _short(self, doc: Doc, part: Part, day: int) -> None:
        missing = min(self.rng.randint(150, 3500), part.amount // 20)
        self.pay(doc, part, part.amount - missing, day)
        on = on_business_day(day + self.rng.randint(15, 50), self.ledger.country)
        if missing > 0 and self.ledger.happens(on):
            self.ledger.write_off(doc, part, missing, on, small=True, reason="small_difference")

    def _in_parts(self, doc: Doc, part: Part, day: int) -> None:
        first = part.amount * self.rng.choice((30, 40, 50, 60)) // 100
        self.pay(doc, part, first, day)
        later = on_business_day(day + self.rng.randint(14, 45), self.ledger.country)
        self.pay(doc, part, part.amount - first, later)

    def _on_wrong_account(self, doc: Doc, part: Part, day: int) -> None:
        if self.neighbour is None:
            self.pay(doc, part, part.amount, day)
        else:
            self.wrong_account(doc, part, day, self.rng.randint(4, 18))

    def wrong_account(self, doc: Doc, part: Part, day: int, days: int) -> None:
        """The cash is booked on the neighbour's account and moved some days later."""
        ledger = self.ledger
        if not ledger.happens(day):
            return
        cash = self._receive(doc, part.amount, day, account=self.neighbour)
        moved = on_business_day(day + days, ledger.country)
        if ledger.happens(moved):
            ledger.allocate(ledger.move(cash, moved), part, part.amount)

    def _booked_late(self, doc: Doc, part: Part, day: int) -> None:
        known = on_business_day(day + self.rng.randint(5, 20), self.ledger.country)
        if self.ledger.happens(day, known):
            cash = self._receive(doc, part.amount, day, known=known)
            self.ledger.allocate(cash, part, part.amount)

    def _paid_twice(self, doc: Doc, part: Part, day: int) -> None:
        rng, ledger = self.rng, self.ledger
        self.pay(doc, part, part.amount, day)
        again = on_business_day(day + rng.randint(2, 9), ledger.country)
        back = on_business_day(again + rng.randint(20, 60), ledger.country)
        if ledger.happens(again):
            cash = self._receive(doc, part.amount, again)
            if ledger.happens(back):
                ledger.refund(cash, cash.open, back)

    def _give_up(self, doc: Doc, part: Part) -> None:
        after = self.plan.write_off_after
        on = on_business_day(part.due + after, self.ledger.country)
        if after and part.open and self.ledger.happens(on):
            self.ledger.write_off(doc, part, part.open, on, small=False, reason="uncollectable")

    # Cash

    def _receive(
        self,
        doc: Doc,
        amount: int,
        day: int,
        *,
        known: int | None = None,
        account: int | None = None,
        instrument: str = "",
    ) -> Cash:
        instrument = instrument or self.plan.instrument
        bill = instrument in {"riba", "bill", "pagare"}
        return self.ledger.receive(
            day,
            amount,
            known=known,
            account=account,
            currency=doc.currency,
            instrument=instrument,
            matures=day if bill else None,
            safe=day + 10 if bill else None,
        )

    def book_runs(self) -> None:
        """One payment per day, instrument and currency; the newest are not always applied yet."""
        ledger, rng = self.ledger, self.rng
        fresh = ledger.world.complete - 2
        for (day, instrument, currency), parts in sorted(self.runs.items(), key=lambda item: item[0]):
            bill = instrument in {"riba", "bill", "pagare"}
            cash = ledger.receive(
                day,
                sum(amount for _part, amount in parts),
                currency=currency,
                instrument=instrument,
                matures=day if bill else None,
                safe=day + 10 if bill else None,
            )
            if day >= fresh and rng.random() < 0.2:
                continue
            for part, amount in parts:
                ledger.allocate(cash, part, amount)
        self.runs = {}

    def promises(self) -> None:
        """Promises that the collector took on late parts, most for a day near the one it was paid."""
        rng, ledger = self.rng, self.ledger
        busy_until = 0
        for doc in self.docs:
            if doc.superseded_known or doc.kind != "invoice":
                continue
            for part in doc.parts:
                given = on_business_day(part.due + rng.randint(8, 20), ledger.country)
                wanted = rng.random() < self.plan.dirt.promise
                if not wanted or given <= busy_until or not ledger.happens(given):
                    continue
                left = part.open_at(given)
                if left <= 0 or left < part.amount // 10:
                    continue
                day = self.payday.get(part.id)
                near = day is not None and day > given and rng.random() < 0.75
                due = day + rng.randint(-1, 2) if near and day else given + rng.randint(4, 12)
                busy_until = due = max(on_business_day(min(due, given + 30), ledger.country), given)
                ledger.promise(
                    [(part, left)], given, due, by=self.collector, currency=doc.currency, given_by=""
                )
