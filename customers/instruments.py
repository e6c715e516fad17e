"""Bills, RiBa and pagarés: handed over, but not money until they can no longer come back unpaid.

safe on = the payment's own `safe_on`, else maturity + the segment's return period; for a bill, RiBa or pagaré without
a maturity, the day it was received + the return period. Until that day what it paid stays exposure, and what of it is
not allocated yet does not reduce exposure. The condition itself: customers/exposure_sql.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from customers.models import CreditSegment, Payment

TENDERED = (Payment.Instrument.BILL, Payment.Instrument.RIBA, Payment.Instrument.PAGARE)


@dataclass(frozen=True, slots=True)
class SegmentTerms:
    """Order horizon and return period of each credit segment, in days; one query."""

    horizon: Mapping[int, int]
    returns: Mapping[int, int]

    @classmethod
    def load(cls) -> SegmentTerms:
        rows = list(CreditSegment.objects.values_list("pk", "order_horizon_days", "return_days"))
        return cls({pk: days for pk, days, _back in rows}, {pk: back for pk, _days, back in rows})

    def still_out(self, as_of: date) -> dict[int, date]:
        """Per segment: an instrument that matured (or came in) after this day can still come back at `as_of`."""
        return {pk: as_of - timedelta(days=days) for pk, days in self.returns.items()}

    def last_days(self, as_of: date, days: int | None = None) -> dict[int, date]:
        """Per segment: an order expected until this day counts at `as_of`. days: a horizon for every segment."""
        return {pk: as_of + timedelta(days=own if days is None else days) for pk, own in self.horizon.items()}
