"""How far ahead orders count: set from a day on, for a segment or one product line of it."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from creditdesk.core.audit import Actor, Change, record_act
from customers.instruments import SegmentTerms
from customers.models import CreditSegment, OrderHorizon


@transaction.atomic
def set_horizon(
    segment: CreditSegment,
    days: int | None,
    *,
    product_line: str = "",
    on: date,
    actor: Actor,
    known_on: date | None = None,
) -> OrderHorizon:
    """Orders count that many days ahead from `on` on; what counted before stays. days None: as the segment."""
    line = product_line.strip()
    before = SegmentTerms.load(on)
    row = OrderHorizon.objects.create(
        segment=segment,
        product_line=line,
        days=days,
        effective_on=on,
        known_on=max(known_on or on, on),
    )
    record_act(
        "order_horizon.set",
        actor=actor,
        subject=row,
        business_date=on,
        data={"segment": segment.pk, "product_line": line},
        changes=[Change.of(row, {"days": before.days(segment.pk, line)}, {"days": days})],
    )
    return row
