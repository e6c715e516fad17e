"""Weak signals from outside: the days the customer takes to pay its own suppliers."""

from __future__ import annotations

VALID_DAYS = 200
"""A measure older than this says nothing any more."""
BEFORE_DAYS = 150
"""What it is compared with lies at least two quarters back, about."""
QUARTERS_DAYS = 270
"""And at most so many days before the latest measure."""

# Of several measures of one day the later row counts.
SUPPLIER_RANKED = """
SELECT sp.customer_id, sp.days, sp.effective_on,
  ROW_NUMBER() OVER (PARTITION BY sp.customer_id ORDER BY sp.effective_on DESC, sp.id DESC) AS place,
  MAX(sp.effective_on) OVER (PARTITION BY sp.customer_id) AS latest_on
FROM customers_supplierpaymentdays sp
WHERE seen(sp) AND customer_scope(sp.customer_id) AND sp.effective_on <= {as_of}
"""
SUPPLIER = f"""
SELECT r.customer_id, MAX(CASE WHEN r.place = 1 THEN r.days END) AS days,
  MAX(CASE WHEN r.place = b.place THEN r.days END) AS days_before
FROM sp_ranked r LEFT JOIN (
  SELECT customer_id, MIN(place) AS place FROM sp_ranked
  WHERE days(latest_on, effective_on) BETWEEN {BEFORE_DAYS} AND {QUARTERS_DAYS} GROUP BY customer_id
) b ON b.customer_id = r.customer_id
WHERE days({{as_of}}, r.latest_on) <= {VALID_DAYS}
GROUP BY r.customer_id
"""

CTES = (("sp_ranked", SUPPLIER_RANKED), ("sp", SUPPLIER))
