"""Group and network: the other members of the customer's group, by their last kept scores before the date.

A group is a parent and the customers that name it, as of the date and in the view; one level. Members' scores
are those stored up to the evening before: that makes one pass out of what would otherwise go round in circles.
The weight of a member is its open debt at that score, in its account's own currency, plus one (so that members
without debt still count).
"""

from __future__ import annotations

import re

# The parent in force: the latest effective change seen; a customer without any keeps the parent it was given.
_PARENT = """
SELECT cu.id AS customer_id, CASE WHEN pa.customer_id IS NULL THEN cu.parent_id
    WHEN pa.seen = 1 THEN pa.parent_id END AS parent_id
FROM customers_customer cu LEFT JOIN (
  SELECT gm.customer_id, gm.parent_id, CASE WHEN gm.effective_on <= {as_of} AND seen(gm) THEN 1 ELSE 0 END AS seen,
    ROW_NUMBER() OVER (PARTITION BY gm.customer_id
      ORDER BY CASE WHEN gm.effective_on <= {as_of} AND seen(gm) THEN 0 ELSE 1 END,
        gm.effective_on DESC, gm.id DESC) AS place
  FROM customers_groupmembership gm WHERE WHOM(gm.customer_id)
) pa ON pa.customer_id = cu.id AND pa.place = 1
WHERE WHOM(cu.id)
"""


def _whom(condition: str) -> str:
    return re.sub(r"WHOM\((.*?)\)", lambda found: condition.format(found[1]), _PARENT)


# Only those who belong to anybody, or whom somebody names or ever named.
HEADS = f"""
SELECT customer_id, COALESCE(parent_id, customer_id) AS head
FROM ({_whom("customer_scope({0})")}) own
WHERE parent_id IS NOT NULL
  OR EXISTS (SELECT 1 FROM customers_customer child WHERE child.parent_id = own.customer_id)
  OR EXISTS (SELECT 1 FROM customers_groupmembership child WHERE child.parent_id = own.customer_id)
"""
# Who may be in one of these groups: the heads, and everybody who names or ever named one of them.
CANDIDATES = """
SELECT h.head AS customer_id FROM heads h
UNION SELECT cu.id FROM customers_customer cu JOIN heads h ON cu.parent_id = h.head
UNION SELECT gm.customer_id FROM customers_groupmembership gm JOIN heads h ON gm.parent_id = h.head
"""
MEMBERS = f"""
SELECT customer_id, COALESCE(parent_id, customer_id) AS head
FROM ({_whom("{0} IN (SELECT customer_id FROM candidates)")}) any_of
"""
OTHERS = """
SELECT h.customer_id, a.id AS account_id
FROM heads h JOIN members m ON m.head = h.head AND m.customer_id <> h.customer_id
JOIN customers_creditaccount a ON a.customer_id = m.customer_id
"""
LAST_KEPT = """
SELECT ot.customer_id, sh.score, sh.insolvent, sh.days_late_12m, sh.overdue_share, COALESCE(sh.exposure, 0) + 1 AS weight
FROM others ot JOIN scoring_scorehistory sh ON sh.id = (
  SELECT k.id FROM scoring_scorehistory k
  WHERE k.account_id = ot.account_id AND k.as_of < {as_of} AND kept(k)
  ORDER BY k.as_of DESC, k.id DESC LIMIT 1
)
"""
GROUP = """
SELECT a.id AS account_id, COUNT(*) AS members, SUM(lk.weight) AS weight, SUM(lk.weight * lk.score) AS scores,
  SUM(CASE WHEN lk.insolvent = 1 THEN 1 ELSE 0 END) AS insolvent,
  SUM(lk.weight) FILTER (WHERE lk.days_late_12m IS NOT NULL) AS weight_late,
  SUM(lk.weight * CAST(round(lk.days_late_12m * 1000000) AS numeric)) AS late_days,
  SUM(lk.weight) FILTER (WHERE lk.overdue_share IS NOT NULL) AS weight_overdue,
  SUM(lk.weight * CAST(round(lk.overdue_share * 1000000) AS numeric)) AS overdue
FROM customers_creditaccount a JOIN last_kept lk ON lk.customer_id = a.customer_id
WHERE scope(a.id)
GROUP BY a.id
"""

# For members that no pass had scored by then: their computed scores, given as a parameter (scoring/bygone.py).
GIVEN = (
    LAST_KEPT
    + """UNION ALL
SELECT ot.customer_id, gi.score, gi.insolvent, gi.days_late_12m, gi.overdue_share, gi.weight
FROM others ot JOIN given(members) gi ON gi.account_id = ot.account_id
"""
)
UNSCORED = """
SELECT DISTINCT ot.account_id FROM others ot
WHERE NOT EXISTS (
  SELECT 1 FROM scoring_scorehistory k WHERE k.account_id = ot.account_id AND k.as_of < {as_of} AND kept(k)
)
"""

CTES = (
    ("heads", HEADS),
    ("candidates", CANDIDATES),
    ("members", MEMBERS),
    ("others", OTHERS),
    ("last_kept", LAST_KEPT),
    ("g", GROUP),
)
