"""What fell due, what came of it, what is open: the ledger's families.

What fell due: instalments with due_on in [judged - 365, judged). Their amount is split into parts, each with
its days late (never below 0):
  cash       the day it counts, at most the judged day, minus the due day
  inferred   the last day it was seen open minus the due day; left out when that is not positive
  rest       open and undisputed, or written off (small differences aside): judged minus due
Credited and disputed parts are in none. Amounts are minor units of the account's currency.
"""

from __future__ import annotations

# An instalment's share in account currency, in integers: SQLite and PostgreSQL divide them alike.
_TO_ACCOUNT = (
    "CASE WHEN i.account_amount = i.amount THEN {x} "
    "ELSE i.account_amount * (({x}) * 100000 / i.amount) / 100000 END"
)

# What is not plain cash of the past, in one scan: cash counted after the date, and every other kind.
UNUSUAL = """
SELECT al.id, al.account_id, al.instalment_id, al.write_off_id, al.kind, al.amount, al.account_amount,
  al.effective_on, al.settled_after
FROM customers_allocation al
WHERE seen(al) AND scope(al.account_id) AND (al.kind <> 'cash' OR al.effective_on > {as_of})
"""

# PostgreSQL sums bigints to numeric, which would no longer divide like integers: hence the casts.
# Current view: the stored open amount plus what was allocated after the date. No allocation before it is read.
MOVED_CURRENT = """
SELECT al.instalment_id,
  CAST(SUM(CASE WHEN al.effective_on > {as_of} THEN al.amount ELSE 0 END) AS bigint) AS later,
  CAST(SUM(CASE WHEN al.effective_on <= {as_of} AND w.id IS NOT NULL THEN al.account_amount ELSE 0 END) AS bigint)
    AS lost
FROM unusual al
LEFT JOIN customers_writeoff w ON w.id = al.write_off_id AND NOT w.is_small
WHERE al.instalment_id IS NOT NULL AND (al.effective_on > {as_of} OR al.kind = 'write_off')
GROUP BY al.instalment_id
"""
# Open now (few, and indexed), or settled now but moved: reading the two apart leaves the settled ones alone.
INVOICES_CURRENT = """
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, i.open_amount + COALESCE(m.later, 0) AS open_at,
    COALESCE(m.lost, 0) AS lost
  FROM customers_instalment i LEFT JOIN moved m ON m.instalment_id = i.id
  WHERE seen(i) AND scope(i.account_id) AND i.open_amount > 0 AND i.kind = 'invoice' AND i.effective_on <= {as_of}
  UNION ALL
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, m.later, m.lost
  FROM moved m JOIN customers_instalment i ON i.id = m.instalment_id
  WHERE seen(i) AND scope(i.account_id) AND i.open_amount = 0 AND i.kind = 'invoice' AND i.effective_on <= {as_of}
"""

# Any other view: the counters speak of today's knowledge, so balances come from the allocations themselves.
MOVED_OTHER = """
SELECT al.instalment_id, CAST(SUM(al.amount) AS bigint) AS settled,
  CAST(SUM(CASE WHEN w.id IS NOT NULL THEN al.account_amount ELSE 0 END) AS bigint) AS lost
FROM customers_allocation al
LEFT JOIN customers_writeoff w ON w.id = al.write_off_id AND NOT w.is_small
WHERE seen(al) AND scope(al.account_id) AND al.instalment_id IS NOT NULL AND al.effective_on <= {as_of}
GROUP BY al.instalment_id
"""
INVOICES_OTHER = """
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, i.amount - COALESCE(m.settled, 0) AS open_at,
    COALESCE(m.lost, 0) AS lost
  FROM customers_instalment i LEFT JOIN moved m ON m.instalment_id = i.id
  WHERE seen(i) AND scope(i.account_id) AND i.kind = 'invoice' AND i.effective_on <= {as_of}
    AND (m.instalment_id IS NULL OR m.settled < i.amount OR m.lost > 0)
"""

