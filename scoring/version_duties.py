"""Segregation of duties of versions: what the database keeps of scorecards and policies, proved over those published."""

from __future__ import annotations

from django.db.models import F, Q
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from customers.duties import Guarantee, guards_in_database
from scoring import policy_publishing, publishing, terms_publishing
from scoring.checks import publishing as check_publishing
from scoring.models import WAS_IN_USE

LIVES = (publishing.LIFE, policy_publishing.LIFE, check_publishing.LIFE, terms_publishing.LIFE)


def version_guarantees() -> list[Guarantee]:
    """Four rules of every kind of version, each with its trigger; two queries a kind."""
    names, found = guards_in_database(), []
    for life in LIVES:
        table, kind = life.model._meta.db_table, capfirst(str(life.model._meta.verbose_name_plural))
        published = life.model._default_manager.filter(status__in=WAS_IN_USE)
        count = published.count()
        # What an installation brought was signed by nobody.
        signed = published.filter(is_shipped=False)
        alone = signed.filter(
            Q(decided_by__isnull=True)
            | Q(decided_by=F("created_by"))
            | Q(decided_by=F("proposed_by"))
            | Q(editors__user=F("decided_by"))
        )
        for rule, guard, against in (
            (
                _("Nobody publishes what they made, edited or proposed"),
                "second_person",
                alone.distinct().count(),
            ),
            (_("Nothing is put into use that was not proposed first"), "first_proposed", 0),
            (_("What was proposed or published is never edited"), "frozen", 0),
            (_("Who made, proposed and published it stays on record"), "signed", 0),
        ):
            name = f"{table}_{guard}"
            found.append(Guarantee(f"{kind}: {rule}", name, name in names, count, against))
    return found
