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
SELECT al.id, al.account_id, al.instalment_id, al.payment_id, al.write_off_id, al.kind, al.amount,
  al.account_amount, al.effective_on, al.settled_after
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
# given_up: settled in the end by a write-off (an instalment once reopened is judged from AGAIN instead).
_GIVEN_UP = "CASE WHEN i.settled_by = 'write_off' AND NOT i.reopened THEN 1 ELSE 0 END AS given_up"
INVOICES_CURRENT = f"""
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, i.open_amount + COALESCE(m.later, 0) AS open_at,
    COALESCE(m.lost, 0) AS lost, {_GIVEN_UP}
  FROM customers_instalment i LEFT JOIN moved m ON m.instalment_id = i.id
  WHERE seen(i) AND scope(i.account_id) AND i.open_amount > 0 AND i.kind = 'invoice' AND i.effective_on <= {{as_of}}
  UNION ALL
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, m.later, m.lost, {_GIVEN_UP}
  FROM moved m JOIN customers_instalment i ON i.id = m.instalment_id
  WHERE seen(i) AND scope(i.account_id) AND i.open_amount = 0 AND i.kind = 'invoice' AND i.effective_on <= {{as_of}}
"""

# Any other view: the counters speak of today's knowledge, so balances come from the allocations themselves.
# The last allocation in the order they count says when and by what a settled instalment was settled.
MOVED_OTHER = """
SELECT instalment_id, CAST(SUM(amount) AS bigint) AS settled,
  CAST(SUM(CASE WHEN is_loss = 1 THEN account_amount ELSE 0 END) AS bigint) AS lost,
  MAX(effective_on) AS last_on, MAX(CASE WHEN place = 1 THEN kind END) AS last_kind,
  MAX(CASE WHEN place = 1 THEN settled_after END) AS last_after
FROM (
  SELECT al.instalment_id, al.amount, al.account_amount, al.effective_on, al.kind, al.settled_after,
    CASE WHEN w.id IS NOT NULL THEN 1 ELSE 0 END AS is_loss,
    ROW_NUMBER() OVER (PARTITION BY al.instalment_id ORDER BY al.effective_on DESC, al.amount, al.id DESC) AS place
  FROM customers_allocation al
  LEFT JOIN customers_writeoff w ON w.id = al.write_off_id AND NOT w.is_small
  WHERE seen(al) AND scope(al.account_id) AND al.instalment_id IS NOT NULL AND al.effective_on <= {as_of}
) al
GROUP BY instalment_id
"""
INVOICES_OTHER = """
  SELECT i.id, i.account_id, i.due_on, i.amount, i.account_amount, i.amount - COALESCE(m.settled, 0) AS open_at,
    COALESCE(m.lost, 0) AS lost, CASE WHEN m.last_kind = 'write_off' THEN 1 ELSE 0 END AS given_up
  FROM customers_instalment i LEFT JOIN moved m ON m.instalment_id = i.id
  WHERE seen(i) AND scope(i.account_id) AND i.kind = 'invoice' AND i.effective_on <= {as_of}
    AND (m.instalment_id IS NULL OR m.settled < i.amount OR m.lost > 0)
"""

# Current view: instalments once reopened (few). Their stored settlement is today's, so it is found again as of
# the date. Any other view knows it from MOVED_OTHER already.
REOPENED_CURRENT = MOVED_OTHER.replace(
    "AND al.instalment_id IS NOT NULL",
    "AND al.instalment_id IN (SELECT r.instalment_id FROM customers_allocation r "
    "WHERE r.reverses_id IS NOT NULL AND r.instalment_id IS NOT NULL AND seen(r) AND scope(r.account_id))",
)
REOPENED_OTHER = "SELECT instalment_id, settled, lost, last_on, last_kind, last_after FROM moved WHERE FALSE"

DISPUTED = """
SELECT di.instalment_id, CAST(SUM(di.amount) AS bigint) AS disputed
FROM customers_disputeitem di JOIN customers_dispute dp ON dp.id = di.dispute_id
WHERE seen(dp) AND scope(dp.account_id) AND dp.effective_on <= {as_of} AND dispute_open(dp)
GROUP BY di.instalment_id
"""

