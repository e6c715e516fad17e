"""Which open and held orders a version of the credit checks would decide otherwise, asked of the live book.

Every open order of the segments a version decides for is asked twice on the same facts, by the checks in force and by
the version: one that was accepted as if it came in now, one on hold at the point where it is held. Releases are left
out: they stand whatever the checks say. The answer is the very one an order gets (scoring/checks/check.py), so each
order costs what a check costs; a large book is asked range by range in the background (scoring/simulations.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from heapq import nlargest
from typing import Any

from creditdesk.core.money import Money
from customers.checks import CheckRequest, CheckResult
from customers.instruments import SegmentTerms
from customers.models import CheckPoint, CreditAccount, OpenOrder, OrderHold
from customers.order_versions import counted
from customers.rates import MissingRate
from customers.reservations import active
from customers.stages import ORDER, Stage, stages_at
from scoring.checks.check import answer
from scoring.checks.publishing import open_orders
from scoring.checks.terms import terms_of_policy
from scoring.models import CheckPolicy
from scoring.segment_policies import LAST, accounts_decided_by, replaced_by

MOVERS = 50
CHUNK = 200
STATES = ("in_use", "draft")


def effect(policy: CheckPolicy, as_of: date, low: int = 0, high: int = LAST) -> dict[str, Any]:
    """Counts over the open orders of accounts `low` to `high` (default: all).

    orders: {"accepted", "held"}: how many were asked. stopped: per state how many of them would not pass. changed:
    "stops_accepted", "passes_accepted", "stops_held", "passes_held": what the version decides otherwise. rules: per
    state and failing rule, how many orders it stops. money: what changes sides, minor units per currency.
    """
    against = replaced_by(policy, as_of)
    pair = [terms_of_policy(against) if against else None, terms_of_policy(policy)]
    figures: dict[str, Any] = {
        "against": against.pk if against else None,
        "no_rate": 0,
        "orders": Counter({"accepted": 0, "held": 0}),
        "stopped": {state: Counter({"accepted": 0, "held": 0}) for state in STATES},
        "changed": Counter(
            {f"{way}_{what}": 0 for way in ("stops", "passes") for what in ("accepted", "held")}
        ),
        "rules": {state: Counter() for state in STATES},
        "money": {},
        "movers": [],
    }
    accounts = accounts_decided_by(policy, as_of).filter(pk__range=(low, high))
    for request, held in _requests(accounts, as_of):
        try:
            found = [answer(request, terms) for terms in pair if terms is not None]
        except MissingRate:
            figures["no_rate"] += 1
            continue
        _count(figures, request, held, found)
    return _plain(figures)


def _requests(accounts: Any, as_of: date) -> Iterator[tuple[CheckRequest, OrderHold | None]]:
    """The question of each open order, with the hold it waits in."""
    at = datetime.combine(as_of, time.min, UTC)
    orders = open_orders(accounts)
    horizons = SegmentTerms.load(as_of)
    ids = sorted(set(orders.order_by().values_list("account", flat=True)))
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        loaded = CreditAccount.objects.filter(pk__in=some).select_related("customer", "segment", "collector")
        known = {account.pk: account for account in loaded}
        stages = {s.pk: s for s in stages_at(some, as_of, also_held=True) if s.kind == ORDER}
        waiting = OrderHold.objects.filter(account__in=some, status=OrderHold.Status.WAITING)
        holds = {(hold.account_id, hold.order_number): hold for hold in waiting}
        reserved = {
            (account, reference): pk
            for pk, account, reference in active(at)
            .filter(account__in=some)
            .values_list("pk", "account", "reference")
        }
        for order in orders.filter(account__in=some).select_related("orderer").order_by("account", "pk"):
            order.account = known[order.account_id]
            stage, hold = stages.get(order.pk), holds.get((order.account_id, order.number))
            if stage is not None or hold is not None:
                own = reserved.get((order.account_id, order.number))
                yield _question(order, stage, hold, horizons, as_of, at, own), hold


def _question(
    order: OpenOrder,
    stage: Stage | None,
    hold: OrderHold | None,
    terms: SegmentTerms,
    as_of: date,
    at: datetime,
    own: int | None,
) -> CheckRequest:
    """As customers.orders asks: an accepted order as when it is reopened, a held one as when it is checked again.

    own: the active reservation under the order's number; what it keeps for the order does not stand in its way.
    """
    asked = CheckRequest(
        order.account,
        order.amount,
        CheckPoint.ORDER,
        as_of,
        at,
        order.orderer,
        expected_on=order.expected_on,
        product_line=order.product_line,
    )
    if hold is not None and hold.point in (CheckPoint.PICK, CheckPoint.DELIVERY):
        left = Money(stage.counted if stage else 0, order.currency)
        return replace(asked, point=hold.point, amount=left)
    horizon = terms.days(order.account.segment_id, order.product_line)
    adds = Money(counted(stage, order, order.expected_on, as_of, horizon), order.currency)
    if hold is None:
        return replace(asked, adds=adds, already=adds)
    new = adds if hold.at_entry else Money.zero(order.currency)
    return replace(asked, point=hold.point, adds=new, exclude_reservation=own)


def _count(
    figures: dict[str, Any], request: CheckRequest, hold: OrderHold | None, found: list[CheckResult]
) -> None:
    what = "accepted" if hold is None else "held"
    figures["orders"][what] += 1
    states = STATES[-len(found) :]
    for state, result in zip(states, found, strict=True):
        figures["stopped"][state][what] += not result.passes
        figures["rules"][state].update({failure.rule for failure in result.stopping})
    then, now = found[0], found[-1]
    if then.passes == now.passes:
        return
    way = "passes" if now.passes else "stops"
    figures["changed"][f"{way}_{what}"] += 1
    minor, currency = now.amount.minor, now.amount.currency
    sums = figures["money"].setdefault(currency, Counter({"stops": 0, "passes": 0}))
    sums[way] += minor
    mover = {
        "account": request.account.pk,
        "what": what,
        "way": way,
        "amount": minor,
        "currency": currency,
        "rules": sorted({failure.rule for failure in (then if now.passes else now).stopping}),
        "weight": minor,
    }
    figures["movers"] = nlargest(MOVERS, [*figures["movers"], mover], key=lambda m: m["weight"])


def _plain(figures: Any) -> Any:
    return {name: _plain(one) for name, one in figures.items()} if isinstance(figures, dict) else figures
