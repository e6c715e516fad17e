"""Days the customer takes to pay its suppliers: the newest period, the one before it, and the one two quarters back."""

from __future__ import annotations

VALID_DAYS = 270
"""A period that ended more than nine months before the date says nothing about it any more."""
SLOW_DAYS = 60

# Several sources of one period: the one recorded last counts.
SUPPLIER_ROWS = """
SELECT x.customer_id, x.effective_on, x.days, ROW_NUMBER() OVER (PARTITION BY x.customer_id
  ORDER BY x.effective_on DESC) AS nth, MAX(x.effective_on) OVER (PARTITION BY x.customer_id) AS newest_on
FROM (
  SELECT sp.customer_id, sp.effective_on, sp.days,
    ROW_NUMBER() OVER (PARTITION BY sp.customer_id, sp.effective_on ORDER BY sp.id DESC) AS place
  FROM customers_supplierpaymentdays sp
  WHERE seen(sp) AND customer_scope(sp.customer_id) AND sp.effective_on <= {as_of}
) x WHERE x.place = 1
"""

# Two quarters back: the period that ended 150 to 240 days before the newest; of two such the earlier one, found as
# the greatest distance, with the days (below 65536) packed beneath it: a look-up per customer would be quadratic.
_DISTANCE = "days(r.newest_on, r.effective_on)"
SUPPLIER = f"""
SELECT r.customer_id, MAX(CASE WHEN r.nth = 1 THEN r.days END) AS now,
  MAX(CASE WHEN r.nth = 2 AND {_DISTANCE} <= 120 THEN r.days END) AS last,
  MAX(CASE WHEN {_DISTANCE} BETWEEN 150 AND 240 THEN {_DISTANCE} * 65536 + r.days END) & 65535 AS before
FROM supplier_rows r
WHERE days({{as_of}}, r.newest_on) <= {VALID_DAYS}
GROUP BY r.customer_id
"""

CTES = (("supplier_rows", SUPPLIER_ROWS), ("sup", SUPPLIER))
