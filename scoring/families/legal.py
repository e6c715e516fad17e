"""Legal and public events, the status in force, and the customer's own dates."""

from __future__ import annotations

LEGAL = """
SELECT le.customer_id,
  SUM(CASE WHEN le.kind IN ('insolvency', 'struck_off') AND (le.ended_on IS NULL OR le.ended_on > {as_of})
      THEN 1 ELSE 0 END) AS insolvency,
  SUM(CASE WHEN le.kind IN ('lien', 'litigation', 'protest') AND le.effective_on > {as_of_long}
      THEN 1 ELSE 0 END) AS marks
FROM customers_legalevent le
WHERE seen(le) AND customer_scope(le.customer_id) AND le.effective_on <= {as_of}
GROUP BY le.customer_id
"""

# The status in force: the latest effective change seen; a customer without any keeps the status it was given.
STATUS = """
SELECT st.customer_id, MAX(CASE WHEN st.place = 1 AND st.seen = 1 AND st.status = 'insolvent' THEN 1 ELSE 0 END)
  AS insolvent
FROM (
  SELECT sc.customer_id, sc.status, CASE WHEN sc.effective_on <= {as_of} AND seen(sc) THEN 1 ELSE 0 END AS seen,
    ROW_NUMBER() OVER (PARTITION BY sc.customer_id
      ORDER BY CASE WHEN sc.effective_on <= {as_of} AND seen(sc) THEN 0 ELSE 1 END,
        sc.effective_on DESC, sc.id DESC) AS place
  FROM customers_statuschange sc WHERE customer_scope(sc.customer_id)
) st
GROUP BY st.customer_id
"""

CUSTOMER = """
SELECT cu.id AS customer_id,
  CASE WHEN cu.customer_since <= {as_of} THEN cu.customer_since END AS since,
  COALESCE(lg.marks, 0) AS legal_marks,
  CASE WHEN COALESCE(lg.insolvency, 0) > 0 OR st.insolvent = 1
    OR (st.customer_id IS NULL AND cu.status = 'insolvent') THEN 1 ELSE 0 END AS insolvent
FROM customers_customer cu
LEFT JOIN legal lg ON lg.customer_id = cu.id
LEFT JOIN status st ON st.customer_id = cu.id
WHERE customer_scope(cu.id)
"""

CTES = (
    ("legal", LEGAL),
    ("status", STATUS),
    ("c", CUSTOMER),
)
