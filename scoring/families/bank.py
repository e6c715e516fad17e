"""Bank flows of the customer: balances, flows, incidents, weeks; only under a consent in force at {as_of}.

Balances count only where the consent that lasts longest lets them be read: one renewed for transactions alone keeps
them from the signals, whatever was stored under an earlier one.

Lines of all bank accounts of a customer add up. They count in the accounts' own currency where there is one only,
else in EUR at the newest rates not after {as_of}; without a rate the customer has no bank flows (missing).

Windows end at `through`: the day up to which the feeds are complete, at most {as_of}. A file is complete to its last day
for every account in it, unless nothing was booked on an account for longer than SILENT_DAYS before: its feed ended with
its last booking, for who still banks there has a fee, a wage or a rent within a month. `ago` is whole days before it,
so a window of 90 days holds agos 0..89. Balances are those at the end of a day, and stay until the next booking.
A week is seven days counted back from `through`; weeks before the first line do not exist. All sums are integers of
minor units; the mean absolute deviation and the median are exact where a variance would not be.
"""

from __future__ import annotations

from creditdesk.core.money import unusual_exponents

WEEKS = 30
BALANCE_DAYS = 180
HISTORY_WEEKS = 26
SMOOTHED = 4
"""A sudden change holds the net flow of the last 4 weeks against that of the 4 weeks ending in each week before them:
over four weeks wages and rent weigh the same whenever one looks, in a single week they would not."""
STALE_DAYS = 60
"""Data that ends more than this many days before the date says nothing about it any more."""
SILENT_DAYS = 35
"""An account without a booking for longer than this before the end of its file is not quiet: its feed ended."""


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

_CONSENT = """customers_bankconsent bc
  WHERE bc.customer_id = ba.customer_id AND seen(bc)
    AND bc.effective_on <= {as_of} AND bc.expires_on >= {as_of}
    AND (bc.revoked_on IS NULL OR bc.revoked_on > {as_of})"""

# withheld: 1 where balances are not in the scope of the consent (customers.bank.consents.consent_of).
ACCOUNT = f"""
SELECT ba.id, ba.customer_id, ba.currency, (
  SELECT CASE WHEN bc.scope = 'transactions' THEN 1 ELSE 0 END FROM {_CONSENT}
  ORDER BY bc.expires_on DESC, bc.id DESC LIMIT 1
) AS withheld
FROM customers_bankaccount ba
WHERE customer_scope(ba.customer_id) AND EXISTS (SELECT 1 FROM {_CONSENT})
"""

# What the lines of an account span, whatever their age; one light pass over all of them. Grouped by a column of the
# table itself: PostgreSQL then knows how many accounts there are, and everything after is planned by that.
EXTENT = """
SELECT t.bank_account_id, MIN(t.effective_on) AS first_on, MAX(t.effective_on) AS last_on,
  MAX(ib.complete_through) AS complete_through, COUNT(*) - COUNT(t.balance) AS unstated
FROM bk_account ba JOIN customers_banktransaction t ON t.bank_account_id = ba.id
LEFT JOIN customers_importbatch ib ON ib.id = t.batch_id
WHERE seen(t) AND t.effective_on <= {as_of}
GROUP BY t.bank_account_id
"""

# Up to which day an account is told: to the end of its file, or to its last booking where the file goes on without it.
_ENDS = "CASE WHEN e.complete_through > {as_of} THEN {as_of} ELSE e.complete_through END"
_THROUGH = f"""CASE WHEN e.complete_through IS NULL OR e.complete_through < e.last_on
        OR days({_ENDS}, e.last_on) > {SILENT_DAYS} THEN e.last_on ELSE {_ENDS} END"""

