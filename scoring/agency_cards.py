"""The cards for those who buy agency reports, full and thin: drafts to try and to publish, made when a person asks.

They do not come by themselves: without reports they would judge the same facts a little differently for nothing, and
a list of scorecards is no catalogue.
"""

from __future__ import annotations

from datetime import date
from types import ModuleType

from django.db import transaction

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.models import User
from scoring import default_card, default_card_3, default_thin_card, default_thin_card_2
from scoring.models import Scorecard, ScorecardBin
from scoring.publishing import LIFE

SHIPPED: tuple[tuple[str, str, ModuleType], ...] = (
    (default_card.CODE, Scorecard.Kind.FULL, default_card_3),
    (default_thin_card.CODE, Scorecard.Kind.THIN, default_thin_card_2),
)


def are_there() -> bool:
    names = [table.NAME for _code, _kind, table in SHIPPED]
    return Scorecard.objects.filter(name__in=names).count() >= len(names)


@transaction.atomic
def add_agency_cards(*, by: User, as_of: date) -> list[Scorecard]:
    """The two drafts; one that is there already, whatever became of it, is left alone. Raises PublishingError."""
    LIFE.check_permission(by, LIFE.propose_permission)
    found = []
    for code, kind, table in SHIPPED:
        card = Scorecard.objects.filter(code=code, name=table.NAME).order_by("pk").first()
        if card is None:
            card = LIFE.first_draft(code=code, kind=kind, name=table.NAME, base_points=table.BASE_POINTS)
            ScorecardBin.objects.bulk_create(default_card.build_bins(card, table.BINS))
            record_act("scorecard.shipped", actor=Actor.person(by), subject=card, business_date=as_of)
        found.append(card)
    return found
