"""When will these invoices be paid? For any instalments, on any day, with the knowledge of any view."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Q
from django.utils import timezone

from creditdesk.core.facts import CURRENT, View
from customers.completeness import complete_through_all
from customers.models import CreditAccount, DocumentKind, Instalment, SettledBy
from scoring.invoices.card import InvoiceModel
from scoring.invoices.cards import model_in_use
from scoring.invoices.history import BookLevels, History, Moment
from scoring.invoices.lately import Levels, Snapshot
from scoring.invoices.ledger import NEVER, Ledger, lot
from scoring.invoices.load import load_ledger
from scoring.models import InvoiceCard, InvoiceLevel

BOOK_DAYS = 720
BOOK_HOURS = 6
DRIFT_DAYS, DRIFT_ROWS = 400, 20_000
KEPT_DAYS = 40
"""Levels kept longer ago than this are asked for by nobody any more."""


@dataclass(frozen=True, slots=True)
class InvoiceEstimate:
    """Chances of being paid late, more than 15 and more than 30 days late; days late expected; the day by which half
    of such invoices are paid, and the days by which a tenth and nine tenths are. card: version that says so."""

    p_late: float
    p_late_15: float
    p_late_30: float
    days_late: float
    expected_on: date
    earliest_on: date
    latest_on: date
    card: int


def estimate(
    instalments: Collection[int], as_of: date, view: View = CURRENT, *, using: str = "default"
) -> dict[int, InvoiceEstimate]:
    """Estimates of the open instalments among these, as seen at the end of `as_of`. Empty without a card in use.

    Nobody is late beyond the day the company's ledger is complete to. Six queries at most (current view), whatever
    the number of instalments; a past view reads the whole ledger, for how punctual the book was then.
    """
    found = model_in_use(using) if instalments else None
    if found is None:
        return {}
    version, model = found
    owners = list(
        Instalment.objects.using(using)
        .filter(pk__in=instalments, kind=DocumentKind.INVOICE)
        .values_list("pk", "account_id", "company_id")
    )
    if not owners:
        return {}
    whole = not view.is_current
    ledger = load_ledger(None if whole else {account for _pk, account, _c in owners}, view, using)
    levels = None if whole else book_levels(as_of, using)
    complete = complete_through_all(sorted({c for *_x, c in owners}), recorded_by=view.recorded_by)
    moved = (
        None if whole else book_drift(version, model, min([as_of, *filter(None, complete.values())]), using)
    )
    company_of = {pk: company for pk, _a, company in owners}
    places = _standing(ledger, set(company_of), as_of.toordinal())
    days = np.array(
        [
            max(
                min(as_of, complete.get(company_of[int(ledger.row[p])]) or as_of).toordinal(),
                int(ledger.issued[p]),
            )
            for p in places
        ],
        dtype=np.int64,
    )
    seen = Moment(ledger.account[places], days, places)
    said = model.estimate(History(ledger, levels), seen, moved)
    due = ledger.due[places]
    # Seen open at the end of the day: it can be paid on the next one at the earliest.
    least = days + 1

    def on(quantile: np.ndarray, n: int) -> date:
        return date.fromordinal(int(max(due[n] + quantile[n], least[n])))

    return {
        int(ledger.row[place]): InvoiceEstimate(
            p_late=float(said.late[n]),
            p_late_15=float(said.late_15[n]),
            p_late_30=float(said.late_30[n]),
            days_late=float(said.days_late[n]),
            expected_on=on(said.p50, n),
            earliest_on=on(said.p10, n),
            latest_on=on(said.p90, n),
            card=version,
        )
        for n, place in enumerate(places)
    }


def _standing(ledger: Ledger, wanted: set[int], day: int) -> np.ndarray:
    """Places of the wanted rows that were known and open at the end of the day."""
    is_open = (ledger.paid_known > day) & (ledger.closed_known > day)
    alive = (ledger.known <= day) & (ledger.until > day)
    return np.flatnonzero(is_open & alive & np.isin(ledger.row, list(wanted)))


def book_drift(version: int, model: InvoiceModel, day: date, using: str = "default") -> Levels:
    """How the book has paid lately against what the card said of it, at a day; held in memory for some hours.

    As the nightly job kept it, or told anew: from the whole book, or from whole customers drawn from it (always the
    same ones) where it is large: the same forecasts and outcomes as `manage.py backtest` takes at that day.
    """
    if not model.moves:
        return Snapshot({})
    key = f"invoice-drift:{using}:{version}:{day}"
    held: Snapshot | None = cache.get(key)
    if held is None:
        held = _kept_drift(version, model, day, using) or _drift(model, day, using)
        cache.set(key, held, BOOK_HOURS * 3600)
    return held


def _drift(model: InvoiceModel, day: date, using: str) -> Snapshot:
    accounts, _share = drawn_accounts(day, using)
    history = History(load_ledger(accounts, CURRENT, using))
    return model.lately(history).snapshot(day.toordinal())


def _kept_drift(version: int, model: InvoiceModel, day: date, using: str) -> Snapshot | None:
    kept = InvoiceLevel.objects.using(using).filter(card__version=version, day=day)
    packed = kept.values_list("packed", flat=True).first()
    if packed is None:
        return None
    sides = ((False, model.issue), (True, model.unpaid))
    drifts = {(unpaid, t.days): t.drift for unpaid, targets in sides for t in targets}
    return Snapshot.unpacked(bytes(packed), drifts)


def drift_days(as_of: date) -> list[date]:
    """The days whose level the estimates of `as_of` ask for: one per day a company's ledger is complete to."""
    complete = complete_through_all().values()
    return sorted({min(as_of, day or as_of) for day in complete})


