"""Bank flows of the customer: balances, flows, incidents, weeks; only under a consent in force at {as_of}.

Lines of all bank accounts of a customer add up. They count in the accounts' own currency where there is one only,
else in EUR at the newest rates not after {as_of}; without a rate the customer has no bank flows (missing).

Windows end at `through`: the day up to which the feeds are complete, at most {as_of}. `ago` is whole days before it,
so a window of 90 days holds agos 0..89. Balances are those at the end of a day, and stay until the next booking.
A week is seven days counted back from `through`; weeks before the first line do not exist. All sums are integers of
minor units; the mean absolute deviation and the median are exact where a variance would not be.
"""

from __future__ import annotations

from creditdesk.core.money import unusual_exponents

WEEKS = 30
HISTORY_WEEKS = 26
SMOOTHED = 4
"""A sudden change holds the net flow of the last 4 weeks against that of the 4 weeks ending in each week before them:
over four weeks wages and rent weigh the same whenever one looks, in a single week they would not."""


def _in_cents(column: str) -> str:
    """What turns minor units of a currency into hundredths of its unit: 1 but for a few currencies."""
    by_exponent: dict[int, list[str]] = {}
    for currency, exponent in sorted(unusual_exponents().items()):
        by_exponent.setdefault(exponent, []).append(f"'{currency}'")
    whens = " ".join(
        f"WHEN {column} IN ({', '.join(some)}) THEN {10.0 ** (2 - exponent):g}"
        for exponent, some in sorted(by_exponent.items())
    )
    return f"CAST(CASE {whens} ELSE 1 END AS double precision)"


def minor_units(column: str) -> str:
    """SQL: minor units in one unit of the currency named by a column."""
    return f"(100 / {_in_cents(column)})"


# Cents of EUR in one minor unit of a currency, by its newest rate against EUR.
RATE = f"""
SELECT r.currency, r.rate * {_in_cents("r.currency")} AS to_eur FROM (
  SELECT CASE WHEN x.base = 'EUR' THEN x.quote ELSE x.base END AS currency,
    CASE WHEN x.base = 'EUR' THEN 1.0 / CAST(x.rate AS double precision) ELSE CAST(x.rate AS double precision) END
      AS rate,
    ROW_NUMBER() OVER (PARTITION BY CASE WHEN x.base = 'EUR' THEN x.quote ELSE x.base END
      ORDER BY x."on" DESC, x.id DESC) AS place
  FROM customers_exchangerate x
  WHERE x."on" <= {{as_of}} AND (x.base = 'EUR' OR x.quote = 'EUR')
) r WHERE r.place = 1
UNION ALL SELECT 'EUR', CAST(1 AS double precision)
"""

ACCOUNT = """
SELECT ba.id, ba.customer_id, ba.currency
FROM customers_bankaccount ba
WHERE customer_scope(ba.customer_id) AND EXISTS (
  SELECT 1 FROM customers_bankconsent bc
  WHERE bc.customer_id = ba.customer_id AND seen(bc)
    AND bc.effective_on <= {as_of} AND bc.expires_on >= {as_of}
    AND (bc.revoked_on IS NULL OR bc.revoked_on > {as_of})
)
"""

LINE = """
SELECT t.id, ba.customer_id, ba.id AS bank_account_id, ba.currency, t.effective_on, t.amount, t.balance, t.category,
  t.is_rejected, t.counterparty, ib.complete_through
FROM bk_account ba
JOIN customers_banktransaction t ON t.bank_account_id = ba.id
LEFT JOIN customers_importbatch ib ON ib.id = t.batch_id
WHERE seen(t) AND t.effective_on <= {as_of}
"""

# One row per customer with lines: the currency they add up in, and the days they cover.
PERSON = """
SELECT f.customer_id, f.unit, r.to_eur, f.first_on, f.through, days(f.through, f.first_on) + 1 AS days,
  days({as_of}, f.through) AS age
FROM (
  SELECT g.customer_id, CASE WHEN g.low = g.high THEN g.low ELSE 'EUR' END AS unit, g.first_on,
    CASE WHEN g.last_on >= {as_of} THEN {as_of} ELSE g.last_on END AS through
  FROM (
    SELECT l.customer_id, MIN(l.currency) AS low, MAX(l.currency) AS high, MIN(l.effective_on) AS first_on,
      COALESCE(MAX(l.complete_through), MAX(l.effective_on)) AS last_on
    FROM bk_line l GROUP BY l.customer_id
  ) g
) f
LEFT JOIN bk_rate r ON r.currency = f.unit
"""