# One row per customer with lines: the currency they add up in, and the days they cover.
PERSON = f"""
SELECT f.customer_id, f.unit, r.to_eur, f.first_on, f.through, days(f.through, f.first_on) + 1 AS days,
  days({{as_of}}, f.through) AS age
FROM (
  SELECT g.customer_id, CASE WHEN g.low = g.high THEN g.low ELSE 'EUR' END AS unit, g.first_on, g.through
  FROM (
    SELECT ba.customer_id, MIN(ba.currency) AS low, MAX(ba.currency) AS high, MIN(e.first_on) AS first_on,
      MAX({_THROUGH}) AS through
    FROM bk_extent e JOIN bk_account ba ON ba.id = e.bank_account_id GROUP BY ba.customer_id
  ) g
) f
LEFT JOIN bk_rate r ON r.currency = f.unit
"""

_LINES_OF = "customers_banktransaction t WHERE t.bank_account_id = e.bank_account_id AND seen(t)"

# How to read the lines of an account. Balances are asked for within 180 days: what counts of the time before is
# the last booking of each account (its day, `opened_on`). A currency without a rate leaves the amounts unknown.
# inflow_on: the day money last came in.
# All is told from few lines, found by their day; unstated balances are looked for only where there are any.
FEED = f"""
SELECT e.bank_account_id, ba.customer_id, p.through, r.to_eur,
  CASE WHEN ba.currency = p.unit THEN 1 ELSE 0 END AS is_own,
  CASE WHEN ba.currency <> p.unit AND r.to_eur IS NULL THEN 1 ELSE 0 END AS amounts,
  CASE WHEN ba.withheld > 0 THEN 1 WHEN e.unstated = 0 THEN 0
    WHEN EXISTS (SELECT 1 FROM {_LINES_OF} AND t.effective_on <= p.through AND t.balance IS NULL) THEN 1
    ELSE 0 END AS balances,
  (SELECT t.effective_on FROM {_LINES_OF} AND t.effective_on <= plus_days(p.through, -{BALANCE_DAYS})
    ORDER BY t.effective_on DESC LIMIT 1) AS opened_on,
  (SELECT t.effective_on FROM {_LINES_OF} AND t.effective_on <= p.through
    AND CASE WHEN ba.currency = p.unit THEN t.amount ELSE CAST(round(t.amount * r.to_eur) AS bigint) END > 0
    ORDER BY t.effective_on DESC LIMIT 1) AS inflow_on
FROM bk_extent e JOIN bk_account ba ON ba.id = e.bank_account_id
JOIN bk_person p ON p.customer_id = ba.customer_id AND e.first_on <= p.through
LEFT JOIN bk_rate r ON r.currency = ba.currency
WHERE p.age <= {STALE_DAYS}
"""

# Lines in the customer's unit: those of the last weeks, and from the booking on that balances start with (`held`).
FLOW = f"""
SELECT t.id, fd.customer_id, t.bank_account_id, days(fd.through, t.effective_on) AS ago,
  CASE WHEN fd.is_own = 1 THEN t.amount ELSE CAST(round(t.amount * fd.to_eur) AS bigint) END AS amount,
  CASE WHEN fd.is_own = 1 THEN t.balance ELSE CAST(round(t.balance * fd.to_eur) AS bigint) END AS balance,
  t.category, t.is_rejected, t.counterparty,
  CASE WHEN t.effective_on > plus_days(fd.through, -{BALANCE_DAYS}) OR t.effective_on = fd.opened_on
    THEN 1 ELSE 0 END AS held
FROM bk_feed fd JOIN customers_banktransaction t ON t.bank_account_id = fd.bank_account_id
WHERE seen(t) AND t.effective_on <= fd.through
  AND (t.effective_on > plus_days(fd.through, -{7 * WEEKS}) OR t.effective_on = fd.opened_on)
"""

# The balance an account closes a day with is that after the last line stored of it.
CLOSE = """
SELECT x.customer_id, x.ago, x.balance - LAG(x.balance, 1, 0) OVER (
    PARTITION BY x.customer_id, x.bank_account_id ORDER BY x.ago DESC) AS step
FROM (
  SELECT f.customer_id, f.bank_account_id, f.ago, f.balance,
    LEAD(f.ago) OVER (PARTITION BY f.customer_id, f.bank_account_id ORDER BY f.ago DESC, f.id) AS next_ago
  FROM bk_flow f WHERE f.held > 0
) x WHERE x.next_ago IS NULL OR x.next_ago < x.ago
"""

