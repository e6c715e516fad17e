"""What cut a limit, with its evidence: written in the transaction of the cut, never edited."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import CreditAccount, CreditHold, LegalBasis, LimitChange

from .policy import CauseKind, LimitPolicy


class CreditCause(models.Model):
    """One cause of an account, once per `key` (the item, the score or the week it speaks of). Append-only.

    evidence: the parameters of its sentence (customers/limit_reasons.py) and what they were read from.
    """

    class Reaction(models.TextChoices):
        CUT = "cut", _("cut at once")
        HELD = "held", _("on hold until a person decides")
        PROPOSED = "proposed", _("cut proposed")
        NOTHING = "nothing", _("nothing left to cut")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="credit_causes", verbose_name=_("account")
    )
    kind = models.CharField(_("cause"), max_length=12, choices=CauseKind)
    key = models.CharField(max_length=80, editable=False)
    as_of = models.DateField(_("as of"))
    evidence = models.JSONField(_("evidence"), default=dict, encoder=DjangoJSONEncoder)
    policy = models.ForeignKey(
        LimitPolicy,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("limit policy"),
    )
    reaction = models.CharField(_("what was done"), max_length=8, choices=Reaction)
    change = models.ForeignKey(
        LimitChange,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="causes",
        verbose_name=_("limit change"),
    )
    hold = models.ForeignKey(
        CreditHold,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="causes",
        verbose_name=_("credit hold"),
    )
    stops_business = models.BooleanField(_("stops new business"), default=False)
    basis = models.ForeignKey(
        LegalBasis,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("legal basis"),
    )
    provision = models.CharField(_("provision"), max_length=120, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    class Meta:
        verbose_name = _("cause of a cut")
        verbose_name_plural = _("causes of cuts")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-id"], name="cause_of_account")]
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "key"], name="credit_cause_once"),
            models.CheckConstraint(
                name="credit_cause_did_what_it_says",
                condition=Q(reaction="cut", change__isnull=False)
                | Q(reaction="proposed", change__isnull=False, hold__isnull=True)
                | Q(reaction="held", hold__isnull=False)
                | Q(reaction="nothing", change__isnull=True, hold__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.as_of}"