# Lines in the customer's unit. A currency without a rate leaves a NULL factor, which bk_gap reports.
FLOW = """
SELECT l.id, l.customer_id, l.bank_account_id, l.effective_on, days(p.through, l.effective_on) AS ago,
  CASE WHEN l.currency = p.unit THEN l.amount ELSE CAST(round(l.amount * r.to_eur) AS bigint) END AS amount,
  CASE WHEN l.currency = p.unit THEN l.balance ELSE CAST(round(l.balance * r.to_eur) AS bigint) END AS balance,
  l.category, l.is_rejected, l.counterparty
FROM bk_line l JOIN bk_person p ON p.customer_id = l.customer_id
LEFT JOIN bk_rate r ON r.currency = l.currency
WHERE l.effective_on <= p.through
"""

# Balances are asked for within 180 days: what counts of the time before is the last booking of each account.
OPENED = """
SELECT f.bank_account_id, COALESCE(MIN(CASE WHEN f.ago >= 180 THEN f.ago END), 180) AS ago
FROM bk_flow f GROUP BY f.bank_account_id
"""

# The balance an account closes a day with is that after the last line stored of it.
CLOSE = """
SELECT x.customer_id, x.bank_account_id, x.ago, x.balance,
  x.balance - LAG(x.balance, 1, 0) OVER (PARTITION BY x.bank_account_id ORDER BY x.ago DESC) AS step
FROM (
  SELECT f.customer_id, f.bank_account_id, f.ago, f.balance,
    ROW_NUMBER() OVER (PARTITION BY f.bank_account_id, f.ago ORDER BY f.id DESC) AS place
  FROM bk_flow f JOIN bk_opened o ON o.bank_account_id = f.bank_account_id AND f.ago <= o.ago
) x WHERE x.place = 1
"""

# A balance holds from its day (`high`) down to the day before the next booking (`low`), in days ago.
TOTAL = """
SELECT s.customer_id, s.ago AS high,
  COALESCE(LEAD(s.ago) OVER (PARTITION BY s.customer_id ORDER BY s.ago DESC) + 1, 0) AS low,
  CAST(SUM(s.step) OVER (PARTITION BY s.customer_id ORDER BY s.ago DESC) AS bigint) AS balance
FROM (
  SELECT c.customer_id, c.ago, CAST(SUM(c.step) AS bigint) AS step
  FROM bk_close c GROUP BY c.customer_id, c.ago
) s
"""


def _held(days: int) -> str:
    """Days of a window of `days` during which a balance was held."""
    return f"(least(b.high, {days - 1}) - b.low + 1)"


def _window(days: int) -> str:
    inside = f"CASE WHEN b.low < {days} THEN"
    return (
        f"CAST(SUM({inside} b.balance * {_held(days)} END) AS bigint) AS sum_{days}, "
        f"CAST(SUM({inside} {_held(days)} END) AS bigint) AS held_{days}, "
        f"MIN({inside} b.balance END) AS low_{days}, "
        f"CAST(SUM(CASE WHEN b.low < {days} AND b.balance < 0 THEN {_held(days)} ELSE 0 END) AS bigint) "
        f"AS below_{days}"
    )


BALANCE = f"""
SELECT b.customer_id, {_window(30)}, {_window(90)}, {_window(180)},
  MAX(CASE WHEN b.low = 0 THEN b.balance END) AS now
FROM bk_total b GROUP BY b.customer_id
"""

# Customers one of whose balances or amounts is not known: no balance signals, or none at all.
GAP = """
SELECT f.customer_id, MAX(CASE WHEN f.amount IS NULL THEN 1 ELSE 0 END) AS amounts,
  MAX(CASE WHEN f.balance IS NULL THEN 1 ELSE 0 END) AS balances
FROM bk_flow f GROUP BY f.customer_id
"""


def _sum(what: str, condition: str, name: str) -> str:
    return f"CAST(SUM(CASE WHEN {condition} THEN {what} ELSE 0 END) AS bigint) AS {name}"


