"""The ledger of a book as arrays: four set-based queries per some thousand rows, put away as small arrays at once.

A row per instalment of an invoice and version of it; an instalment whose payment was taken back gives one row per
stretch of knowledge (paid as far as we knew, then open again).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from django.db.models import Case, F, Max, Min, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Greatest

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import exponent
from customers.models import Allocation, CreditAccount, DisputeItem, DocumentKind, Instalment, SentBy
from scoring.invoices.ledger import ELECTRONIC, NEVER, PAPER, UNKNOWN, Days, Ledger, lot

CASH_SHARE = 0.5
"""Cash below this share of a settled instalment: it was credited or given up, which is no payment behaviour."""
RANGE = 1_000
"""Accounts of a list read at once."""
WINDOW = 20_000
"""Numbers of instalments read at once where the whole book is read: as Python objects a row takes twenty times the
room it takes in the arrays."""
LEARNED_ROWS = 400_000
"""Invoices a card is learned from at most, about; more would change little."""
_Kind = Allocation.Kind
_COLUMNS = (
    "row account issued due known until amount currency paid paid_known closed_known at_least disputed undisputed channel"
).split()
_TYPES: dict[str, Any] = {
    "row": np.int64,
    "account": np.int64,
    "amount": np.float64,
    "currency": np.str_,
    "channel": np.int8,
}
"""Columns that are no days; days fit into 32 bits."""
_CHANNELS = {SentBy.ELECTRONIC: ELECTRONIC, SentBy.PAPER: PAPER, "": UNKNOWN}


@dataclass(frozen=True, slots=True)
class _Which:
    """Conditions on instalments, and the same on what points to them."""

    rows: Q
    parts: Q

    @classmethod
    def accounts(cls, ids: Sequence[int]) -> _Which:
        return cls(Q(account__in=ids), Q(instalment__account__in=ids))

    @classmethod
    def window(cls, low: int) -> _Which:
        rows = Q(pk__gte=low, pk__lt=low + WINDOW)
        return cls(rows, Q(instalment_id__gte=low, instalment_id__lt=low + WINDOW))


def load_ledger(
    accounts: Collection[int] | None = None, view: View = CURRENT, using: str = "default"
) -> Ledger:
    """Instalments of invoices of the accounts (None: of all), oldest first.

    view current or known at a day: every version, with the days between which it was believed, so the arrays can
    be asked for any day up to it. As recorded at an instant: what was stored by then. Read in ranges, so that only
    the arrays (some 80 bytes a row) grow with the book.
    """
    if accounts is not None:
        ids = sorted(accounts)
        return _joined([_read(_Which.accounts(some), view, using) for some in _batches(ids)])
    ends = Instalment.objects.using(using).aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return _joined([])
    return _joined(
        [_read(_Which.window(low), view, using) for low in range(ends["low"], ends["high"] + 1, WINDOW)]
    )


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(ids), RANGE):
        yield ids[begin : begin + RANGE]


def learned_accounts(using: str = "default") -> list[int] | None:
    """Accounts that hold about LEARNED_ROWS invoices, drawn whole and always the same ones; None: all hold no more.

    Drawn by another number than ledger.drawn draws the rows of a fit by, so that the one is a fair part of the other.
    """
    rows = Instalment.objects.using(using).filter(kind=DocumentKind.INVOICE, superseded_at__isnull=True)
    count = rows.count()
    if count <= LEARNED_ROWS:
        return None
    accounts = np.fromiter(
        CreditAccount.objects.using(using).order_by("pk").values_list("pk", flat=True).iterator(), np.int64
    )
    chosen: list[int] = accounts[lot(accounts * 31 + 17) < LEARNED_ROWS / count].tolist()
    return chosen


def customers_of(account: Days, using: str = "default") -> Days:
    """Whose account it is, for each row: the accounts of one customer are no independent evidence."""
    known = _owners(using)
    return known[np.searchsorted(known[:, 0], account), 1]


def payers_of(account: Days, using: str = "default") -> Days:
    """The same as the first account of the customer: drawn by, one with a single account is drawn as by its account."""
    known = _owners(using)
    _customers, first, customer = np.unique(known[:, 1], return_index=True, return_inverse=True)
    payer: Days = known[first[customer], 0][np.searchsorted(known[:, 0], account)]
    return payer


def _owners(using: str) -> Days:
    """(account, customer) of all, by account."""
    pairs = CreditAccount.objects.using(using).order_by("pk").values_list("pk", "customer_id")
    numbers = (number for pair in pairs.iterator() for number in pair)
    return np.fromiter(numbers, dtype=np.int64).reshape(-1, 2)


def _read(which: _Which, view: View, using: str) -> dict[str, Any]:
    rows = Instalment.objects.using(using).filter(which.rows, kind=DocumentKind.INVOICE)
    parts = Allocation.objects.using(using).filter(which.parts, instalment__kind=DocumentKind.INVOICE)
    # An import taken back closes its rows on the day they were known: they were never believed on any day.
    if view.recorded_by is not None:
        rows, parts = rows.filter(view.q()), parts.filter(view.q())
    else:
        rows = rows.filter(Q(known_until__isnull=True) | Q(known_until__gt=F("known_on")))
        parts = parts.filter(Q(superseded_at__isnull=True) | Q(instalment__superseded_at__isnull=False))
    facts = rows.order_by("pk").values_list(
        "pk",
        "account_id",
        "effective_on",
        "due_on",
        "known_on",
        "known_until",
        "amount",
        "account_amount",
        "account__currency",
        "reopened",
        _sent(view),
    )
    paid = {row[0]: row for row in _settlements(parts.filter(instalment__reopened=False))}
    again = _stretches(parts.filter(instalment__reopened=True))
    disputes = _disputes(which, using)
    return _arrays(line for fact in facts for line in _lines(fact, paid, again, disputes))


def _sent(view: View) -> Any:
    """How the invoice was sent, which is known like its number; what an import said of it after the instant of the view
    was not recorded by then."""
    if view.recorded_by is None:
        return F("invoice__delivery")
    later = When(invoice__delivery_batch__recorded_at__gt=view.recorded_by, then=Value(""))
    return Case(later, default=F("invoice__delivery"))


def _settlements(parts: QuerySet[Allocation]) -> Iterable[tuple[Any, ...]]:
    """Per instalment: total applied, cash, bad write-offs, last cash day, day all was known, and what was inferred."""
    return (
        parts.order_by()
        .values("instalment_id")
        .annotate(
            applied=Sum("amount"),
            cash=Sum("amount", filter=Q(kind=_Kind.CASH)),
            lost=Sum("amount", filter=Q(kind=_Kind.WRITE_OFF, write_off__is_small=False)),
            last_cash=Max("effective_on", filter=Q(kind=_Kind.CASH, amount__gt=0)),
            told=Max(Greatest("effective_on", "known_on")),
            last=Max("effective_on"),
            open_on=Max("settled_after", filter=Q(kind=_Kind.INFERRED)),
        )
        .values_list("instalment_id", "applied", "cash", "lost", "last_cash", "told", "last", "open_on")
    )


def _stretches(parts: QuerySet[Allocation]) -> dict[int, list[tuple[Any, ...]]]:
    """Allocations of the few instalments that were opened again, in the order in which they became known."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in parts.annotate(told=Greatest("effective_on", "known_on")).values_list(
        "instalment_id",
        "told",
        "pk",
        "amount",
        "kind",
        "effective_on",
        "settled_after",
        "write_off__is_small",
    ):
        found[row[0]].append(row[1:])
    return {pk: sorted(rows, key=lambda row: row[:2]) for pk, rows in found.items()}


