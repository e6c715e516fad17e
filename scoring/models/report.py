"""Evidence about a scorecard, the bar it must pass to be published, and a person's judgement against a score."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from customers.models import CreditAccount

from .card import Scorecard
from .score import Grade


class CardReport(models.Model):
    """What was measured about a card, with the dates it speaks of. Append-only; the newest of a kind counts.

    figures: for "backtest" and "fit" at least gini and events (gini null when nothing could be measured, with
    "refused" saying why); for "calibrated" the odds before and after with predicted and observed by tenth; for "compared"
    `against` and both cards' figures on the same rows; for "stability" psi, from, to; for "tryout" the movements on the live book; for "signed"
    the model card as it was when signed (scoring/model_card.py).
    """

    class Kind(models.TextChoices):
        FIT = "fit", _("fit")
        BACKTEST = "backtest", _("backtest")
        STABILITY = "stability", _("stability")
        TRYOUT = "tryout", _("try-out on the live book")
        MONITORING = "monitoring", _("monthly monitoring")
        SIGNED = "signed", _("model card signed off")
        CALIBRATED = "calibrated", _("calibration to outcomes")
        COMPARED = "compared", _("comparison with another card")

    card = models.ForeignKey(Scorecard, models.CASCADE, related_name="reports", verbose_name=_("scorecard"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    as_of = models.DateField(_("as of"))
    figures = models.JSONField(_("figures"), encoder=DjangoJSONEncoder)
    made_by = models.CharField(_("made by"), max_length=80)
    made_at = models.DateTimeField(_("made at"), default=timezone.now)

    class Meta:
        verbose_name = _("scorecard report")
        verbose_name_plural = _("scorecard reports")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["card", "kind", "-id"], name="card_report_newest")]

    def __str__(self) -> str:
        return f"{self.card_id} {self.kind} {self.as_of}"


class PublishingGate(models.Model):
    """The bar a card must pass to be published without a reasoned override. Append-only; the newest counts."""

    min_gini = models.DecimalField(
        _("least Gini"),
        max_digits=4,
        decimal_places=3,
        default="0.300",
        help_text=_("From the newest backtest or fit."),
    )
    max_psi = models.DecimalField(
        _("largest PSI"),
        max_digits=4,
        decimal_places=3,
        default="0.250",
        help_text=_("Population stability index of the card's scores, a year ago against now."),
    )
    max_age_days = models.PositiveSmallIntegerField(
        _("evidence no older than (days)"), default=100, help_text=_("Older reports do not count.")
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    set_at = models.DateTimeField(_("set at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("publishing gate")
        verbose_name_plural = _("publishing gates")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="publishing_gate_bounds",
                condition=Q(min_gini__gte=-1, min_gini__lte=1, max_psi__gt=0, max_age_days__gt=0),
            )
        ]

    def __str__(self) -> str:
        return f"Gini >= {self.min_gini}, PSI <= {self.max_psi}"


REPLACED = gettext_noop("replaced by a newer override")
"""Why an override ended of which nobody said why: stored as it stands here, shown in the reader's language."""


class ScoreOverride(models.Model):
    """A person's grade in place of the card's, with a reason, from a day to a day. Ended early, never edited.

    The computed score stays what it is: an override changes what is decided on it, and is measured later
    against what happened (scoring/overrides.py).
    """

    class Reason(models.TextChoices):
        NEW_INFORMATION = "new_information", _("information the score cannot know")
        DATA_ERROR = "data_error", _("an input is wrong and being corrected")
        GUARANTEE = "guarantee", _("backed by a guarantee or the parent")
        STRATEGIC = "strategic", _("business decision")
        BAD_NEWS = "bad_news", _("bad news not yet recorded anywhere")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="score_overrides", verbose_name=_("account")
    )
    grade = models.CharField(_("grade instead"), max_length=1, choices=Grade)
    computed_score = models.PositiveSmallIntegerField(_("computed score"))
    computed_grade = models.CharField(_("computed grade"), max_length=1, choices=Grade)
    card = models.ForeignKey(Scorecard, models.PROTECT, related_name="+", verbose_name=_("scorecard"))
    reason_code = models.CharField(_("reason"), max_length=20, choices=Reason)
    note = models.TextField(_("explanation"))
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"))
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("made by")
    )
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    ended_on = models.DateField(_("ended early on"), null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended by"),
    )
    # A person's words, or REPLACED.
    end_reason = models.TextField(_("ended because"), blank=True)

    class Meta:
        verbose_name = _("score override")
        verbose_name_plural = _("score overrides")
        ordering = ["-pk"]
        permissions = [("override_score", _("Can override a score with a reason"))]
        indexes = [models.Index(fields=["account", "valid_until"], name="override_of_account")]
        constraints = [
            models.CheckConstraint(
                name="override_reasoned",
                condition=(~Q(note="") | Q(erased_at__isnull=False)) & Q(valid_until__gte=F("valid_from")),
            ),
            models.CheckConstraint(name="override_differs", condition=~Q(grade=F("computed_grade"))),
            models.CheckConstraint(
                name="override_end_named",
                condition=Q(ended_on__isnull=True, ended_by__isnull=True)
                | Q(ended_on__isnull=False, ended_by__isnull=False)
                & (~Q(end_reason="") | Q(erased_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.computed_grade} → {self.grade}"

    @property
    def ended_because(self) -> str:
        return gettext(REPLACED) if self.end_reason == REPLACED else self.end_reason