_PARTS = [
    _sum("f.amount", "f.amount > 0 AND f.ago < 90", "in_90"),
    _sum("-f.amount", "f.amount < 0 AND f.ago < 90", "out_90"),
    _sum("f.amount", "f.amount > 0 AND f.ago BETWEEN 90 AND 179", "in_before"),
    _sum("-f.amount", "f.amount < 0 AND f.ago BETWEEN 90 AND 179", "out_before"),
    _sum("f.amount", "f.amount > 0 AND f.ago < 180", "in_180"),
    _sum("-f.amount", "f.amount < 0 AND f.ago < 180", "out_180"),
    _sum("ABS(f.amount)", "f.category = 'cash' AND f.ago < 180", "cash_180"),
    _sum("f.amount", "f.amount > 0 AND f.counterparty <> '' AND f.ago < 180", "named_180"),
    _sum("1", "f.is_rejected AND f.category <> 'sanction' AND f.ago < 180", "rejected_180"),
    _sum("1", "f.category = 'sanction' AND f.ago < 180", "sanction_180"),
    "MAX(CASE WHEN f.amount < 0 AND f.ago < 90 THEN -f.amount END) AS largest_out",
    "MIN(CASE WHEN f.amount > 0 THEN f.ago END) AS inflow_ago",
    *(
        _sum("f.amount", f"f.amount > 0 AND f.ago BETWEEN {30 * n} AND {30 * n + 29}", f"month_{n}")
        for n in range(6)
    ),
]
SUMS = f"SELECT f.customer_id, {', '.join(_PARTS)} FROM bk_flow f GROUP BY f.customer_id"

SOURCE = """
SELECT s.customer_id, MAX(s.amount) AS largest FROM (
  SELECT f.customer_id, f.counterparty, CAST(SUM(f.amount) AS bigint) AS amount
  FROM bk_flow f WHERE f.amount > 0 AND f.ago < 180 AND f.counterparty <> ''
  GROUP BY f.customer_id, f.counterparty
) s GROUP BY s.customer_id
"""

NUMBER = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(WEEKS))

# Whole weeks within the data, those without any booking included: they are zero, not absent.
WEEK = f"""
SELECT p.customer_id, w.n, COALESCE(f.net, 0) AS net, COALESCE(f.inflow, 0) AS inflow
FROM bk_person p JOIN bk_number w ON w.n < p.days / 7
LEFT JOIN (
  SELECT f.customer_id, f.ago / 7 AS n, CAST(SUM(f.amount) AS bigint) AS net,
    CAST(SUM(CASE WHEN f.amount > 0 THEN f.amount ELSE 0 END) AS bigint) AS inflow
  FROM bk_flow f WHERE f.ago < {7 * WEEKS} GROUP BY f.customer_id, f.ago / 7
) f ON f.customer_id = p.customer_id AND f.n = w.n
"""

# Swings over the last 26 weeks: the sums first, then the distances from the mean (times the number of weeks).
SWING = f"""
SELECT k.customer_id, MAX(k.weeks) AS weeks, MAX(k.inflow) AS inflow,
  CAST(SUM(ABS(k.weeks * k.week_net - k.net)) AS bigint) AS net_off,
  CAST(SUM(ABS(k.weeks * k.week_in - k.inflow)) AS bigint) AS in_off,
  CAST(SUM(CASE WHEN k.week_in > 0 THEN 1 ELSE 0 END) AS bigint) AS with_inflow
FROM (
  SELECT w.customer_id, w.net AS week_net, w.inflow AS week_in,
    CAST(COUNT(*) OVER (PARTITION BY w.customer_id) AS bigint) AS weeks,
    CAST(SUM(w.net) OVER (PARTITION BY w.customer_id) AS bigint) AS net,
    CAST(SUM(w.inflow) OVER (PARTITION BY w.customer_id) AS bigint) AS inflow
  FROM bk_week w WHERE w.n < {HISTORY_WEEKS}
) k GROUP BY k.customer_id
"""


def _median_twice(value: str) -> str:
    """Twice the median of `value`, given its `place` in order and the `count` of the group: an integer."""
    return (
        f"SUM(CASE WHEN m.place = (m.number + 1) / 2 THEN {value} ELSE 0 END) "
        f"+ SUM(CASE WHEN m.place = (m.number + 2) / 2 THEN {value} ELSE 0 END)"
    )