DISPUTED = """
SELECT di.instalment_id, CAST(SUM(di.amount) AS bigint) AS disputed
FROM customers_disputeitem di JOIN customers_dispute dp ON dp.id = di.dispute_id
WHERE seen(dp) AND scope(dp.account_id) AND dp.effective_on <= {as_of} AND dispute_open(dp)
GROUP BY di.instalment_id
"""

REST = f"""
SELECT i.account_id, i.due_on, {_TO_ACCOUNT.format(x="i.open_at")} AS open,
  {_TO_ACCOUNT.format(x="i.open_at - least(i.disputed, i.open_at)")} AS clean, i.lost
FROM (
  SELECT i.account_id, i.due_on, i.amount, i.account_amount, i.open_at, i.lost,
    COALESCE(q.disputed, 0) AS disputed
  FROM ({{invoices}}) i LEFT JOIN disputed q ON q.instalment_id = i.id
) i
WHERE i.open_at > 0 OR i.lost > 0
"""

# "IS NOT NULL" is implied; said aloud, PostgreSQL hashes the few reversals instead of every allocation.
_NOT_REVERSED = (
    "NOT EXISTS (SELECT 1 FROM customers_allocation r WHERE r.reverses_id = al.id AND r.reverses_id IS NOT NULL "
    "AND seen(r) AND r.effective_on <= {as_of} AND scope(r.account_id))"
)

# What each source of parts adds up to; the window is applied where the rows are read.
_LATENESS = """
  SUM(weight) AS weight,
  SUM(weight * late) FILTER (WHERE late > 0) AS weighted_days,
  SUM(weight) FILTER (WHERE due_ago <= {recent}) AS weight_recent,
  SUM(weight * late) FILTER (WHERE late > 0 AND due_ago <= {recent}) AS weighted_days_recent,
  SUM(weight) FILTER (WHERE late > 0) AS late,
  SUM(weight) FILTER (WHERE late > 15) AS late15,
  SUM(weight) FILTER (WHERE late > 30) AS late30,
  MAX(late) AS max_days"""
_SUMS = "weight weighted_days weight_recent weighted_days_recent late late15 late30".split()

# Cash knows its days late, so its due day needs no join (`effective_on - days_late`).
CASH = f"""
SELECT account_id, {_LATENESS} FROM (
  SELECT al.account_id, al.account_amount AS weight, days({{judged}}, al.effective_on) + al.days_late AS due_ago,
    al.days_late + least(0, days({{judged}}, al.effective_on)) AS late
  FROM customers_allocation al
  WHERE seen(al) AND scope(al.account_id) AND al.kind = 'cash' AND al.amount > 0
    AND al.effective_on <= {{as_of}} AND {_NOT_REVERSED}
) part
WHERE due_ago > 0 AND due_ago <= {{window}}
GROUP BY account_id
"""

INFERRED = f"""
SELECT account_id, {_LATENESS} FROM (
  SELECT al.account_id, al.account_amount AS weight, days({{judged}}, i.due_on) AS due_ago,
    days(least(al.settled_after, {{judged}}), i.due_on) AS late
  FROM unusual al JOIN customers_instalment i ON i.id = al.instalment_id AND scope(i.account_id)
  WHERE al.kind = 'inferred' AND al.amount > 0
    AND al.effective_on <= {{as_of}} AND al.settled_after > i.due_on AND {_NOT_REVERSED}
) part
WHERE due_ago > 0 AND due_ago <= {{window}}
GROUP BY account_id
"""