REST = f"""
SELECT i.account_id, i.due_on, i.account_amount, {_TO_ACCOUNT.format(x="i.open_at")} AS open,
  {_TO_ACCOUNT.format(x="i.open_at - least(i.disputed, i.open_at)")} AS clean, i.lost,
  CASE WHEN i.open_at > i.disputed OR i.open_at = 0 AND i.lost > 0 AND i.given_up = 1 THEN 1 ELSE 0 END AS counts,
  CASE WHEN i.open_at > i.disputed AND i.open_at < i.amount THEN 1 ELSE 0 END AS part_paid
FROM (
  SELECT i.account_id, i.due_on, i.amount, i.account_amount, i.open_at, i.lost, i.given_up,
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
  SUM(weight * late) AS signed_days,
  SUM(weight * late) FILTER (WHERE late > 0) AS weighted_days,
  SUM(weight) FILTER (WHERE due_ago <= {recent}) AS weight_recent,
  SUM(weight * late) FILTER (WHERE late > 0 AND due_ago <= {recent}) AS weighted_days_recent,
  SUM(weight) FILTER (WHERE late > 0) AS late,
  SUM(weight) FILTER (WHERE late > 15) AS late15,
  SUM(weight) FILTER (WHERE late > 30) AS late30,
  MAX(late) AS max_days"""
_SUMS = "weight signed_days weighted_days weight_recent weighted_days_recent late late15 late30".split()

# How late whole instalments were, each counting once (`delay`, below 0 counts as 0). An instalment's delay is
# the day it was settled by cash minus its due day; inferred: as for its part; open and undisputed, or given up:
# judged day minus due day; credited or disputed: none.
_DELAYS = """
  COUNT(delay) AS n,
  COUNT(*) FILTER (WHERE delay > 0) AS n0,
  COUNT(*) FILTER (WHERE delay > 15) AS n15,
  COUNT(*) FILTER (WHERE delay > 30) AS n30,
  COUNT(*) FILTER (WHERE delay > 60) AS n60,
  SUM(delay) FILTER (WHERE delay > 0) AS days,
  SUM(delay * delay) FILTER (WHERE delay > 0) AS days2,
  MAX(CASE WHEN delay IS NOT NULL THEN account_amount * 1000 + greatest(delay, 0) END) AS largest"""
_COUNTS = "n n0 n15 n30 n60 days days2".split()


def _delay(kind: str, on: str, after: str) -> str:
    return (
        f"CASE WHEN {kind} = 'cash' THEN days(least({on}, {{judged}}), i.due_on) "
        f"WHEN {kind} = 'inferred' AND {after} > i.due_on THEN days(least({after}, {{judged}}), i.due_on) END"
    )


