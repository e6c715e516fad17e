"""What would lift a score, computed and not guessed.

Two kinds of answers. The card's own: the next better bin of each signal and what it is worth. And the ledger's:
payments are really posted in a transaction that is always rolled back, and the one statement that scores everybody
scores the account again. So the answer is exact, promises kept and disputes included, and needs no second
definition of any signal; nothing is stored, and nobody is told.

Seen months ahead, the ledger and the calendar move; what is known from elsewhere (bank flows, agencies, accounts, supplier days,
group, sector) stays as it is today. Otherwise it would go stale meanwhile, and its absence would pass for an effect of
paying.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby

from django.core.cache import cache
from django.db import transaction

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.bank.access import log_computed
from customers.completeness import complete_through
from customers.ledger import allocate_payment, post_payment
from customers.models import CreditAccount, DocumentKind, ImportBatch, Instalment, Source
from scoring.bank_right import NOTHING_ENDED, Ended, Reader, is_withheld
from scoring.card import Card, active_cards, card_by_id
from scoring.decision import recommend
from scoring.engine import compute
from scoring.explain import Explanation, Item
from scoring.models import AccountScore, DirtyAccount
from scoring.signals import SIGNALS, WORSE
from scoring.signals.base import Family
from scoring.statement import Scope
from scoring.stored import values_of

_ACTOR = Actor.job("what would lift it")
MOST_INVOICES = 12
"""Paying is tried invoice by invoice up to here or to a better grade, then all at once: a row lock is held meanwhile."""
FROM_ELSEWHERE = frozenset(
    signal.name
    for signal in SIGNALS
    if signal.family
    in (Family.BANK, Family.BUREAU, Family.ACCOUNTS, Family.WEAK, Family.GROUP, Family.SECTOR)
)
AHEAD = timedelta(days=90)
KEPT_SECONDS = 3600
PURPOSE = "what would lift the score"


@dataclass(frozen=True, slots=True)
class BetterBin:
    """Reaching the next better bin of a signal is worth `points`. bound: at most (below) or at least it."""

    item: Item
    bound: Decimal
    below: bool
    points: int


@dataclass(frozen=True, slots=True)
class IfPaid:
    """The score when these overdue invoices were paid on `paid_on`, oldest first; seen on `day`."""

    instalments: tuple[Instalment, ...]
    amount: Money
    paid_on: date
    day: date
    score: int
    grade: str
    recommendation: str


@dataclass(frozen=True, slots=True)
class WouldLift:
    """better_bins: by worth. next_grade: the fewest oldest invoices whose payment reaches a better grade, if any.
    all_paid: everything overdue paid now. on_time: besides, all that is open comes on its due day, seen AHEAD.
    """

    score: int
    grade: str
    better_bins: tuple[BetterBin, ...]
    next_grade: IfPaid | None
    all_paid: IfPaid | None
    on_time: IfPaid | None
    insolvent: bool = False

    def for_reader(self, user: Reader, *, ended: Ended = NOTHING_ENDED) -> WouldLift:
        """Without the bins of signals whose figures the user may not see; ended: see `ended_for`."""
        kept = (one for one in self.better_bins if not is_withheld(one.item.name, user, ended))
        return replace(self, better_bins=tuple(kept))


def better_bins(explanation: Explanation, card: Card) -> list[BetterBin]:
    """For each signal with a value, the nearest bin that earns more points; most worth first.

    Open proceedings are left out: they are no figure to work on, and the grade hangs on them and not on their points.
    """
    found = []
    for item in explanation.items:
        bins = card.bins.get(item.name)
        if item.value is None or not bins or item.name == "insolvent":
            continue
        place = next(n for n, b in enumerate(bins) if b.holds(Decimal(str(item.value))))  # type: ignore[arg-type]
        way = -1 if item.signal.higher_is == WORSE else 1
        better = place + way
        while 0 <= better < len(bins) and bins[better].points <= item.points:
            better += way
        if not 0 <= better < len(bins):
            continue
        bound = bins[better].upper if way < 0 else bins[better].lower
        if bound is not None:
            found.append(BetterBin(item, bound, way < 0, bins[better].points - item.points))
    return sorted(found, key=lambda b: (-b.points, b.item.name))


def would_lift(
    explanation: Explanation, row: AccountScore, as_of: date, *, reader: Actor, kept: bool = False
) -> WouldLift:
    """Everything this module knows about one account at a date, told to `reader`; see WouldLift. kept: what was tried
    of this very score an hour ago at most is told again.

    Takes the account's row locks for the moment it takes, and always rolls back. That bank lines were read for it
    stays in their log.
    """
    card = card_by_id(row.card_id)
    log_computed(row.account, reader=reader, purpose=PURPOSE, days=[as_of, as_of + AHEAD])
    steps, on_time = (_kept if kept else _simulated)(row, as_of, card)
    better = next((step for step in steps if step.grade < explanation.grade), None)
    last = steps[-1] if steps else None
    return WouldLift(
        score=explanation.score,
        grade=explanation.grade,
        better_bins=tuple(better_bins(explanation, card)),
        next_grade=better if better is not last else None,
        all_paid=last,
        on_time=on_time,
        insolvent=explanation.insolvent,
    )


def _kept(row: AccountScore, as_of: date, card: Card) -> tuple[list[IfPaid], IfPaid | None]:
    """`_simulated` of a score that nothing has touched since, from the cache where it is there.

    A stamp is never given twice; a change of the ledger marks the account until it is scored anew.
    """
    if DirtyAccount.objects.filter(account=row.account_id).exists():
        return _simulated(row, as_of, card)
    complete = complete_through(row.account.company_id)
    key = f"would-lift:{row.account_id}:{row.stamp.timestamp()}:{as_of}:{complete}"
    found: tuple[list[IfPaid], IfPaid | None] | None = cache.get(key)
    if found is None:
        found = _simulated(row, as_of, card)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _simulated(row: AccountScore, as_of: date, card: Card) -> tuple[list[IfPaid], IfPaid | None]:
    with _rolled_back():
        account = CreditAccount.objects.select_related("company", "customer").get(pk=row.account_id)
        source = Source.objects.filter(company=account.company_id).order_by("pk").first()
        if source is None:
            return [], None
        due = _open(account.pk)
        overdue = [i for i in due if i.due_on < as_of]
        steps: list[IfPaid] = []
        while len(steps) < MOST_INVOICES - 1 and len(steps) < len(overdue):
            _pay(account, source, [overdue[len(steps)]], as_of)
            steps.append(_scored(account.pk, as_of, card, overdue[: len(steps) + 1]))
            if steps[-1].grade < row.grade:
                break
        if len(steps) < len(overdue):
            _pay(account, source, overdue[len(steps) :], as_of)
            steps.append(_scored(account.pk, as_of, card, overdue))
        if not due:
            return steps, None
        ahead = [i for i in due if i.due_on >= as_of]
        for day, rows in groupby(ahead, key=lambda i: i.due_on):
            _pay(account, source, list(rows), day)
        return steps, _ahead(row, as_of, card, due)


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _open(account_id: int) -> list[Instalment]:
    rows = Instalment.objects.filter(
        account=account_id, kind=DocumentKind.INVOICE, superseded_at__isnull=True, open_amount__gt=0
    )
    return list(rows.select_related("invoice", "account").order_by("due_on", "pk"))


def _pay(account: CreditAccount, source: Source, rows: Sequence[Instalment], on: date) -> None:
    """One payment per currency for all of them."""
    for currency in dict.fromkeys(row.currency for row in rows):
        parts = [(row, row.open_amount.amount) for row in rows if row.currency == currency]
        payment = post_payment(
            account,
            source,
            f"what-if-{parts[0][0].pk}",
            received_on=on,
            amount=sum((amount for _row, amount in parts), Decimal(0)),
            currency=currency,
            actor=_ACTOR,
        )
        allocate_payment(payment, parts, actor=_ACTOR)


def _scored(account_id: int, day: date, card: Card, paid: Sequence[Instalment]) -> IfPaid:
    row = next(iter(compute(day, Scope.of([account_id]), card=card)))
    return IfPaid(tuple(paid), _total(paid), day, day, row.score, row.grade, row.recommendation)


def _ahead(row: AccountScore, as_of: date, card: Card, paid: Sequence[Instalment]) -> IfPaid:
    """The score AHEAD of today: the ledger's figures of that day, what is known from elsewhere as of today."""
    day = as_of + AHEAD
    for each in Source.objects.filter(company=row.account.company_id):
        ImportBatch.objects.create(source=each, complete_through=day)
    then, now = values_of(next(iter(compute(day, Scope.of([row.account_id]), card=card)))), values_of(row)
    values = {name: now[name] if name in FROM_ELSEWHERE else value for name, value in then.items()}
    used = active_cards(as_of=day).with_draft(card).card_for(values)
    score = used.base_points + sum(used.points_of(name, values[name]) for name in used.bins)
    insolvent, depth = bool(values["insolvent"]), used.depth_of(int(values["due_count_12m"] or 0))
    return IfPaid(
        tuple(paid),
        _total(paid),
        as_of,
        day,
        score,
        used.grade_of(score, insolvent=insolvent),
        recommend(used, score, depth=depth, insolvent=insolvent),
    )


def _total(paid: Sequence[Instalment]) -> Money:
    """In the invoices' currency where they share one, else in the account's at the rates of issue."""
    currencies = {i.currency for i in paid}
    if len(currencies) == 1:
        return Money(sum(i.open_amount.minor for i in paid), currencies.pop())
    shares = (i.account_amount.minor * i.open_amount.minor // i.amount.minor for i in paid)
    return Money(sum(shares), paid[0].account_amount.currency)
