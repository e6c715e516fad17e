"""Bills, RiBa and pagarés: handed over, but not money until they can no longer come back unpaid.

safe on = the payment's own `safe_on`, else maturity + the segment's return period; for a bill, RiBa or pagaré without
a maturity, the day it was received + the return period. Until that day what it paid stays exposure, and what of it is
not allocated yet does not reduce exposure. The condition itself: customers/exposure_sql.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import FilteredRelation, Q

from creditdesk.core.facts import CURRENT, View
from customers.models import CreditAccount, CreditSegment, Payment

TENDERED = (Payment.Instrument.BILL, Payment.Instrument.RIBA, Payment.Instrument.PAGARE)


@dataclass(frozen=True, slots=True)
class SegmentTerms:
    """Order horizons (by segment and product line) and return period of each credit segment on a day, in days.

    horizon: {segment: days}; lines: {(segment, product line): days}, of lines with a horizon of their own.
    """

    horizon: Mapping[int, int]
    lines: Mapping[tuple[int, str], int]
    returns: Mapping[int, int]

    @classmethod
    def load(cls, as_of: date, view: View = CURRENT) -> SegmentTerms:
        """As they were on a day; one query. What a segment itself says stands until a dated horizon takes its place."""
        dated = FilteredRelation(
            "horizons", condition=Q(horizons__effective_on__lte=as_of) & view.q("horizons__")
        )
        rows = (
            CreditSegment.objects.annotate(dated=dated)
            .order_by("dated__effective_on", "dated__pk")
            .values_list("pk", "order_horizon_days", "return_days", "dated__product_line", "dated__days")
        )
        base: dict[int, int] = {}
        found: dict[tuple[int, str], int | None] = {}
        returns: dict[int, int] = {}
        for pk, days, back, line, own in rows:
            base[pk], returns[pk] = days, back
            if line is not None:
                found[pk, line] = own
        horizon = {pk: days if found.get((pk, "")) is None else found[pk, ""] for pk, days in base.items()}
        lines = {key: days for key, days in found.items() if key[1] and days is not None}
        return cls(horizon, lines, returns)  # type: ignore[arg-type]

    def days(self, segment_id: int, product_line: str = "") -> int:
        """How far ahead orders of a product line count: its own horizon, else the segment's."""
        return self.lines.get((segment_id, product_line), self.horizon[segment_id])

    def still_out(self, as_of: date) -> dict[int, date]:
        """Per segment: an instrument that matured (or came in) after this day can still come back at `as_of`."""
        return {pk: as_of - timedelta(days=days) for pk, days in self.returns.items()}

    def last_days(self, as_of: date, days: int | None = None) -> dict[int, date]:
        """Per segment: an order expected until this day counts at `as_of`. days: a horizon for every segment."""
        return {pk: as_of + timedelta(days=own if days is None else days) for pk, own in self.horizon.items()}


def horizon_of(account: CreditAccount, product_line: str, on: date) -> int:
    """How many days ahead an order of the account counts on a day; one query."""
    return SegmentTerms.load(on).days(account.segment_id, product_line)