# A balance holds from its day (`high`) down to the day before the next booking (`low`), in days ago. Where several
# accounts move on one day, all but the last row of it hold for no day, with the total of the day like that one.
TOTAL = """
SELECT c.customer_id, c.ago AS high,
  COALESCE(LEAD(c.ago) OVER by_day + 1, 0) AS low, CAST(SUM(c.step) OVER by_day AS bigint) AS balance
FROM bk_close c
WINDOW by_day AS (PARTITION BY c.customer_id ORDER BY c.ago DESC)
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
SELECT fd.customer_id, MAX(fd.amounts) AS amounts, MAX(fd.balances) AS balances,
  MIN(days(fd.through, fd.inflow_on)) AS inflow_ago
FROM bk_feed fd GROUP BY fd.customer_id
"""

# Sums of periods of 30 days, of which the longer windows are made; what is older than 180 days is period 6.
PERIOD = """
SELECT f.customer_id, least(f.ago / 30, 6) AS n,
  CAST(SUM(CASE WHEN f.amount > 0 THEN f.amount ELSE 0 END) AS bigint) AS inflow,
  CAST(SUM(CASE WHEN f.amount < 0 THEN -f.amount ELSE 0 END) AS bigint) AS outflow,
  CAST(SUM(CASE WHEN f.category = 'cash' THEN ABS(f.amount) ELSE 0 END) AS bigint) AS cash,
  CAST(SUM(CASE WHEN f.amount > 0 AND f.counterparty <> '' THEN f.amount ELSE 0 END) AS bigint) AS named,
  COUNT(CASE WHEN f.is_rejected AND f.category <> 'sanction' THEN 1 END) AS rejected,
  COUNT(CASE WHEN f.category = 'sanction' THEN 1 END) AS sanction,
  MIN(f.amount) AS least_amount
FROM bk_flow f GROUP BY f.customer_id, least(f.ago / 30, 6)
"""


def _sum(what: str, low: int, high: int, name: str) -> str:
    """What the periods of the days from `low` to before `high` add up to."""
    inside = f"f.n BETWEEN {low // 30} AND {high // 30 - 1}"
    return f"CAST(SUM(CASE WHEN {inside} THEN f.{what} ELSE 0 END) AS bigint) AS {name}"


_PARTS = [
    _sum("inflow", 0, 90, "in_90"),
    _sum("outflow", 0, 90, "out_90"),
    _sum("inflow", 90, 180, "in_before"),
    _sum("outflow", 90, 180, "out_before"),
    _sum("inflow", 0, 180, "in_180"),
    _sum("outflow", 0, 180, "out_180"),
    _sum("cash", 0, 180, "cash_180"),
    _sum("named", 0, 180, "named_180"),
    _sum("rejected", 0, 180, "rejected_180"),
    _sum("sanction", 0, 180, "sanction_180"),
    "MAX(CASE WHEN f.n < 3 AND f.least_amount < 0 THEN -f.least_amount END) AS largest_out",
    *(_sum("inflow", 30 * n, 30 * n + 30, f"month_{n}") for n in range(6)),
]
SUMS = f"SELECT f.customer_id, {', '.join(_PARTS)} FROM bk_period f GROUP BY f.customer_id"

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


def _median_twice(value: str, over: str = "") -> str:
    """Twice the median of `value`, given its `place` in order and the `number` of the group: an integer."""
    return (
        f"SUM(CASE WHEN m.place = (m.number + 1) / 2 THEN {value} ELSE 0 END){over} "
        f"+ SUM(CASE WHEN m.place = (m.number + 2) / 2 THEN {value} ELSE 0 END){over}"
    )


