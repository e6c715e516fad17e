"""Facts and their three dates, and the three ways to look back at them.

effective_on  business date on which the fact holds (an invoice is issued, money arrives)
known_on      business date from which we could know it (a backfill may set it earlier than the import)
recorded_at   when this system stored it

A correction never edits a fact: it stores a new row and closes the old one with `known_until` (the
business date from which the better version was known) and `superseded_at` (system time). So:

current       latest knowledge about a date            rows not superseded
as known      what a person could know on that day     known_on <= day < known_until; backtests use only this
as recorded   what this system would have printed then recorded_at <= stamp < superseded_at; reprints
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class View:
    """Which knowledge a measure uses. At most one of `known_at` and `recorded_by` is given.

    known_at: only facts known on or before this business date.
    recorded_by: only facts recorded on or before this instant.
    """

    known_at: date | None = None
    recorded_by: datetime | None = None

    def __post_init__(self) -> None:
        if self.known_at and self.recorded_by:
            raise ValueError("A measure is either as known at a date or as recorded at an instant, not both")

    @property
    def is_current(self) -> bool:
        return self.known_at is None and self.recorded_by is None

    def q(self, prefix: str = "") -> Q:
        """Condition on a fact table (or on a relation to one, with prefix "invoice__")."""
        p = prefix
        if self.known_at is not None:
            return Q(**{f"{p}known_on__lte": self.known_at}) & (
                Q(**{f"{p}known_until__isnull": True}) | Q(**{f"{p}known_until__gt": self.known_at})
            )
        if self.recorded_by is not None:
            return Q(**{f"{p}recorded_at__lte": self.recorded_by}) & (
                Q(**{f"{p}superseded_at__isnull": True}) | Q(**{f"{p}superseded_at__gt": self.recorded_by})
            )
        return Q(**{f"{p}superseded_at__isnull": True})


CURRENT = View()
F = TypeVar("F", bound="Fact")


class FactQuerySet(models.QuerySet):
    def seen(self, view: View = CURRENT) -> FactQuerySet:
        """Facts as the view knows them, whatever their effective date."""
        return self.filter(view.q())

    def at(self, as_of: date, view: View = CURRENT) -> FactQuerySet:
        """Facts effective on or before `as_of`, as the view knows them (as_of inclusive)."""
        return self.seen(view).filter(effective_on__lte=as_of)


class Fact(models.Model):
    """A dated fact. Rows are append-only but for the two columns that close them (database triggers)."""

    effective_on = models.DateField(_("effective on"))
    known_on = models.DateField(_("known on"))
    known_until = models.DateField(_("known until"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now, editable=False)
    superseded_at = models.DateTimeField(_("superseded at"), null=True, blank=True, editable=False)

    objects = FactQuerySet.as_manager()

    class Meta:
        abstract = True


def said_as(**labels: str | Promise) -> Callable[[type[F]], type[F]]:
    """Class decorator: what an inherited date is called where this kind of fact is shown. "effective on" says little of
    an event. Words only: no migration knows of them."""

    def say(model: type[F]) -> type[F]:
        for name, label in labels.items():
            model._meta.get_field(name).verbose_name = label  # type: ignore[union-attr]
        return model

    return say


FACT_SET_ONCE = ("known_until", "superseded_at")
FACT_FROZEN = ("effective_on", "known_on", "recorded_at")
