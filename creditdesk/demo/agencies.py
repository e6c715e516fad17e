"""Two made-up credit agencies with recorded answers, and what they said of the characters over two years."""

from __future__ import annotations

import json
from datetime import date, timedelta
from uuid import NAMESPACE_URL, uuid5

from django.utils import timezone

from creditdesk.core.dates import months_before
from customers.bureau.adapters.recorded import Recorded, recordings
from customers.bureau.storing import values_of
from customers.models import BureauProvider, BureauPull, BureauReport, Customer

# Days from an agency's assessment to the day we asked for it.
HEARD_AFTER = 3


def write_agencies(as_of: date) -> int:
    """The agencies, what they said and what asking them cost; returns how many reports. Nothing is asked by itself."""
    shared = {
        "adapter": "recorded",
        "is_on": True,
        "currency": "EUR",
        "max_age_months": 6,
        "keep_answers_months": 6,
    }
    first = BureauProvider.objects.create(
        slug="arcadia",
        label="Arcadia Informazioni",
        position=1,
        countries="IT, ES, FR",
        price=450,
        monthly_budget=12_000,
        settings={"answers": "arcadia"},
        **shared,
    )
    second = BureauProvider.objects.create(
        slug="norden",
        label="Norden Wirtschaftsdaten",
        position=2,
        price=790,
        charges_not_found=True,
        monthly_budget=10_000,
        settings={"answers": "norden"},
        **shared,
    )
    return sum(_write(one, as_of) for one in (first, second))


def _write(provider: BureauProvider, as_of: date) -> int:
    told = recordings(provider.settings["answers"])
    customers = {one.code: one for one in Customer.objects.filter(code__in=told)}
    now, reports, asked = timezone.now(), [], []
    for code, customer in customers.items():
        for number, past in enumerate(told[code]["past"]):
            on = months_before(as_of, past["months"]) - timedelta(days=customer.pk % 7)
            known = on + timedelta(days=HEARD_AFTER)
            answer = Recorded().read(json.dumps({**past["answer"], "date": on.isoformat()}), {}, known)
            reports.append(
                BureauReport(
                    customer=customer,
                    provider=provider.slug,
                    effective_on=on,
                    known_on=known,
                    recorded_at=now,
                    **values_of(answer),
                )
            )
            asked.append((customer, known, number))
    stored = BureauReport.objects.bulk_create(reports)
    BureauPull.objects.bulk_create(
        BureauPull(
            customer=customer,
            provider=provider,
            cause=BureauPull.Cause.ONBOARDING if number == 0 else BureauPull.Cause.REVIEW,
            asked_on=on,
            asked_at=now,
            answered_at=now,
            actor_name="agency reports",
            idempotency_key=uuid5(NAMESPACE_URL, f"{provider.slug}/{customer.code}/{on}"),
            claimed_until=now,
            outcome=report.outcome,
            currency=provider.currency,
            price=provider.price,
            charged=provider.price,
            report=report,
        )
        for (customer, on, number), report in zip(asked, stored, strict=True)
    )
    return len(stored)
