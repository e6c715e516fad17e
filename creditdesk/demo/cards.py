"""The scorecard of the story: its level adjusted to the defaults of the ledger, waiting for a second person."""

from __future__ import annotations

from datetime import date

from creditdesk.core.audit import Actor
from creditdesk.core.models import User
from customers.models import CreditAccount
from scoring.fitting.account_fit import NotEnoughEvents
from scoring.models import CardReport, Scorecard
from scoring.publishing import propose_card
from scoring.recalibrating import calibrate, keep_calibrated

CALIBRATED_UP_TO = 5000


def propose_calibrated_card(as_of: date) -> None:
    """Once: what paolo finds waiting beside the limit policy. A large book goes without: it takes minutes there."""
    if (
        CardReport.objects.filter(kind=CardReport.Kind.CALIBRATED).exists()
        or CreditAccount.objects.count() > CALIBRATED_UP_TO
    ):
        return
    carla = User.objects.get(username="carla")
    actor = Actor.person(carla)
    card = Scorecard.objects.get(status=Scorecard.Status.ACTIVE, kind=Scorecard.Kind.FULL)
    try:
        found = calibrate(card, reader=actor)
    except NotEnoughEvents:
        return
    draft = keep_calibrated(card, found, as_of=as_of, actor=actor, by=carla)
    reason = "The level of the probability is our own now; the slope has to wait for more defaults."
    propose_card(draft, by=carla, reason=reason, as_of=as_of)