# Cash knows its days late, so its due day needs no join (`effective_on - days_late`).
CASH = f"""
SELECT account_id, COUNT(*) AS receipts, MAX(effective_on) AS last_on, {_LATENESS} FROM (
  SELECT al.account_id, al.account_amount AS weight, al.effective_on,
    days({{judged}}, al.effective_on) + al.days_late AS due_ago,
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
  SUM(open) AS open,
  SUM(clean) FILTER (WHERE due_ago > 0) AS overdue,
  SUM(clean) FILTER (WHERE due_ago > {{window}}) AS overdue_old,
  SUM(clean) FILTER (WHERE due_ago > 30) AS overdue30,
  SUM(clean) FILTER (WHERE due_ago > 60) AS overdue60,
  SUM(clean) FILTER (WHERE due_ago > 90) AS overdue90,
  SUM(clean * due_ago) FILTER (WHERE due_ago > 0) AS overdue_days,
  SUM(CASE WHEN due_ago > 0 AND clean > 0 THEN 1 ELSE 0 END) AS overdue_count,
  SUM(CASE WHEN due_ago > 0 THEN part_paid ELSE 0 END) AS part_paid,
  MAX(CASE WHEN due_ago > 0 AND clean > 0 THEN due_ago END) AS oldest_days,
  SUM(open - clean) AS disputed,
  SUM(weight) FILTER (WHERE {_DUE}) AS weight,
  SUM(weight * due_ago) FILTER (WHERE {_DUE}) AS weighted_days,
  SUM(weight) FILTER (WHERE due_ago > 0 AND due_ago <= {{recent}}) AS weight_recent,
  SUM(weight * due_ago) FILTER (WHERE due_ago > 0 AND due_ago <= {{recent}}) AS weighted_days_recent,
  SUM(weight) FILTER (WHERE {_DUE}) AS late,
  SUM(weight) FILTER (WHERE {_DUE} AND due_ago > 15) AS late15,
  SUM(weight) FILTER (WHERE {_DUE} AND due_ago > 30) AS late30,
  MAX(CASE WHEN {_DUE} AND weight > 0 THEN due_ago END) AS max_days, {_DELAYS}
FROM (
  SELECT account_id, account_amount, open, clean, clean + lost AS weight, part_paid, due_ago,
    CASE WHEN counts = 1 AND {_DUE} THEN due_ago END AS delay
  FROM (SELECT rest.*, days({{judged}}, due_on) AS due_ago FROM ({REST}) rest) rest
) rest
GROUP BY account_id
"""

REOPENED = f"""
SELECT account_id, {_DELAYS} FROM (
  SELECT i.account_id, i.account_amount, CASE WHEN r.last_kind = 'write_off' AND r.lost > 0
    THEN days({{judged}}, i.due_on) ELSE {_delay("r.last_kind", "r.last_on", "r.last_after")} END AS delay
  FROM reopened r JOIN customers_instalment i ON i.id = r.instalment_id
  WHERE r.settled = i.amount AND seen(i) AND scope(i.account_id) AND i.kind = 'invoice'
    AND i.effective_on <= {{as_of}} AND i.due_on < {{judged}} AND i.due_on >= {{judged_window}}
) again
GROUP BY account_id
"""

# What was billed, and how late it was settled: from the stored settlement, or from the allocations.
_SETTLED_CURRENT = (
    "CASE WHEN i.settled_on <= {as_of} AND NOT i.reopened THEN "
    + _delay("i.settled_by", "i.settled_on", "i.settled_after")
    + " END"
)
_SETTLED_OTHER = (
    "CASE WHEN m.settled = i.amount THEN " + _delay("m.last_kind", "m.last_on", "m.last_after") + " END"
)
_BILLED = f"""
SELECT account_id,
  COUNT(*) FILTER (WHERE is_due) AS due_count,
  COUNT(*) FILTER (WHERE is_due AND due_on >= {{judged_recent}}) AS due_recent,
  SUM(account_amount) FILTER (WHERE is_due) AS due_amount,
  COUNT(*) FILTER (WHERE is_invoice AND effective_on > {{as_of_window}}) AS invoiced_count,
  COUNT(*) FILTER (WHERE NOT is_invoice AND effective_on > {{as_of_window}}) AS credited_count,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_q1}}) AS q1,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_q2}} AND effective_on <= {{as_of_q1}}) AS q2,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_q3}} AND effective_on <= {{as_of_q2}}) AS q3,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_window}} AND effective_on <= {{as_of_q3}})
    AS q4,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_window}}) AS invoiced,
  SUM(account_amount) FILTER (WHERE is_invoice AND effective_on > {{as_of_long}}) AS invoiced_long,
  SUM(account_amount) FILTER (WHERE NOT is_invoice AND effective_on > {{as_of_window}}) AS credited,
  MIN(effective_on) FILTER (WHERE is_invoice) AS first_on,
  MAX(effective_on) FILTER (WHERE is_invoice) AS last_on, {_DELAYS}
FROM fenced(
  SELECT i.account_id, i.account_amount, i.effective_on, i.due_on, i.kind = 'invoice' AS is_invoice,
    i.kind = 'invoice' AND i.due_on < {{judged}} AND i.due_on >= {{judged_window}} AS is_due,
    CASE WHEN i.kind = 'invoice' AND i.due_on < {{judged}} AND i.due_on >= {{judged_window}} THEN SETTLED END AS delay
  FROM customers_instalment i JOINED
  WHERE seen(i) AND scope(i.account_id) AND i.effective_on <= {{as_of}}
) i
GROUP BY account_id
"""
BILLED_CURRENT = _BILLED.replace("SETTLED", _SETTLED_CURRENT).replace("JOINED", "")
BILLED_OTHER = _BILLED.replace("SETTLED", _SETTLED_OTHER).replace(
    "JOINED", "LEFT JOIN moved m ON m.instalment_id = i.id"
)


