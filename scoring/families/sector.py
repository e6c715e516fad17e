"""What our other customers do: stored figures of our company and of a sector (scoring/peers.py).

Figures are stored with their day and never changed; the latest before the date counts, in any view as it was
known then.
"""

from __future__ import annotations

PEER = """
SELECT pf.company_id, pf.sector, pf.accounts, pf.late_share, pf.days_late, pf.z_median, pf.invoiced, pf.currency
FROM (
  SELECT pf.*, ROW_NUMBER() OVER (PARTITION BY pf.company_id, pf.sector ORDER BY pf.as_of DESC, pf.id DESC) AS place
  FROM scoring_peerfigure pf WHERE pf.as_of < {as_of} AND pf.as_of > {as_of_peers} AND kept(pf)
) pf
WHERE pf.place = 1
"""

# For a day before the first stored figures: computed ones, given as a parameter (scoring/bygone.py).
GIVEN = (
    PEER
    + """UNION ALL
SELECT company_id, sector, accounts, late_share, days_late, z_median, invoiced, currency FROM given(peers)
"""
)

CTES = (("peer", PEER),)
