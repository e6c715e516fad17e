"""The card that tells when single invoices will be paid: learned and taken into use months ago, by two persons."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from scoring.fitting.logistic import FitError
from scoring.invoices.cards import fit_draft, take_into_use
from scoring.invoices.estimates import drift_days, keep_drift
from scoring.models import InvoiceCard

from .days import business_days_after, month_start

MONTHS_AGO = 8
"""Long enough for the months since to show whether its estimates came true."""


def learn_invoice_card(as_of: date) -> None:
    """Once: the controller had a card learned from what was known then, the approver took it into use a day later.

    A story too small to learn from goes without.
    """
    if not InvoiceCard.objects.exists():
        learned = business_days_after(month_start(as_of.toordinal(), MONTHS_AGO), 1, "IT")
        used = business_days_after(learned, 1, "IT")
        carla, paolo = (User.objects.get(username=name) for name in ("carla", "paolo"))
        try:
            card = fit_draft(date.fromordinal(learned), actor=Actor.person(carla), at=_morning(learned))
        except FitError:
            return
        take_into_use(card, by=paolo, at=_morning(used))
    card = InvoiceCard.objects.get(status=InvoiceCard.Status.ACTIVE)
    for day in drift_days(as_of):
        keep_drift(card.version, day)


def _morning(day: int) -> datetime:
    return datetime.combine(date.fromordinal(day), time(9), tzinfo=UTC)