def _added(columns: list[str], *sources: str) -> str:
    return ", ".join(f"{' + '.join(f'COALESCE({s}.{c}, 0)' for s in sources)} AS {c}" for c in columns)


LATENESS = f"""
SELECT a.id AS account_id, cash.receipts, cash.last_on AS paid_on,
  {_added(_SUMS[:1] + _SUMS[2:], "cash", "inferred", "o")},
  COALESCE(cash.signed_days, 0) + COALESCE(inferred.signed_days, 0) + COALESCE(o.weighted_days, 0) AS signed_days,
  greatest(COALESCE(cash.max_days, -9999), COALESCE(inferred.max_days, -9999), COALESCE(o.max_days, -9999))
    AS max_days,
  {_added(_COUNTS, "b", "o", "again")},
  greatest(COALESCE(b.largest, -1), COALESCE(o.largest, -1), COALESCE(again.largest, -1)) AS largest
FROM customers_creditaccount a
LEFT JOIN b ON b.account_id = a.id
LEFT JOIN cash ON cash.account_id = a.id
LEFT JOIN inferred ON inferred.account_id = a.id
LEFT JOIN o ON o.account_id = a.id
LEFT JOIN again ON again.account_id = a.id
WHERE scope(a.id)
"""

# Unapplied cash: what payments still hold, now plus what was taken from them after the date.
UNAPPLIED_CURRENT = """
SELECT account_id, SUM(held) AS unapplied FROM (
  SELECT pa.account_id, pa.open_amount AS held FROM customers_payment pa
  WHERE seen(pa) AND scope(pa.account_id) AND pa.open_amount > 0 AND pa.effective_on <= {as_of}
  UNION ALL
  SELECT pa.account_id, al.amount FROM unusual al JOIN customers_payment pa ON pa.id = al.payment_id
  WHERE al.effective_on > {as_of} AND seen(pa) AND scope(pa.account_id) AND pa.effective_on <= {as_of}
) held
GROUP BY account_id
"""
UNAPPLIED_OTHER = """
SELECT account_id, SUM(held) AS unapplied FROM (
  SELECT pa.account_id, pa.amount AS held FROM customers_payment pa
  WHERE seen(pa) AND scope(pa.account_id) AND pa.effective_on <= {as_of}
  UNION ALL
  SELECT pa.account_id, -al.amount FROM customers_allocation al JOIN customers_payment pa ON pa.id = al.payment_id
  WHERE seen(al) AND scope(al.account_id) AND al.effective_on <= {as_of} AND seen(pa) AND scope(pa.account_id)
    AND pa.effective_on <= {as_of}
) held
GROUP BY account_id
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


def ctes(view: str) -> tuple[tuple[str, str], ...]:
    """In order of definition, for the view they are read in."""
    current = view == "current"
    return (
        ("unusual", UNUSUAL),
        ("moved", MOVED_CURRENT if current else MOVED_OTHER),
        ("reopened", REOPENED_CURRENT if current else REOPENED_OTHER),
        ("disputed", DISPUTED),
        ("cash", CASH),
        ("inferred", INFERRED),
        ("o", OPEN.replace("{invoices}", INVOICES_CURRENT if current else INVOICES_OTHER)),
        ("again", REOPENED),
        ("b", BILLED_CURRENT if current else BILLED_OTHER),
        ("l", LATENESS),
        ("u", UNAPPLIED_CURRENT if current else UNAPPLIED_OTHER),
        ("m", MOVES),
    )
