"""What the law of a country lets a seller hold back accepted orders on, when the buyer's means are in doubt."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class LegalBasis(models.Model):
    """One provision per country of the seller; country empty: sales between countries of the UN sales convention.

    `rule` is an English msgid: the reader sees it in their own language where a translation exists. Named with a stop,
    it says on what ground orders are held back; it is no legal advice, and contracts may say otherwise.
    """

    country = models.CharField(
        _("country"),
        max_length=2,
        blank=True,
        unique=True,
        help_text=_("Of our own company. Empty: sales between two countries of the UN sales convention."),
    )
    provision = models.CharField(_("provision"), max_length=120)
    rule = models.CharField(_("what it allows"), max_length=400)
    in_convention = models.BooleanField(_("party to the UN sales convention (CISG)"), default=False)

    class Meta:
        verbose_name = _("legal basis of a stop")
        verbose_name_plural = _("legal bases of a stop")
        ordering = ["country"]
        constraints = [
            models.CheckConstraint(name="legal_basis_named", condition=~Q(provision="") & ~Q(rule=""))
        ]

    def __str__(self) -> str:
        return self.provision
