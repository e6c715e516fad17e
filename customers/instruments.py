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

from django.db.models import Q

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
