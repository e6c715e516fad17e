"""Cards that run beside the one in use: every night a stored score of each account they would score. Nothing acts on it.

From the signals the nightly pass has just stored, in one statement more per range, within the same job: resumable with
it, and the same rows when it runs again. A card with other numbers of thin history reads the facts itself. What is
stored is out of time by construction, so a draft whose scores change begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connections, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.dates import is_month_end, months_before
from creditdesk.core.models import Job, User
from creditdesk.core.sentences import in_a_row
from scoring.card import Card, CardError, Cards, active_cards, as_card, problems
from scoring.dialect import dialect
from scoring.engine import Group, bulk_plan, groups_of
from scoring.models import BesideScore, Scorecard
from scoring.publishing import LIFE, PublishingError
from scoring.ranges import NIGHTLY
from scoring.statement import Scope, compile_beside, parameters

logger = logging.getLogger(__name__)

BESIDE_FAILED = "beside_failed"
"""In the result of a nightly job: the cards that could not be scored beside, each with what went wrong."""
MOST = 3
"""Cards beside the one in use at a time: each costs its share of every night."""
NIGHTS_KEPT = timedelta(days=35)
MONTHS_KEPT = 25
"""Month-ends: two years, so that the outcomes of a year are known of twelve of them."""


@transaction.atomic
def run_beside(card: Scorecard, *, by: User, as_of: date) -> Scorecard:
    """Have a card scored beside the one in use from the next night on. Raises PublishingError, CardError."""
    LIFE.check_permission(by, LIFE.propose_permission, LIFE.publish_permission)
    locked = LIFE.lock(card)
    if locked.status == Scorecard.Status.ACTIVE:
        raise PublishingError("in_use", _("The card in use is scored every night as it is."))
    wrong = problems(as_card(locked, list(locked.bins.all())))
    if wrong:
        raise CardError(in_a_row(wrong))
    if locked.beside_since is None:
        LIFE.one_at_a_time()  # two would take the last place at once
        if beside_cards().count() >= MOST:
            raise PublishingError(
                "too_many",
                _("%(n)s cards run beside the one in use already: end one of them first.") % {"n": MOST},
            )
    return LIFE.mark_beside(locked, locked.beside_since or as_of, Actor.person(by), as_of)


@transaction.atomic
def end_beside(card: Scorecard, *, by: User, as_of: date) -> Scorecard:
    """No further nights; what was stored stays as long as it is kept."""
    LIFE.check_permission(by, LIFE.propose_permission, LIFE.publish_permission)
    return LIFE.mark_beside(LIFE.lock(card), None, Actor.person(by), as_of)


def beside_cards() -> QuerySet[Scorecard]:
    """Those that run; a card that comes into use ends it (scoring/version_plans.py)."""
    return Scorecard.objects.filter(beside_since__isnull=False).exclude(status=Scorecard.Status.ACTIVE)


def keep_beside(
    as_of: date, scope: Scope, using: str = "default", *, failed: dict[int, str] | None = None
) -> int:
    """Store what the cards beside say of accounts as of a night, after its pass has; returns the rows written.

    failed: takes {card: error} of those that could not be scored, none of whose rows are written then. Without it
    their error is raised, and takes down what the caller did in the same transaction.
    """
    running = beside_cards().using(using).filter(beside_since__lte=as_of)
    ids = list(running.order_by("pk").values_list("pk", flat=True))
    if not ids:
        return 0
    cards, groups, written = active_cards(using, as_of), list(groups_of(as_of, scope, using)), 0
    for pk in ids:
        try:
            with transaction.atomic(using):
                _hold(pk, using)
                # Read under the lock: it may have ended, or come into use, while it was waited for.
                if (row := running.prefetch_related("bins").filter(pk=pk).first()) is not None:
                    written += _keep_one(row, cards, as_of, scope, groups, using)
        except Exception as error:
            # Whatever it is: nothing acts on this card, and on the one in use people do.
            if failed is None:
                raise
            logger.exception("Card %s could not be scored beside the one in use", pk)
            failed[pk] = f"{type(error).__name__}: {error}"[:2000]
    return written


def _hold(pk: int, using: str) -> None:
    """Until commit nobody changes what the card says: an edit deletes what is stored, and would not see our rows. Shared,
    so that ranges do not wait for each other. SQLite has one writer at a time anyway."""
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {Scorecard._meta.db_table} WHERE id = %s FOR SHARE", [pk])


def _keep_one(
    row: Scorecard, cards: Cards, as_of: date, scope: Scope, groups: Iterable[Group], using: str
) -> int:
    challenger = as_card(row, list(row.bins.all()))
    if challenger.pk in (cards.full.pk, cards.thin and cards.thin.pk) or problems(challenger):
        return 0
    stored = challenger.kind == Scorecard.Kind.THIN or _alike(challenger, cards.full)
    beside, speech, written = cards.with_draft(challenger), dialect(using), 0
    for group in groups:
        sql = compile_beside(using, beside, challenger, scope.shape, bool(group.companies), stored=stored)
        values = parameters(speech, as_of, group.judged_on, scope=scope, companies=group.companies)
        with connections[using].cursor() as cursor, bulk_plan(using, scope):
            cursor.execute(sql, values)
            written += cursor.rowcount
    return written


def _alike(card: Card, used: Card) -> bool:
    """Do both mean the same by a history too thin for an average?"""
    return (card.thin_below, card.thin_recent_below) == (used.thin_below, used.thin_recent_below)


def begin_anew(card: Scorecard, as_of: date) -> None:
    """Of a draft whose scores changed: what it said before was another card's, whether it runs at the moment or not."""
    BesideScore.objects.filter(card=card).delete()
    if card.beside_since is not None:
        card.beside_since = as_of
        card.save(update_fields=["beside_since"])


def drop_old(as_of: date) -> int:
    """Delete what is kept no longer: nights after NIGHTS_KEPT, month-ends after MONTHS_KEPT. By days that are named, so
    that it costs the same however much is kept."""
    last, newest = months_before(as_of, MONTHS_KEPT), as_of - NIGHTS_KEPT
    days = [newest - timedelta(days=n) for n in range(1, 400)]
    nights = [day for day in days if not is_month_end(day)]
    dropped = 0
    for card in Scorecard.objects.values_list("pk", flat=True):
        rows = BesideScore.objects.filter(card=card)
        dropped += rows.filter(as_of__in=nights).delete()[0] + rows.filter(as_of__lt=last).delete()[0]
    return dropped


@dataclass(frozen=True, slots=True)
class Failure:
    """Of a night on which accounts could not be scored beside; error: for who runs the installation, in English."""

    night: date
    error: str


def last_failure(card: Scorecard) -> Failure | None:
    """What the last night that was scored could not do of a card that runs beside; None where all is well."""
    if card.beside_since is None:
        return None
    jobs = Job.objects.filter(kind=NIGHTLY, status=Job.Status.DONE, business_date__gte=card.beside_since)
    newest = jobs.order_by("-business_date").values_list("business_date", flat=True).first()
    if newest is None:
        return None
    failed = jobs.filter(business_date=newest, result__has_key=BESIDE_FAILED).order_by("pk")
    for result in failed.values_list("result", flat=True):
        for one in result[BESIDE_FAILED]:
            if one["card"] == card.pk:
                return Failure(newest, one["error"])
    return None


def last_night(card: Scorecard) -> date | None:
    """The newest night stored of a card."""
    return card.beside_scores.order_by("-as_of").values_list("as_of", flat=True).first()
