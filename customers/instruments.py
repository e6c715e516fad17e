"""Bills, RiBa and pagarés: handed over, but not money until they can no longer come back unpaid.

safe on = the payment's own `safe_on`, else maturity + the segment's return period; for a bill, RiBa or pagaré without
a maturity, the day it was received + the return period. Until that day what it paid stays exposure, and what of it is
not allocated yet does not reduce exposure.
"""

from __future__ import annotations

from collections import defaultdict
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


def horizon_of(account: CreditAccount, product_line: str, on: date) -> int:
    """How many days ahead an order of the account counts on a day; one query."""
    return SegmentTerms.load(on).days(account.segment_id, product_line)


def not_safe(as_of: date, terms: SegmentTerms, prefix: str = "") -> Q:
    """Condition on payments (or, with prefix "payment__", on rows that have one) that can still come back then."""

    def arm(days: int) -> Q:
        after = as_of - timedelta(days=days)
        no_day = Q(**{f"{prefix}safe_on__isnull": True})
        return (no_day & Q(**{f"{prefix}matures_on__gt": after})) | (
            no_day
            & Q(
                **{
                    f"{prefix}matures_on__isnull": True,
                    f"{prefix}instrument__in": TENDERED,
                    f"{prefix}effective_on__gt": after,
                }
            )
        )

    segments: dict[int, list[int]] = defaultdict(list)
    for segment, days in terms.returns.items():
        segments[days].append(segment)
    found = Q(**{f"{prefix}safe_on__gt": as_of})
    for days, own in segments.items():
        part = arm(days)
        if len(segments) > 1:
            part &= Q(**{f"{prefix}account__segment__in": own})
        found |= part
    return found