def keep_drift(version: int, day: date, using: str = "default") -> bool:
    """Keep the level of the card in use at a day, once more if need be; drop those grown old.

    False where the card is no longer the one in use, or does not follow the book. Run again it keeps the same.
    """
    found = model_in_use(using)
    if found is None or found[0] != version or not found[1].moves:
        return False
    levels = InvoiceLevel.objects.using(using)
    card = InvoiceCard.objects.using(using).get(version=version)
    packed = _drift(found[1], day, using).packed()
    levels.update_or_create(card=card, day=day, defaults={"packed": packed, "made_at": timezone.now()})
    levels.exclude(card=card, made_at__gt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()
    return True


def drawn_accounts(day: date, using: str) -> tuple[list[int] | None, float]:
    """Accounts that hold about DRIFT_ROWS of the invoices due of late, and which share of all those they hold; None:
    all of them do not hold more."""
    rows = Instalment.objects.using(using).filter(
        kind=DocumentKind.INVOICE,
        superseded_at__isnull=True,
        due_on__range=(day - timedelta(days=DRIFT_DAYS), day),
    )
    count = rows.count()
    if count <= DRIFT_ROWS:
        return None, 1.0
    share = DRIFT_ROWS / count
    accounts = np.array(CreditAccount.objects.using(using).values_list("pk", flat=True), dtype=np.int64)
    return [int(pk) for pk in accounts[lot(accounts) < share]], share


def book_levels(as_of: date, using: str = "default") -> BookLevels:
    """How punctual the whole book is on a day, from one grouped query; kept for some hours, for it moves slowly."""
    key = f"invoice-book:{using}:{as_of}"
    kept = cache.get(key)
    if kept is None:
        rows = (
            Instalment.objects.using(using)
            .filter(
                kind=DocumentKind.INVOICE,
                superseded_at__isnull=True,
                due_on__gt=as_of - timedelta(days=BOOK_DAYS),
                effective_on__lte=as_of,
            )
            .filter(Q(settled_by="") | Q(settled_by=SettledBy.CASH))
            .order_by()
            .values("due_on", "settled_on")
            .annotate(count=Count("pk"))
            .values_list("due_on", "settled_on", "count")
        )
        pairs = [(d.toordinal(), s.toordinal() if s else NEVER, n) for d, s, n in rows]
        due, paid, count = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
        kept = (due, paid, count)
        cache.set(key, kept, BOOK_HOURS * 3600)
    return BookLevels(*kept)


def levels_then(day: date, using: str = "default") -> BookLevels:
    """`book_levels` as it was on a past day: payments, credits and corrections heard of since play no part.

    Told from the drift's accounts, each row counting for as many as it stands for; kept for some hours.
    """
    key = f"invoice-book-then:{using}:{day}"
    kept = cache.get(key)
    if kept is None:
        accounts, share = drawn_accounts(day, using)
        led, on = load_ledger(accounts, CURRENT, using), day.toordinal()
        believed = (led.known <= on) & (on < led.until) & (led.closed_known > on)
        told = np.flatnonzero(believed & (led.due > on - BOOK_DAYS))
        paid = np.where(led.paid_known <= on, led.paid, NEVER)[told]
        pairs, count = np.unique(np.stack([led.due[told], paid]), axis=1, return_counts=True)
        kept = (*pairs, count / share)
        cache.set(key, kept, BOOK_HOURS * 3600)
    return BookLevels(*kept)
