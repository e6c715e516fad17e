"""A named person's word on a score that no card may decide alone: the grey zone, thin histories, natural persons."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import CreditAccount

from .report import ScoreOverride
from .score import Grade, Recommendation, ScoreHistory


class ScoreReview(models.Model):
    """A person's decision on a score, or a customer's contest of one. Append-only (triggers), but for its words:
    they may be erased once (scoring/erasing.py), and nothing else with them.

    score, grade, recommendation: as they were; `kept` is the whole copy. valid_until: last day of a decision, or
    the day by which a contest must be answered.
    A contest names what it contests (none: nobody had decided yet) and whom (`first_by`, who may not answer it);
    the decision that answers it points back.
    """

    class Outcome(models.TextChoices):
        CONFIRMED = "confirmed", _("the card's grade confirmed")
        OVERRIDDEN = "overridden", _("overridden")
        CONTESTED = "contested", _("contested by the customer")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="score_reviews", verbose_name=_("account")
    )
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    score = models.PositiveSmallIntegerField(_("score"))
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    recommendation = models.CharField(_("recommendation"), max_length=10, choices=Recommendation)
    kept = models.ForeignKey(ScoreHistory, models.PROTECT, related_name="+", verbose_name=_("kept score"))
    note = models.TextField(_("explanation"))
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("recorded by")
    )
    on = models.DateField(_("date"))
    valid_until = models.DateField(_("valid until"))
    made_at = models.DateTimeField(_("made at"), default=timezone.now)
    override = models.ForeignKey(
        ScoreOverride,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("score override"),
    )
    contests = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="contested_in",
        verbose_name=_("decision contested"),
    )
    first_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who decided first"),
    )
    answers = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="answer",
        verbose_name=_("contest answered"),
    )

    class Meta:
        verbose_name = _("review of a score")
        verbose_name_plural = _("reviews of scores")
        ordering = ["-pk"]
        permissions = [
            ("review_score", _("Can decide on scores that a person must decide")),
            ("contest_score", _("Can record that a customer contests a score")),
            ("erase_words", _("Can erase the words of reviews and overrides of scores")),
        ]
        indexes = [models.Index(fields=["account", "outcome", "valid_until"], name="review_of_account")]
        constraints = [
            models.CheckConstraint(
                name="review_explained",
                condition=(~Q(note="") | Q(erased_at__isnull=False)) & Q(valid_until__gte=models.F("on")),
            ),
            models.CheckConstraint(
                name="review_override_named",
                condition=Q(outcome="overridden", override__isnull=False)
                | ~Q(outcome="overridden") & Q(override__isnull=True),
            ),
            models.CheckConstraint(
                name="review_contest_or_answer",
                condition=Q(outcome="contested", answers__isnull=True)
                | ~Q(outcome="contested") & Q(contests__isnull=True, first_by__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.on}: {self.get_outcome_display()}"
