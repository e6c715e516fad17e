"""What every decision of a day shares: limit policies, rates, terms, the night's receivables. Read once, kept in memory.

Kept in the process under a fingerprint that one small query reads anew for every decision: the highest ids of tables
whose rows are only ever added, and which policies are in use since when. So a new version, rate or figure counts from
the next decision on. Only on PostgreSQL, whose ids are never given twice; SQLite reads all of it each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from threading import Lock
from typing import Any

from django.db import connection

from customers.rates import RateTable
from scoring.book_figures import figures_for
from scoring.limit_inputs import Book
from scoring.limit_terms import PolicyTerms
from scoring.models import TermsPolicy, TermsPolicyGrade
from scoring.policies import policies_at
from scoring.segment_policies import in_force

Terms = tuple[TermsPolicy, dict[str, TermsPolicyGrade]]
Key = tuple[Any, ...]
KEPT = 8
"""Fingerprints kept at a time: a few business dates of companies in other time zones."""

_FINGERPRINT = """
SELECT (SELECT MAX(id) FROM customers_exchangerate), (SELECT MAX(id) FROM scoring_bookfigure), l.*, t.* FROM
(SELECT COUNT(*), MAX(activated_at), SUM(CASE status WHEN 'active' THEN id END), SUM(id), MAX(created_at)
 FROM scoring_limitpolicy WHERE status IN ('active', 'retired')) AS l,
(SELECT COUNT(*), MAX(activated_at), SUM(CASE status WHEN 'active' THEN id END), SUM(id), MAX(created_at)
 FROM scoring_termspolicy WHERE status IN ('active', 'retired')) AS t
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """policies, terms: by segment, None for every segment without its own. receivables, on: by company."""

    rates: RateTable
    policies: dict[int | None, PolicyTerms]
    terms: dict[int | None, Terms]
    receivables: dict[int, Any] = field(default_factory=dict)
    on: dict[int, date] = field(default_factory=dict)

    def book(self, as_of: date, company_ids: Collection[int]) -> Book:
        """The book as limit recommendations take it."""
        missing = set(company_ids) - self.on.keys()
        if missing:
            found = figures_for(missing, as_of)
            self.receivables.update(found.receivables)
            self.on.update(found.on)
        return Book(as_of, self.receivables, rates=self.rates, in_force=self.policies)


_kept: OrderedDict[Key, Shared] = OrderedDict()
_lock = Lock()


def shared_at(as_of: date) -> Shared:
    """What decisions of a day share: from memory while nothing of it changed."""
    if connection.vendor != "postgresql":
        return _read(as_of)
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT)
        key = (connection.settings_dict["NAME"], as_of, *cursor.fetchone())
    with _lock:
        found = _kept.get(key)
    if found is None:
        found = _read(as_of)
        with _lock:
            _kept[key] = found
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
    return found


def _read(as_of: date) -> Shared:
    return Shared(RateTable.at(as_of), policies_at(as_of), _terms(as_of))


def _terms(as_of: date) -> dict[int | None, Terms]:
    found = in_force(TermsPolicy, as_of, "grades")
    return {segment: (row, {one.grade: one for one in row.grades.all()}) for segment, row in found.items()}
