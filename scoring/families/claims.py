"""Promises to pay and disputes."""

from __future__ import annotations

# A promise's state is the end of its moves; ids follow the order of judgement, business days may go back.
PROMISES = """
SELECT p.account_id, SUM(CASE WHEN mv.to_status IN ('broken', 'partly_kept') THEN 1 ELSE 0 END) AS broken,
  COUNT(*) AS judged
FROM customers_promise p
JOIN (
  SELECT mv.promise_id, MAX(mv.id) AS id
  FROM customers_promisemove mv JOIN customers_promise p ON p.id = mv.promise_id
  WHERE seen(mv) AND scope(p.account_id) AND mv.effective_on <= {as_of}
  GROUP BY mv.promise_id
) latest ON latest.promise_id = p.id
JOIN customers_promisemove mv ON mv.id = latest.id
WHERE seen(p) AND scope(p.account_id) AND p.effective_on <= {as_of}
  AND p.due_on > {as_of_window} AND p.due_on <= {as_of}
  AND mv.to_status IN ('kept', 'broken', 'partly_kept')
GROUP BY p.account_id
"""

DISPUTES = """
SELECT dp.account_id,
  COUNT(*) FILTER (WHERE dp.effective_on > {as_of_window}) AS raised,
  COUNT(*) FILTER (WHERE dispute_open(dp)) AS open_count,
  MAX(days({as_of}, dp.effective_on)) FILTER (WHERE dispute_open(dp)) AS oldest_days
FROM customers_dispute dp
WHERE seen(dp) AND scope(dp.account_id) AND dp.effective_on <= {as_of}
GROUP BY dp.account_id
"""

CTES = (
    ("p", PROMISES),
    ("d", DISPUTES),
)
