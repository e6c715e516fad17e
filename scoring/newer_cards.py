"""Expert cards that came after the ones in use: drafts to try and to publish, made when a person asks.

They do not come by themselves: a list of scorecards is no catalogue, and nobody's score moves but by two persons.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from types import ModuleType

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from creditdesk.core.audit import Actor, record_act
from creditdesk.core.models import AuditEntry, User
from scoring import default_card, default_card_3, default_thin_card, default_thin_card_3
from scoring.models import Scorecard, ScorecardBin
from scoring.publishing import LIFE


@dataclass(frozen=True, slots=True)
class Offer:
    """A shipped table and what it is for."""

    code: str
    kind: str
    table: ModuleType
    what_for: str | Promise

    @property
    def name(self) -> str:
        return str(self.table.NAME)


OFFERS = (
    Offer(
        default_card.CODE,
        Scorecard.Kind.FULL,
        default_card_3,
        _("For every account: gives points for what credit agencies say, beside payment behaviour."),
    ),
    Offer(
        default_thin_card.CODE,
        Scorecard.Kind.THIN,
        default_thin_card_3,
        _(
            "For customers with little or no history: bank flows, agencies, accounts, group and what their first payments "
            "say, together. Bank data or an agency's rating is enough to score them."
        ),
    ),
)


def offers() -> list[Offer]:
    """Those that no card comes from yet, whatever became of it: told by the entry of its coming, for a draft may get
    another name, and by the name of those an installation came with."""
    entries = AuditEntry.objects.filter(act="scorecard.shipped", data__has_key="offer")
    came = dict(entries.values_list("subject_pk", "data__offer"))
    taken = {came[str(pk)] for pk in Scorecard.objects.filter(pk__in=came).values_list("pk", flat=True)}
    names = set(
        Scorecard.objects.filter(name__in=[offer.name for offer in OFFERS]).values_list("name", flat=True)
    )
    return [offer for offer in OFFERS if offer.name not in names | taken]


@transaction.atomic
def add_newer_cards(*, by: User, as_of: date) -> list[Scorecard]:
    """The drafts that are still missing; a card that is there already is left alone. Raises PublishingError."""
    LIFE.check_permission(by, LIFE.propose_permission)
    LIFE.one_at_a_time()  # whoever pressed twice waits here, and finds them there
    return [_added(offer, by, as_of) for offer in offers()]


def _added(offer: Offer, by: User, as_of: date) -> Scorecard:
    table = offer.table
    card = LIFE.first_draft(code=offer.code, kind=offer.kind, name=offer.name, base_points=table.BASE_POINTS)
    ScorecardBin.objects.bulk_create(default_card.build_bins(card, table.BINS))
    record_act(
        "scorecard.shipped",
        actor=Actor.person(by),
        subject=card,
        business_date=as_of,
        data={"offer": offer.name},
    )
    return card
