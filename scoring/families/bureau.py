"""What credit agencies say of the customer: of each agency the newest report that states a figure, then the worst.

Field by field: a newer report that leaves a figure out does not hide an older one that states it, nor does an answer
without a rating take a rating back; they age out. Of two reports of one agency and day the worse counts, and so it
does between agencies: one more report can only be as good as the worst one known, and none can be hidden by buying
another. Of a natural person nothing is read but under a legal basis in force at {as_of}: revoking it takes the reports
out of the next score. What an agency said before is read for the fall of its own rating only.
"""

from __future__ import annotations

VALID_DAYS = 730
"""A report of a day that lies 24 months back or more counts as missing."""
YEAR_BEFORE_DAYS = 400
"""A fall is told against the best of the 13 months before: reports bought once a year are never a year apart."""

_FIELDS = ("standing", "pd", "beyond", "activity")


def _newest(field: str) -> str:
    """The day of the agency's newest report that states a figure."""
    return f"MAX(CASE WHEN br.{field} IS NOT NULL THEN br.effective_on END) OVER agency AS {field}_on"


# One sort for all of them; what is wanted of an agency is told by its days, so nothing is looked up.
REPORTS = f"""
SELECT br.*, {", ".join(_newest(field) for field in _FIELDS)}
FROM (
  SELECT br.customer_id, br.provider, br.effective_on, br.standing, br.pd_basis_points AS pd,
    br.days_beyond_terms AS beyond,
    CASE br.activity WHEN 'ceased' THEN 2 WHEN 'dormant' THEN 1 WHEN 'active' THEN 0 END AS activity,
    CASE WHEN br.outcome = 'not_found' THEN 0 ELSE 1 END AS is_found
  FROM customers_bureaureport br JOIN customers_customer np ON np.id = br.customer_id
  WHERE (np.kind <> 'sole_trader' OR EXISTS (
      SELECT 1 FROM customers_bureaubasis bb
      WHERE bb.customer_id = br.customer_id AND seen(bb) AND bb.effective_on <= {{as_of}}
        AND (bb.expires_on IS NULL OR bb.expires_on >= {{as_of}})
        AND (bb.revoked_on IS NULL OR bb.revoked_on > {{as_of}})
    )) AND seen(br) AND customer_scope(br.customer_id) AND br.effective_on <= {{as_of}}
    AND br.effective_on > {{as_of_reports}}
) br
WINDOW agency AS (PARTITION BY br.customer_id, br.provider)
"""


def _stated(field: str, worst: str) -> str:
    valid = f"r.effective_on = r.{field}_on AND r.{field}_on > {{as_of_long}}"
    return f"{worst}(CASE WHEN {valid} THEN r.{field} END) AS {field}"


_BEFORE = f"days(r.standing_on, r.effective_on) BETWEEN 1 AND {YEAR_BEFORE_DAYS}"
AGENCY = f"""
SELECT r.customer_id, r.provider, {_stated("standing", "MIN")}, {_stated("pd", "MAX")}, {_stated("beyond", "MAX")},
  {_stated("activity", "MAX")}, MAX(CASE WHEN {_BEFORE} THEN r.standing END) AS best_before,
  MAX(CASE WHEN r.is_found = 1 AND r.effective_on > {{as_of_long}} THEN r.effective_on END) AS found_on,
  MAX(r.effective_on) AS last_on
FROM agency_reports r
GROUP BY r.customer_id, r.provider
"""

WORST = """
SELECT g.customer_id, MIN(g.standing) AS standing, MAX(g.pd) AS pd, MAX(g.beyond) AS beyond,
  MAX(g.activity) AS activity, MAX(g.best_before - g.standing) AS fall, COUNT(g.standing) AS agencies,
  MAX(g.standing) - MIN(g.standing) AS apart, MAX(g.found_on) AS found_on
FROM agency_said g
WHERE g.last_on > {as_of_long}
GROUP BY g.customer_id
"""

CTES = (("agency_reports", REPORTS), ("agency_said", AGENCY), ("ag", WORST))