_DUE = "due_ago > 0 AND due_ago <= {window}"
OPEN = f"""
SELECT account_id,
  SUM(clean) FILTER (WHERE due_ago > 0) AS overdue,
  SUM(clean) FILTER (WHERE due_ago > {{window}}) AS overdue_old,
  SUM(clean) FILTER (WHERE due_ago > 60) AS overdue60,
  SUM(CASE WHEN due_ago > 0 AND clean > 0 THEN 1 ELSE 0 END) AS overdue_count,
  MAX(CASE WHEN due_ago > 0 AND clean > 0 THEN due_ago END) AS oldest_days,
  SUM(open - clean) AS disputed,
  SUM(weight) FILTER (WHERE {_DUE}) AS weight,
  SUM(weight * due_ago) FILTER (WHERE {_DUE}) AS weighted_days,
  SUM(weight) FILTER (WHERE due_ago > 0 AND due_ago <= {{recent}}) AS weight_recent,
  SUM(weight * due_ago) FILTER (WHERE due_ago > 0 AND due_ago <= {{recent}}) AS weighted_days_recent,
  SUM(weight) FILTER (WHERE {_DUE}) AS late,
  SUM(weight) FILTER (WHERE {_DUE} AND due_ago > 15) AS late15,
  SUM(weight) FILTER (WHERE {_DUE} AND due_ago > 30) AS late30,
  MAX(CASE WHEN {_DUE} AND weight > 0 THEN due_ago END) AS max_days
FROM (
  SELECT account_id, open, clean, clean + lost AS weight, days({{judged}}, due_on) AS due_ago FROM ({REST}) rest
) rest
GROUP BY account_id
"""

LATENESS = f"""
SELECT a.id AS account_id,
  {", ".join(f"COALESCE(cash.{c}, 0) + COALESCE(inferred.{c}, 0) + COALESCE(o.{c}, 0) AS {c}" for c in _SUMS)},
  greatest(COALESCE(cash.max_days, -9999), COALESCE(inferred.max_days, -9999), COALESCE(o.max_days, -9999))
    AS max_days
FROM customers_creditaccount a
LEFT JOIN cash ON cash.account_id = a.id
LEFT JOIN inferred ON inferred.account_id = a.id
LEFT JOIN o ON o.account_id = a.id
WHERE scope(a.id)
"""

# Dates are tested before the kind: they are cheaper and leave less.
BILLED = """
SELECT i.account_id,
  COUNT(*) FILTER (WHERE i.due_on < {judged} AND i.due_on >= {judged_window} AND i.kind = 'invoice') AS due_count,
  COUNT(*) FILTER (WHERE i.due_on >= {judged_recent} AND i.due_on < {judged} AND i.kind = 'invoice') AS due_recent,
  SUM(i.account_amount) FILTER (WHERE i.due_on < {judged} AND i.due_on >= {judged_window} AND i.kind = 'invoice')
    AS due_amount,
  COUNT(*) FILTER (WHERE i.effective_on > {as_of_window} AND i.kind = 'invoice') AS invoiced_count,
  SUM(i.account_amount) FILTER (WHERE i.effective_on > {as_of_window} AND i.kind = 'invoice') AS invoiced,
  SUM(i.account_amount) FILTER (WHERE i.effective_on > {as_of_long} AND i.kind = 'invoice') AS invoiced_long,
  SUM(i.account_amount) FILTER (WHERE i.effective_on > {as_of_window} AND i.kind <> 'invoice') AS credited,
  MIN(i.effective_on) FILTER (WHERE i.kind = 'invoice') AS first_on,
  MAX(i.effective_on) FILTER (WHERE i.kind = 'invoice') AS last_on
FROM customers_instalment i
WHERE seen(i) AND scope(i.account_id) AND i.effective_on <= {as_of}
GROUP BY i.account_id
"""

# A reversal is a negative row of the same kind, so what was taken back falls out of the sums.
MOVES = """
SELECT al.account_id,
  SUM(CASE WHEN al.kind = 'returned' AND al.effective_on > {as_of_window}
      THEN CASE WHEN al.amount > 0 THEN 1 ELSE -1 END ELSE 0 END) AS returned,
  SUM(CASE WHEN w.id IS NOT NULL THEN al.account_amount ELSE 0 END) AS written_off
FROM unusual al
LEFT JOIN customers_writeoff w ON w.id = al.write_off_id AND NOT w.is_small
WHERE al.kind IN ('returned', 'write_off')
  AND al.effective_on > {as_of_long} AND al.effective_on <= {as_of}
GROUP BY al.account_id
"""

CTES = (
    ("disputed", DISPUTED),
    ("cash", CASH),
    ("inferred", INFERRED),
    ("o", OPEN),
    ("l", LATENESS),
    ("b", BILLED),
    ("m", MOVES),
)
