"""What became of the invoices that the cards in use had estimated, month by month.

Each invoice is estimated on its day of issue, as then, by the card in use that day, from what was known that day;
its outcome is what was known on the day that is asked about. An invoice counts for a target once its due date plus
the target's days have passed, however early it was paid: otherwise the prompt would come in first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from customers.completeness import complete_through_all
from customers.models import CreditAccount
from scoring.fitting.clustered import share_by_customer
from scoring.fitting.measures import Floats
from scoring.invoices.cards import Use, uses
from scoring.invoices.estimates import drawn_accounts
from scoring.invoices.history import History, moments_at_issue
from scoring.invoices.ledger import Days, Ledger, beyond
from scoring.invoices.load import customers_of, load_ledger

TARGETS: Mapping[str, int] = {"late": 0, "late_15": 15}
MONTHS = 12
"""Months of issue that are looked back on."""


def card_outcomes(as_of: date, using: str = "default") -> list[dict[str, Any]]:
    """A row per month of issue and card in use, the newest month first; as known at the end of `as_of`.

    Per target (None where nothing is decided yet): `rows`, `predicted`, `observed` and its 95 % interval by customer
    (`low`, `high`), and whether the prediction lies in it (`agrees`). Of a large book whole customers are drawn, the
    same ones the moving level is told from. Queries: one for the cards, one per card, those of a ledger and one for
    whose it is; none per invoice. Empty where no card was in use.
    """
    begin = _months_before(as_of, MONTHS - 1)
    cards = [use for use in uses(using) if use.first <= as_of and (use.last or as_of) >= begin]
    if not cards:
        return []
    accounts, _share = drawn_accounts(as_of, using)
    ledger = load_ledger(accounts, using=using)
    if not len(ledger):
        return []
    history, judged = History(ledger), _judged(ledger, as_of, using)
    whose = customers_of(ledger.account, using)
    found = [row for use in cards for row in _of_card(use, history, whose, judged, begin, as_of, using)]
    return sorted(found, key=lambda row: (row["month"], row["version"]), reverse=True)


def _months_before(day: date, months: int) -> date:
    """The first day of the month that many months before `day`'s."""
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def _judged(ledger: Ledger, as_of: date, using: str) -> Days:
    """The last day each row is judged on: nobody is late beyond the day its company's ledger is complete to."""
    owners = np.array(list(CreditAccount.objects.using(using).order_by("pk").values_list("pk", "company_id")))
    companies = owners[:, 1][np.searchsorted(owners[:, 0], ledger.account)]
    complete = complete_through_all([int(c) for c in np.unique(companies)])
    days = {company: min(as_of, day or as_of).toordinal() for company, day in complete.items()}
    return np.array([days.get(int(c), as_of.toordinal()) for c in companies], dtype=np.int64)


def _of_card(
    use: Use, history: History, whose: Days, judged: Days, begin: date, as_of: date, using: str
) -> list[dict[str, Any]]:
    led = history.ledger
    first, last = max(use.first, begin).toordinal(), min(use.last or as_of, as_of).toordinal()
    heard = np.maximum(led.issued, led.known)
    # As believed on the day asked about; a correction heard of later is not yet known.
    believed = (led.known <= as_of.toordinal()) & (led.until > as_of.toordinal())
    # Paid or gone before it was heard of: nothing was estimated.
    still_open = (led.paid >= heard) & (led.closed_known > heard)
    places = np.flatnonzero(believed & still_open & (heard >= first) & (heard <= last))
    if not places.size:
        return []
    seen = moments_at_issue(led, places)
    said = use.model(using).estimate(history, seen)
    month = np.array([date.fromordinal(int(day)).isoformat()[:7] for day in heard[places]])
    outcomes = {name: _outcome(led, places, judged[places], days) for name, days in TARGETS.items()}
    return [
        {
            "month": str(name),
            "version": use.card.version,
            "invoices": int((month == name).sum()),
            **{
                target: _compared(outcomes[target], getattr(said, target), whose[places], month == name)
                for target in TARGETS
            },
        }
        for name in np.unique(month)
    ]


def _outcome(led: Ledger, places: Days, judged: Days, days: int) -> Floats:
    """1 late, 0 not; NaN: not decided yet, or nobody knows."""
    found = np.full(places.size, np.nan)
    for day in np.unique(judged):
        there = judged == day
        low, high = led.delay_at(int(day))
        part = places[there]
        ripe = led.due[part] + days < day
        found[there] = np.where(ripe, beyond(low[part], high[part], days), np.nan)
    return found


def _compared(happened: Floats, chance: Floats, customers: Days, which: Any) -> dict[str, Any] | None:
    told = which & ~np.isnan(happened)
    if not told.any():
        return None
    share, predicted = share_by_customer(happened[told], customers[told]), float(chance[told].mean())
    return {
        "rows": share.rows,
        "predicted": round(predicted, 4),
        "observed": round(share.value, 4),
        "low": round(share.interval.low, 4),
        "high": round(share.interval.high, 4),
        "agrees": bool(share.interval.holds(predicted)),
    }
