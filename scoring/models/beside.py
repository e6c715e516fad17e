"""What a card that runs beside the one in use says of an account, night by night. Nothing acts on it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers.models import CreditAccount

from .card import Scorecard


class BesideScore(models.Model):
    """One account on one night by a card that is not in use. Goes with its account and with its card.

    Written by the nightly pass from what was known that night, so a card that did not change since could not have
    looked ahead. Months ends stay longer than other nights (scoring/beside.py).
    """

    card = models.ForeignKey(
        Scorecard, models.CASCADE, related_name="beside_scores", db_index=False, verbose_name=_("scorecard")
    )
    account = models.ForeignKey(CreditAccount, models.CASCADE, related_name="+", verbose_name=_("account"))
    as_of = models.DateField(_("as of"))
    score = models.PositiveSmallIntegerField(_("score"))
    pd = models.DecimalField(_("probability of default"), max_digits=5, decimal_places=4)

    class Meta:
        verbose_name = _("score of a card run beside")
        verbose_name_plural = _("scores of cards run beside")
        constraints = [
            models.UniqueConstraint(fields=["card", "as_of", "account"], name="one_beside_score_a_night"),
            models.CheckConstraint(name="beside_score_0_to_100", condition=Q(score__lte=100)),
        ]

    def __str__(self) -> str:
        return f"{self.card_id} {self.account_id} {self.as_of}: {self.score}"
