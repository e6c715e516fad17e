"""Figures of our customers together, per company and sector: what one customer is compared with."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Company


class PeerFigure(models.Model):
    """What the customers of a company (sector empty) or of one of its sectors did, as known on a day. Append-only.

    Averages go over the accounts that have the figure; a sector with fewer than `scoring.peers.LEAST` of them has
    none. invoiced: of 12 months, only for the whole company, accounts in its own currency, minor units.
    """

    company = models.ForeignKey(Company, models.PROTECT, related_name="+", verbose_name=_("company"))
    sector = models.CharField(_("sector (NACE division)"), max_length=2, blank=True)
    as_of = models.DateField(_("as of"))
    accounts = models.PositiveIntegerField(_("accounts"))
    late_share = models.FloatField(_("share paid or open late, by amount"), null=True)
    days_late = models.FloatField(_("days late on average, 12 months"), null=True)
    z_median = models.FloatField(_("median Altman Z''"), null=True)
    invoiced = models.BigIntegerField(_("invoiced in 12 months"), null=True)
    currency = models.CharField(_("currency"), max_length=3)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    class Meta:
        verbose_name = _("peer figure")
        verbose_name_plural = _("peer figures")
        constraints = [
            models.UniqueConstraint(fields=["company", "sector", "as_of"], name="peer_figure_once"),
            models.CheckConstraint(
                name="peer_figure_positive", condition=Q(invoiced__isnull=True) | Q(invoiced__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company} {self.sector or '*'} {self.as_of}"
