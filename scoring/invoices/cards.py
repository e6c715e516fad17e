"""Invoice cards as stored: fit a draft, take one into use, find the one in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.sentences import stored
from scoring.invoices.backtest import trained
from scoring.invoices.card import InvoiceModel
from scoring.invoices.fitting import fit_invoices
from scoring.invoices.load import learned_accounts, load_ledger, payers_of
from scoring.models import InvoiceCard

USE = "scoring.publish_scorecard"


class InvoiceCardError(ValueError):
    """A card that cannot be taken into use; the text says why."""


def fit_draft(until: date, *, actor: Actor, at: datetime | None = None) -> InvoiceCard:
    """Fit the invoices issued before `until` as known that day; keep a draft. Raises FitError with the reason.

    Of a large book whole customers are drawn (scoring.invoices.load.learned_accounts). at: when it was made, where
    that is told afterwards (the demo's story).
    """
    ledger = load_ledger(learned_accounts())
    model = fit_invoices(ledger, until.toordinal(), payers=payers_of)
    with transaction.atomic():
        newest = InvoiceCard.objects.aggregate(newest=Max("version"))["newest"] or 0
        card = InvoiceCard.objects.create(
            version=newest + 1,
            trained_until=until,
            trained=stored(trained(model, ledger, until.toordinal())),
            model=stored(model.as_dict()),
            made_by=actor.name or str(actor.user),
            made_at=at or timezone.now(),
        )
        record_act("invoice_card.fit", actor=actor, subject=card, data={"until": until.isoformat()})
    return card


def take_into_use(card: InvoiceCard, *, by: User, at: datetime | None = None) -> InvoiceCard:
    """Make a draft the card in use; the one before is retired. For those who may publish scorecards.

    at: when it was, where that is told afterwards (the demo's story).
    """
    if not by.has_perm(USE):
        raise InvoiceCardError(_("You may not take an invoice card into use."))
    with transaction.atomic():
        rows = list(InvoiceCard.objects.select_for_update().filter(status=InvoiceCard.Status.ACTIVE))
        card = InvoiceCard.objects.select_for_update().get(pk=card.pk)
        if card.status != InvoiceCard.Status.DRAFT:
            raise InvoiceCardError(
                _("Version %(version)s is no draft: fit a new one.") % {"version": card.version}
            )
        changes = []
        for old in rows:
            changes.append(Change.of(old, {"status": "active"}, {"status": "retired"}))
            old.status = InvoiceCard.Status.RETIRED
            old.save(update_fields=["status"])
        card.status, card.activated_at, card.activated_by = (
            InvoiceCard.Status.ACTIVE,
            at or timezone.now(),
            by,
        )
        card.save(update_fields=["status", "activated_at", "activated_by"])
        changes.append(Change.of(card, {"status": "draft"}, {"status": "active"}))
        record_act("invoice_card.use", actor=Actor.person(by), subject=card, changes=changes)
    return card


def model_in_use(using: str = "default") -> tuple[int, InvoiceModel] | None:
    """(version, model) of the card in use; None where there is none. One query."""
    active = InvoiceCard.objects.using(using).filter(status=InvoiceCard.Status.ACTIVE)
    found = active.values_list("pk", "version").first()
    return None if found is None else (found[1], _model(found[0], using))


@dataclass(frozen=True, slots=True)
class Use:
    """A card with the days on which it was in use: from the day it was taken to the day before the next one was.

    last: None while it is in use.
    """

    card: InvoiceCard
    first: date
    last: date | None

    def model(self, using: str = "default") -> InvoiceModel:
        return _model(self.card.pk, using)


def uses(using: str = "default") -> list[Use]:
    """Every card that was in use for a day at least, the first one first. One query.

    Of two taken into use on one day the later one counts for that day.
    """
    taken = (
        InvoiceCard.objects.using(using).exclude(status=InvoiceCard.Status.DRAFT).defer("model", "trained")
    )
    cards = list(taken.select_related("activated_by").order_by("activated_at", "pk"))
    days = [timezone.localdate(card.activated_at) for card in cards]
    ends = [*(day - timedelta(days=1) for day in days[1:]), None]
    found = zip(cards, days, ends, strict=False)
    return [Use(card, first, last) for card, first, last in found if last is None or last >= first]


@lru_cache(maxsize=16)
def _model(pk: int, using: str) -> InvoiceModel:
    """A stored model is never edited, so reading it once is enough."""
    return InvoiceModel.from_dict(InvoiceCard.objects.using(using).values_list("model", flat=True).get(pk=pk))
