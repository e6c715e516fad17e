"""From order to delivery to invoice: what of each counts on a day, so that nothing counts twice.

An order of 1000 is 1000 of open order until 400 of it are delivered, then 600 of open order and 400 of unbilled
delivery; when 400 stand on an invoice in the ledger, the delivery is over. The three always add up to what was
ordered (or to what was delivered, or billed, when that is more). In one account and currency, on a day:

unbilled part of a delivery  its amount - what of it was billed; nothing from `invoiced_on` on
billed ahead of an order     billed on the order without a delivery that is there: first taken off the order's
                             unbilled deliveries (the oldest first), the rest off what is still to be delivered
open part of an order        ordered - delivered - billed ahead, never below zero; nothing from `closed_on` on.
                             Where the amount is what was open on a day: less what has gone since that day

A billed part with an invoice number counts from the day that invoice is in the ledger (customers/models/business.py).
One statement for any number of accounts; `stage_rows` is also what exposures sum (customers/exposure_sql.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from creditdesk.core.facts import CURRENT, View
from customers.exposure_sql import Ask, as_date, scoped

ORDER, DELIVERY = "order", "delivery"
# A document number may come again in another year: only an invoice about as old as it was said to be is meant.
_SAME_INVOICE_DAYS = 60


@dataclass(slots=True)
class Stage:
    """An order or a delivery on a day, in minor units of `currency`.

    counted: what of it is exposure at this stage if it is within the horizon; billed: what invoices took off it;
    delivered: what deliveries took off an order.
    """

    kind: str
    pk: int
    account_id: int
    number: str
    order_number: str
    currency: str
    on: date
    amount: int
    counted: int
    billed: int = 0
    delivered: int = 0
    expected_on: date | None = None
    segment_id: int = 0
    product_line: str = ""


def stages_at(scope: Any, as_of: date, view: View = CURRENT, *, also_held: bool = False) -> list[Stage]:
    """Deliveries and orders with something left to bill or to deliver at `as_of`, whatever the horizon.

    scope: account ids, or a queryset of them. also_held: orders nobody has accepted yet, too.
    """
    ask = scoped(scope, as_of, view)
    if ask is None:
        return []
    query = (
        "SELECT t.kind, t.id, t.account_id, t.number, t.order_number, t.currency, t.effective_on, t.amount, "
        "t.counted, t.billed, t.delivered, t.expected_on, a.segment_id, t.product_line "
        f"FROM ({stage_rows(ask, also_held=also_held)}) AS t JOIN customers_creditaccount a ON a.id = t.account_id "
        "ORDER BY t.kind, t.id"
    )
    return [
        Stage(*row[:6], as_date(row[6]), *row[7:11], as_date(row[11]), *row[12:])  # type: ignore[arg-type, call-arg]
        for row in ask.rows(query)
    ]


def stage_rows(ask: Ask, *, also_held: bool = False) -> str:
    """SQL of the rows of Stage with anything counted: kind, id, account_id, number, order_number, currency,
    effective_on, amount, counted, billed, delivered, expected_on, product_line."""
    # Off the oldest first: of a delivery remains what its order's deliveries up to it exceed what was billed ahead.
    of_delivery = ask.least("f.unbilled", ask.greatest("f.so_far - f.all_ahead", "0"))
    of_order = "f.amount - f.gone - f.direct + COALESCE(f.before, 0)"
    return (
        f"WITH {_steps(ask, also_held)} "
        "SELECT kind, id, account_id, number, order_number, currency, effective_on, amount, "
        "CAST(counted AS bigint) AS counted, "
        "CAST(CASE WHEN kind = 'delivery' THEN billed + unbilled - counted ELSE direct END AS bigint) AS billed, "
        "CAST(CASE WHEN kind = 'delivery' THEN 0 ELSE gone END AS bigint) AS delivered, expected_on, product_line "
        f"FROM (SELECT f.*, CASE WHEN f.kind = 'delivery' THEN {of_delivery} ELSE {of_order} END AS counted "
        "FROM measured f WHERE f.kind IN ('delivery', 'order') AND f.day = %(day)s) AS c WHERE c.counted > 0"
    )


def _same_order(left: str, right: str, number: str = "order_number") -> str:
    return (
        f"{left}.account_id = {right}.account_id AND {left}.order_number = {right}.{number} "
        f"AND {left}.currency = {right}.currency"
    )


def _steps(ask: Ask, also_held: bool) -> str:
    """The named steps of the statement.

    live: orders. days: of which order we must know what has gone, on which days (order number '': deliveries without
    one). shipped: their deliveries until then. billed: the parts that name them. measured: all of it with what had
    gone of its order on its day. Stacked and summed over windows, not joined: a planner knows nothing of how many rows
    meet on three columns.
    """
    there = (
        "SELECT t.day, t.id, t.account_id, t.number, t.order_number, t.currency, t.effective_on, t.amount, "
        "t.invoiced_on, CAST(COALESCE(SUM(b.amount), 0) AS bigint) AS billed FROM shipped t LEFT JOIN billed b "
        "ON b.account_id = t.account_id AND b.delivery_number = t.number AND b.currency = t.currency "
        "AND b.billed_on <= t.day GROUP BY t.day, t.id, t.account_id, t.number, t.order_number, t.currency, "
        "t.effective_on, t.amount, t.invoiced_on"
    )
    live = "(invoiced_on IS NULL OR invoiced_on > day)"
    stacked = (
        "SELECT 'delivery' AS kind, id, account_id, number, order_number, currency, day, effective_on, amount, billed, "
        f"CASE WHEN {live} THEN {ask.greatest('amount - billed', '0')} ELSE 0 END AS unbilled, amount AS delivered, "
        "CAST(0 AS bigint) AS ahead, CAST(NULL AS date) AS expected_on, '' AS product_line FROM there UNION ALL "
        "SELECT 'part', 0, y.account_id, '', y.order_number, y.currency, y.day, y.day, 0, 0, 0, 0, b.amount, NULL, '' "
        f"FROM days y JOIN billed b ON {_same_order('b', 'y')} AND b.billed_on <= y.day "
        "AND (b.delivered_on IS NULL OR b.delivered_on > y.day) WHERE y.order_number <> '' UNION ALL "
        "SELECT 'order', id, account_id, number, number, currency, %(day)s, effective_on, amount, 0, 0, 0, 0, "
        "expected_on, product_line FROM live UNION ALL "
        "SELECT 'listed', id, account_id, number, number, currency, open_on, effective_on, 0, 0, 0, 0, 0, NULL, '' "
        "FROM live WHERE open_on IS NOT NULL"
    )
    of_day = "OVER (PARTITION BY account_id, order_number, currency, day"
    added = (
        f"SELECT s.*, SUM(delivered) {of_day}) AS gone, SUM(unbilled) {of_day}) AS all_unbilled, "
        f"SUM(ahead) {of_day}) AS all_ahead, "
        f"SUM(unbilled) {of_day} ORDER BY effective_on, id ROWS UNBOUNDED PRECEDING) AS so_far FROM stacked s"
    )
    direct = ask.greatest("all_ahead - all_unbilled", "0")
    measured = (
        "SELECT a.*, MAX(CASE WHEN kind = 'listed' THEN gone + direct END) "
        "OVER (PARTITION BY account_id, order_number, currency) AS before "
        f"FROM (SELECT added.*, {direct} AS direct FROM added) AS a"
    )
    steps = {
        "live": _live(ask, also_held),
        "days": _days(ask),
        "shipped": _shipped(ask),
        "billed": _billed(ask),
    }
    steps |= {"there": there, "stacked": stacked, "added": added, "measured": measured}
    return ", ".join(f"{name} AS ({query})" for name, query in steps.items())


def _live(ask: Ask, also_held: bool) -> str:
    return (
        "SELECT o.id, o.account_id, o.number, o.currency, o.effective_on, o.expected_on, o.amount, o.open_on, "
        "o.product_line "
        f"FROM customers_openorder o WHERE {ask.seen('o')} AND o.effective_on <= %(day)s "
        f"AND (o.closed_on IS NULL OR o.closed_on > %(day)s){ask.among('o.account_id')}"
        f"{'' if also_held else f' AND NOT {_not_accepted()}'}"
    )


def _not_accepted() -> str:
    """The order `o` was held before it was accepted and waits for a person still: nobody has agreed to it."""
    return (
        "EXISTS (SELECT 1 FROM customers_orderhold h WHERE h.account_id = o.account_id "
        "AND h.order_number = o.number AND h.at_entry AND h.placed_on <= %(day)s "
        "AND (h.resolved_on IS NULL OR h.resolved_on > %(day)s))"
    )


def _days(ask: Ask) -> str:
    """An order listed by what was open of it is measured on the day of the list, too."""
    return (
        "SELECT account_id, number AS order_number, currency, %(day)s AS day FROM live UNION "
        "SELECT account_id, number, currency, open_on FROM live WHERE open_on IS NOT NULL UNION "
        "SELECT d.account_id, d.order_number, d.currency, %(day)s FROM customers_delivery d "
        f"WHERE {ask.seen('d')} AND d.effective_on <= %(day)s "
        f"AND (d.invoiced_on IS NULL OR d.invoiced_on > %(day)s){ask.among('d.account_id')}"
    )


def _shipped(ask: Ask) -> str:
    return (
        "SELECT y.day, d.id, d.account_id, d.number, d.order_number, d.currency, d.effective_on, d.amount, "
        f"d.invoiced_on FROM days y JOIN customers_delivery d ON {_same_order('d', 'y')} "
        f"WHERE {ask.seen('d')} AND d.effective_on <= y.day{ask.among('d.account_id')}"
    )


def _billed(ask: Ask) -> str:
    """Parts with the day from which each counts, and the day its delivery (if it names one) arrived."""
    invoice = (
        "(SELECT MIN(v.effective_on) FROM customers_invoice v WHERE v.number = b.invoice_number "
        f"AND v.account_id = b.account_id AND {ask.seen('v')} "
        f"AND v.effective_on >= {ask.earlier('b.effective_on', _SAME_INVOICE_DAYS)})"
    )
    delivery = (
        "(SELECT MIN(e.effective_on) FROM customers_delivery e WHERE e.account_id = b.account_id "
        f"AND e.number = b.delivery_number AND {ask.seen('e')})"
    )
    parts = (
        "SELECT b.id, b.account_id, b.order_number, b.delivery_number, b.invoice_number, b.currency, b.amount, "
        f"b.effective_on FROM customers_billedpart b WHERE {ask.seen('b')}{ask.among('b.account_id')}"
    )
    return (
        "SELECT b.account_id, b.order_number, b.delivery_number, b.currency, b.amount, "
        f"CASE WHEN b.invoice_number = '' THEN b.effective_on ELSE {invoice} END AS billed_on, "
        f"CASE WHEN b.delivery_number <> '' AND b.order_number <> '' THEN {delivery} END AS delivered_on FROM ("
        f"{parts} AND b.order_number <> '' AND EXISTS (SELECT 1 FROM days y WHERE {_same_order('y', 'b')}) UNION "
        f"{parts} AND EXISTS (SELECT 1 FROM shipped t WHERE t.account_id = b.account_id "
        "AND t.number = b.delivery_number)) AS b"
    )