def _disputes(which: _Which, using: str) -> dict[int, tuple[int, int]]:
    """Per instalment: day from which its first dispute was known, and until.

    One that was opened while it lasted prolongs it; a later one does not: on no day may what came after it show.
    """
    items = DisputeItem.objects.using(using).filter(which.parts, dispute__superseded_at__isnull=True)
    rows = items.annotate(opened=Greatest("dispute__known_on", "dispute__effective_on")).values_list(
        "instalment_id", "opened", "dispute__closed_on", "dispute__closed_known_on"
    )
    found: dict[int, tuple[int, int]] = {}
    for pk, opened, closed_on, closed in rows.order_by("opened", "dispute_id"):
        begin = opened.toordinal()
        end = NEVER if closed_on is None or closed is None else closed.toordinal()
        known = found.get(pk)
        if known is None:
            found[pk] = (begin, end)
        elif begin <= known[1]:
            found[pk] = (known[0], max(known[1], end))
    return found


def _minor(value: Any) -> int:
    return value.minor if hasattr(value, "minor") else int(value or 0)


def _lines(
    fact: tuple[Any, ...],
    paid: dict[int, tuple[Any, ...]],
    again: dict[int, list[tuple[Any, ...]]],
    disputes: dict[int, tuple[int, int]],
) -> Iterable[tuple[Any, ...]]:
    pk, account, issued, due, known, until, amount, account_amount, currency, reopened, sent = fact
    size = _minor(account_amount) / 10 ** exponent(currency)
    disputed, channel = disputes.get(pk, (NEVER, NEVER)), _CHANNELS[sent]
    known_day = max(known.toordinal(), issued.toordinal())
    ends = until.toordinal() if until else NEVER
    head = (pk, account, issued.toordinal(), due.toordinal())
    if not reopened:
        outcome = _outcome(_minor(amount), due, *paid[pk][1:]) if pk in paid else _OPEN
        yield (*head, known_day, ends, size, currency, *outcome, *disputed, channel)
        return
    begin, outcome = known_day, _OPEN
    for day, then in _history(_minor(amount), due, again.get(pk, [])):
        day = max(day, known_day)
        if then != outcome and day < ends:
            if (outcome == _OPEN and then[1] == day) or then[2] == day:
                # Settling is told by the row's own days; only taking back starts a new stretch.
                outcome = then
                continue
            if begin < day:
                yield (*head, begin, day, size, currency, *outcome, *disputed, channel)
            begin, outcome = day, then
    yield (*head, begin, ends, size, currency, *outcome, *disputed, channel)


