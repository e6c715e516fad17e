"""A limit somebody looked at and left as it is."""

from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditAccount


class LimitReview(models.Model):
    """A periodic review that ended with the limit unchanged, with what was seen. Append-only.

    A review that changes the limit is a limit change; either way the next one is due by the policy's months.
    """

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="limit_reviews", verbose_name=_("account")
    )
    currency = models.CharField(_("currency"), max_length=3)
    limit = MoneyField(_("limit"))
    reviewed_on = models.DateField(_("reviewed on"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("reviewed by")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    score = models.PositiveSmallIntegerField(_("score"), null=True, blank=True)
    grade = models.CharField(_("grade"), max_length=1, blank=True)
    note = models.TextField(_("note"), validators=[MinLengthValidator(1)])
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("limit review")
        verbose_name_plural = _("limit reviews")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-reviewed_on"], name="limit_review_of_account")]
        constraints = [
            models.CheckConstraint(
                name="limit_review_reasoned",
                condition=(~Q(note="") | Q(erased_at__isnull=False)) & Q(limit__gte=0),
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.reviewed_on}"
