"""Legal and public events, the status in force, and the customer's own dates."""

from __future__ import annotations

# Counted by the day it happened: marks in 730 days, changes of directors in 548 (18 months).
LEGAL = """
SELECT le.customer_id,
  SUM(CASE WHEN le.kind IN ('insolvency', 'struck_off') AND (le.ended_on IS NULL OR le.ended_on > {as_of})
      THEN 1 ELSE 0 END) AS insolvency,
  SUM(CASE WHEN le.kind = 'struck_off' AND (le.ended_on IS NULL OR le.ended_on > {as_of})
      THEN 1 ELSE 0 END) AS struck_off,
  SUM(CASE WHEN le.kind = 'insolvency' AND le.ended_on <= {as_of} THEN 1 ELSE 0 END) AS insolvency_over,
  SUM(CASE WHEN le.kind IN ('lien', 'litigation', 'protest') AND le.effective_on > {as_of_long}
      THEN 1 ELSE 0 END) AS marks,
  SUM(CASE WHEN le.kind = 'protest' AND le.effective_on > {as_of_long} THEN 1 ELSE 0 END) AS protests,
  SUM(CASE WHEN le.kind = 'lien' AND le.effective_on > {as_of_long} THEN 1 ELSE 0 END) AS liens,
  SUM(CASE WHEN le.kind = 'litigation' AND le.effective_on > {as_of_long} THEN 1 ELSE 0 END) AS litigation,
  SUM(CASE WHEN le.kind = 'director_change' AND le.effective_on > {as_of_18m} THEN 1 ELSE 0 END) AS directors,
  SUM(CASE WHEN le.kind = 'address_change' AND le.effective_on > {as_of_long} THEN 1 ELSE 0 END) AS addresses
FROM customers_legalevent le
WHERE seen(le) AND customer_scope(le.customer_id) AND le.effective_on <= {as_of}
GROUP BY le.customer_id
"""

# A lien or pledge within 180 days after a new director, both within 24 months.
PLEDGED = """
SELECT li.customer_id, 1 AS pledged
FROM customers_legalevent li JOIN customers_legalevent le ON le.customer_id = li.customer_id
WHERE seen(li) AND customer_scope(li.customer_id) AND li.effective_on <= {as_of} AND li.effective_on > {as_of_long}
  AND li.kind = 'lien' AND seen(le) AND customer_scope(le.customer_id) AND le.kind = 'director_change'
  AND le.effective_on <= li.effective_on AND days(li.effective_on, le.effective_on) <= 180
GROUP BY li.customer_id
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
SELECT cu.id AS customer_id, SUBSTR(cu.sector, 1, 2) AS division,
  CASE WHEN cu.customer_since <= {as_of} THEN cu.customer_since END AS since,
  CASE WHEN cu.founded_on <= {as_of} THEN cu.founded_on END AS founded_on,
  COALESCE(lg.marks, 0) AS legal_marks, COALESCE(lg.protests, 0) AS protests, COALESCE(lg.liens, 0) AS liens,
  COALESCE(lg.litigation, 0) AS litigation, COALESCE(lg.directors, 0) AS directors,
  COALESCE(lg.addresses, 0) AS addresses, COALESCE(pl.pledged, 0) AS pledged,
  CASE WHEN lg.struck_off > 0 THEN 1 ELSE 0 END AS struck_off,
  CASE WHEN lg.insolvency_over > 0 THEN 1 ELSE 0 END AS insolvency_over,
  CASE WHEN COALESCE(lg.insolvency, 0) > 0 OR st.insolvent = 1
    OR (st.customer_id IS NULL AND cu.status = 'insolvent') THEN 1 ELSE 0 END AS insolvent
FROM customers_customer cu
LEFT JOIN legal lg ON lg.customer_id = cu.id
LEFT JOIN pledged pl ON pl.customer_id = cu.id
LEFT JOIN status st ON st.customer_id = cu.id
WHERE customer_scope(cu.id)
"""

CTES = (
    ("legal", LEGAL),
    ("pledged", PLEDGED),
    ("status", STATUS),
    ("c", CUSTOMER),
)
