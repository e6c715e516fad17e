"""A customer's annual accounts: the latest seen at the date beside those of the year before."""

from __future__ import annotations

VALID_DAYS = 913
"""Two and a half years after the balance-sheet day accounts count as missing."""
YEAR_BEFORE_DAYS = 270
"""The accounts of the year before lie at least so many days earlier."""

_STATED = (
    "total_assets current_assets current_liabilities total_liabilities equity retained_earnings revenue ebit "
    "net_income months"
).split()
FIELDS = _STATED

# Accounts of one balance-sheet day may come from two sources (single and consolidated ones, say): the longer period, then
# the later row counts. Liabilities that are not stated follow from assets and equity (customers/evidence/ratios.py).
_OWN = [column for column in _STATED if column != "total_liabilities"]
_ORDER = "PARTITION BY fs.customer_id ORDER BY fs.effective_on DESC, fs.months DESC, fs.id DESC"
RANKED = f"""
SELECT fs.id, fs.customer_id, fs.effective_on, fs.currency, fs.source, {", ".join(f"fs.{column}" for column in _OWN)},
  COALESCE(fs.total_liabilities, fs.total_assets - fs.equity) AS total_liabilities,
  ROW_NUMBER() OVER ({_ORDER}) AS place, FIRST_VALUE(fs.source) OVER ({_ORDER}) AS latest_source,
  MAX(fs.effective_on) OVER (PARTITION BY fs.customer_id) AS latest_on
FROM customers_financialstatement fs
WHERE seen(fs) AND customer_scope(fs.customer_id) AND fs.effective_on <= {{as_of}} AND fs.months > 0
  AND fs.effective_on > {{as_of_statements}}
"""
# Of the year before, those of the same source where there are such, though another's lie nearer: changes compare like
# with like.
BEFORE = f"""
SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.customer_id ORDER BY
    CASE WHEN r.source = r.latest_source THEN 0 ELSE 1 END, r.effective_on DESC, r.place) AS nth
FROM ranked r WHERE days(r.latest_on, r.effective_on) >= {YEAR_BEFORE_DAYS}
"""
STATEMENTS = f"""
SELECT r.customer_id, r.effective_on AS closed_on, {", ".join(f"r.{c}" for c in FIELDS)},
  {", ".join(f"y.{c} AS {c}_before" for c in FIELDS)},
  CASE WHEN r.currency = y.currency THEN 1 ELSE 0 END AS is_one_currency, {{z_now}} AS z, {{z_before}} AS z_before
FROM ranked r LEFT JOIN before y ON y.customer_id = r.customer_id AND y.nth = 1
WHERE r.place = 1 AND days({{as_of}}, r.effective_on) <= {VALID_DAYS}
"""


def altman(row: str) -> str:
    """Altman Z'' = 6.56 X1 + 3.26 X2 + 6.72 X3 + 1.05 X4 of accounts `row`; EBIT of a longer or shorter period
    counts as of 12 months. X1 working capital, X2 retained earnings, X3 EBIT over total assets, X4 equity over
    total liabilities (Altman 1995, the model for firms that are not listed and not only manufacturers)."""
    numerator = (
        # Wider than 64 bits: a large firm's accounts in rupiah would run over them, and stop the pass over the book.
        f"((656 * CAST({row}.current_assets - {row}.current_liabilities AS numeric) "
        f"+ 326 * CAST({row}.retained_earnings AS numeric)) * {row}.months + 8064 * CAST({row}.ebit AS numeric))"
    )
    return (
        f"CASE WHEN {row}.total_assets > 0 AND {row}.total_liabilities > 0 THEN "
        f"round6(ratio({numerator}, 100 * CAST({row}.total_assets AS numeric) * {row}.months) "
        f"+ ratio(105 * CAST({row}.equity AS numeric), 100 * {row}.total_liabilities)) END"
    )


CTES = (
    ("ranked", RANKED),
    ("before", BEFORE),
    ("fs", STATEMENTS.replace("{z_now}", altman("r")).replace("{z_before}", altman("y"))),
)