# Net flow of the four weeks that end with week n; the last one (n = 0) and those before it without overlap.
LEVEL = f"""
SELECT w.customer_id, w.n, w.net, MAX(CASE WHEN w.n = 0 THEN w.net END) OVER (PARTITION BY w.customer_id) AS recent
FROM (
  SELECT w.customer_id, w.n, COUNT(*) OVER span AS weeks, CAST(SUM(w.net) OVER span AS bigint) AS net
  FROM bk_week w
  WINDOW span AS (PARTITION BY w.customer_id ORDER BY w.n ROWS BETWEEN CURRENT ROW AND {SMOOTHED - 1} FOLLOWING)
) w WHERE w.weeks >= {SMOOTHED} AND (w.n < 1 OR w.n >= {SMOOTHED})
"""

# The median of the levels before, and four times the median absolute deviation from it. Windows, not joins: each
# customer's few weeks are put in order twice.
SPREAD = f"""
SELECT m.customer_id, MAX(m.number) AS number, MAX(m.twice) AS twice, MAX(m.recent) AS recent,
  CAST({_median_twice("m.off")} AS bigint) AS four_times
FROM (
  SELECT d.*, ROW_NUMBER() OVER (PARTITION BY d.customer_id ORDER BY d.off, d.n) AS place
  FROM (
    SELECT k.customer_id, k.n, k.number, k.twice, k.recent, ABS(2 * k.net - k.twice) AS off
    FROM (
      SELECT m.customer_id, m.n, m.net, m.number, m.recent,
        CAST({_median_twice("m.net", " OVER (PARTITION BY m.customer_id)")} AS bigint) AS twice
      FROM (
        SELECT w.customer_id, w.n, w.net, w.recent, COUNT(*) OVER (PARTITION BY w.customer_id) AS number,
          ROW_NUMBER() OVER (PARTITION BY w.customer_id ORDER BY w.net, w.n) AS place
        FROM bk_level w WHERE w.n > 0
      ) m
    ) k
  ) d
) m GROUP BY m.customer_id
"""

# Comparisons with a bound (`< 1`, `> 0`), not equalities, choose rows of what was made up above: of columns without
# statistics PostgreSQL thinks that one row in 200 equals anything, and would loop over the rest again for each.
BANK = f"""
SELECT p.customer_id, p.unit, p.to_eur, p.days, p.age, s.in_90, s.out_90, s.in_before, s.out_before, s.in_180,
  s.out_180, s.cash_180, s.named_180, s.rejected_180, s.sanction_180, s.largest_out,
  g.inflow_ago, so.largest,
  {", ".join(f"s.month_{n}" for n in range(6))},
  {
    ", ".join(
        f"CASE WHEN g.balances < 1 THEN b.{name}_{days} END AS {name}_{days}"
        for days in (30, 90, 180)
        for name in ("sum", "held", "low", "below")
    )
},
  CASE WHEN g.balances < 1 THEN b.now END AS now,
  sw.weeks, sw.inflow AS inflow_weeks, sw.net_off, sw.in_off, sw.with_inflow,
  sp.number AS history, sp.twice AS median_twice, sp.four_times AS spread, sp.recent
FROM bk_person p
JOIN bk_gap g ON g.customer_id = p.customer_id AND g.amounts < 1
JOIN bk_sums s ON s.customer_id = p.customer_id
LEFT JOIN bk_balance b ON b.customer_id = p.customer_id
LEFT JOIN bk_source so ON so.customer_id = p.customer_id
LEFT JOIN bk_swing sw ON sw.customer_id = p.customer_id
LEFT JOIN bk_spread sp ON sp.customer_id = p.customer_id
WHERE p.age <= {STALE_DAYS}
"""

CTES = (
    ("bk_rate", RATE),
    ("bk_account", ACCOUNT),
    ("bk_extent", EXTENT),
    ("bk_person", PERSON),
    ("bk_feed", FEED),
    ("bk_flow", FLOW),
    ("bk_gap", GAP),
    ("bk_close", CLOSE),
    ("bk_total", TOTAL),
    ("bk_balance", BALANCE),
    ("bk_period", PERIOD),
    ("bk_sums", SUMS),
    ("bk_source", SOURCE),
    ("bk_number", NUMBER),
    ("bk_week", WEEK),
    ("bk_swing", SWING),
    ("bk_level", LEVEL),
    ("bk_spread", SPREAD),
    ("bk", BANK),
)