# Net flow of the four weeks that end with week n; the last one (n = 0) and those before it without overlap.
LEVEL = f"""
SELECT w.customer_id, w.n, w.net FROM (
  SELECT w.customer_id, w.n, COUNT(*) OVER span AS weeks, CAST(SUM(w.net) OVER span AS bigint) AS net
  FROM bk_week w
  WINDOW span AS (PARTITION BY w.customer_id ORDER BY w.n ROWS BETWEEN CURRENT ROW AND {SMOOTHED - 1} FOLLOWING)
) w WHERE w.weeks = {SMOOTHED} AND (w.n = 0 OR w.n >= {SMOOTHED})
"""

MEDIAN = f"""
SELECT m.customer_id, MAX(m.number) AS number, CAST({_median_twice("m.net")} AS bigint) AS twice
FROM (
  SELECT w.customer_id, w.net, ROW_NUMBER() OVER (PARTITION BY w.customer_id ORDER BY w.net, w.n) AS place,
    COUNT(*) OVER (PARTITION BY w.customer_id) AS number
  FROM bk_level w WHERE w.n > 0
) m GROUP BY m.customer_id
"""

# Four times the median absolute deviation from the median.
SPREAD = f"""
SELECT m.customer_id, CAST({_median_twice("m.off")} AS bigint) AS four_times
FROM (
  SELECT d.customer_id, d.off, ROW_NUMBER() OVER (PARTITION BY d.customer_id ORDER BY d.off, d.n) AS place,
    COUNT(*) OVER (PARTITION BY d.customer_id) AS number
  FROM (
    SELECT w.customer_id, w.n, ABS(2 * w.net - md.twice) AS off
    FROM bk_level w JOIN bk_median md ON md.customer_id = w.customer_id WHERE w.n > 0
  ) d
) m GROUP BY m.customer_id
"""

STALE_DAYS = 60
"""Data that ends more than this many days before the date says nothing about it any more."""

BANK = f"""
SELECT p.customer_id, p.unit, p.to_eur, p.days, p.age, s.in_90, s.out_90, s.in_before, s.out_before, s.in_180,
  s.out_180, s.cash_180, s.named_180, s.rejected_180, s.sanction_180, s.largest_out, s.inflow_ago, so.largest,
  {", ".join(f"s.month_{n}" for n in range(6))},
  {
    ", ".join(
        f"CASE WHEN g.balances = 0 THEN b.{name}_{days} END AS {name}_{days}"
        for days in (30, 90, 180)
        for name in ("sum", "held", "low", "below")
    )
},
  CASE WHEN g.balances = 0 THEN b.now END AS now,
  sw.weeks, sw.inflow AS inflow_weeks, sw.net_off, sw.in_off, sw.with_inflow,
  md.number AS history, md.twice AS median_twice, sp.four_times AS spread, rc.net AS recent
FROM bk_person p
JOIN bk_gap g ON g.customer_id = p.customer_id AND g.amounts = 0
JOIN bk_sums s ON s.customer_id = p.customer_id
LEFT JOIN bk_balance b ON b.customer_id = p.customer_id
LEFT JOIN bk_source so ON so.customer_id = p.customer_id
LEFT JOIN bk_swing sw ON sw.customer_id = p.customer_id
LEFT JOIN bk_median md ON md.customer_id = p.customer_id
LEFT JOIN bk_spread sp ON sp.customer_id = p.customer_id
LEFT JOIN bk_level rc ON rc.customer_id = p.customer_id AND rc.n = 0
WHERE p.age <= {STALE_DAYS}
"""

CTES = (
    ("bk_rate", RATE),
    ("bk_account", ACCOUNT),
    ("bk_line", LINE),
    ("bk_person", PERSON),
    ("bk_flow", FLOW),
    ("bk_gap", GAP),
    ("bk_opened", OPENED),
    ("bk_close", CLOSE),
    ("bk_total", TOTAL),
    ("bk_balance", BALANCE),
    ("bk_sums", SUMS),
    ("bk_source", SOURCE),
    ("bk_number", NUMBER),
    ("bk_week", WEEK),
    ("bk_swing", SWING),
    ("bk_level", LEVEL),
    ("bk_median", MEDIAN),
    ("bk_spread", SPREAD),
    ("bk", BANK),
)