_OPEN = (NEVER, NEVER, NEVER, -NEVER)
"""(paid, paid_known, closed_known, at_least) of an open instalment."""


def _outcome(
    amount: int,
    due: date,
    applied: Any,
    cash: Any,
    lost: Any,
    last_cash: date | None,
    told: date,
    last: date,
    open_on: date | None,
) -> tuple[int, int, int, int]:
    if _minor(applied) < amount:
        return _OPEN
    if open_on is not None:
        late = (open_on - due).days
        return NEVER, NEVER, told.toordinal(), late if late > 0 else -NEVER
    if _minor(lost) > amount * (1 - CASH_SHARE):
        return NEVER, NEVER, told.toordinal(), max((last - due).days, 0)
    if last_cash is not None and _minor(cash) >= amount * CASH_SHARE:
        return last_cash.toordinal(), told.toordinal(), NEVER, -NEVER
    return NEVER, NEVER, told.toordinal(), -NEVER


def _history(
    amount: int, due: date, parts: list[tuple[Any, ...]]
) -> Iterable[tuple[int, tuple[int, int, int, int]]]:
    """(day, what was then known of the settlement) after each day on which something became known."""
    for place, (told, *_rest) in enumerate(parts):
        if place + 1 < len(parts) and parts[place + 1][0] == told:
            continue
        so_far = parts[: place + 1]
        sums = {kind: sum(_minor(p[2]) for p in so_far if p[3] == kind) for kind in {p[3] for p in so_far}}
        cash_days = [p[4] for p in so_far if p[3] == _Kind.CASH and _minor(p[2]) > 0]
        open_days = [p[5] for p in so_far if p[3] == _Kind.INFERRED and p[5]]
        lost = sum(_minor(p[2]) for p in so_far if p[3] == _Kind.WRITE_OFF and not p[6])
        yield (
            told.toordinal(),
            _outcome(
                amount,
                due,
                sum(sums.values()),
                sums.get(_Kind.CASH, 0),
                lost,
                max(cash_days, default=None),
                told,
                max(p[4] for p in so_far),
                max(open_days) if open_days and sums.get(_Kind.INFERRED) else None,
            ),
        )


def _arrays(lines: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Columns of the rows, days in half the room."""
    columns = list(zip(*lines, strict=True)) or [()] * len(_COLUMNS)
    return {
        name: np.array(column, dtype=_TYPES.get(name, np.int32))
        for name, column in zip(_COLUMNS, columns, strict=True)
    }


def _joined(parts: list[dict[str, Any]]) -> Ledger:
    """All of the columns in the order of issue; each part is let go of as it is copied."""
    parts = parts or [_arrays([])]
    issued, row = (np.concatenate([part[name] for part in parts]) for name in ("issued", "row"))
    order = np.lexsort((row, issued))
    return Ledger(**{name: np.concatenate([part.pop(name) for part in parts])[order] for name in _COLUMNS})
