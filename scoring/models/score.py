"""An account's score now, and the scores worth keeping."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.models import AuditEntry
from customers.models import CreditAccount
from scoring.signals import SIGNALS

from .card import Scorecard


class Grade(models.TextChoices):
    A = "A", _("A: pays as agreed")
    B = "B", _("B: pays with small delays")
    C = "C", _("C: pays late")
    D = "D", _("D: pays very late or in doubt")
    E = "E", _("E: likely not to pay")


class Recommendation(models.TextChoices):
    APPROVED = "approved", _("approved")
    GUARANTEES = "guarantees", _("approved with guarantees")
    REVIEW = "review", _("for a person to decide")
    DECLINED = "declined", _("declined")


class Depth(models.TextChoices):
    """How much payment history the score stands on (Scorecard.thin_below)."""

    NONE = "none", _("no history")
    THIN = "thin", _("thin history")
    FULL = "full", _("full history")


class Scored(models.Model):
    """What a score is, now or kept."""

    as_of = models.DateField(_("as of"))
    judged_on = models.DateField(_("lateness judged on"), null=True, blank=True)
    # No index: nobody looks a score up by its card, and every pass would have to keep it.
    card = models.ForeignKey(
        Scorecard, models.PROTECT, related_name="+", db_index=False, verbose_name=_("scorecard")
    )
    score = models.PositiveSmallIntegerField(_("score"))
    grade = models.CharField(_("grade"), max_length=1, choices=Grade)
    pd = models.DecimalField(
        _("probability of default"),
        max_digits=5,
        decimal_places=4,
        help_text=_("Within 12 months, from the card's odds; 1 where the customer is already insolvent."),
    )
    recommendation = models.CharField(_("recommendation"), max_length=10, choices=Recommendation)
    depth = models.CharField(_("data depth"), max_length=4, choices=Depth)
    exposure = models.BigIntegerField(
        _("open debt"),
        null=True,
        editable=False,
        help_text=_("Open instalments at the date, minor units of the account's currency."),
    )

    class Meta:
        abstract = True


class AccountScore(Scored):
    """The current score of a credit account, with one column per signal.

    bins: the fingerprint of the points (scoring/packing.py); points follow from values and card (scoring/stored.py).
    stamp: the instant of the ledger this row was computed from. A pass that started earlier never overwrites it.
    pass_id, moved: which pass wrote the row and whether it is the "first" or its points "changed"; they tie
    ScoreHistory to the pass.
    """

    account = models.OneToOneField(
        CreditAccount,
        models.CASCADE,
        primary_key=True,
        related_name="score_row",
        verbose_name=_("account"),
    )
    stamp = models.DateTimeField(_("computed from the ledger of"), editable=False)
    pass_id = models.BigIntegerField(editable=False)
    moved = models.CharField(_("points moved"), max_length=7, blank=True, editable=False)
    bins = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        indexes = [models.Index(fields=["score"], name="score_by_value")]
        constraints = [models.CheckConstraint(name="score_0_to_100", condition=Q(score__lte=100))]

    def __str__(self) -> str:
        return f"{self.score} {self.grade}"


class ScoreHistory(Scored):
    """A score worth keeping: where points changed, at month-end, and where a decision used it. Append-only.

    One column per signal. Scores kept by the first version hold values and points as JSON instead; read either
    with scoring.stored.
    """

    class Because(models.TextChoices):
        FIRST = "first", _("first score")
        CHANGED = "changed", _("points changed")
        MONTH_END = "month_end", _("month-end")
        DECISION = "decision", _("used in a decision")

    # Found by the index below; an entry is never deleted, and read from here only.
    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        related_name="score_history",
        db_index=False,
        verbose_name=_("account"),
    )
    because = models.CharField(_("kept because"), max_length=9, choices=Because)
    first_signals = models.JSONField(
        _("signals (first layout)"),
        db_column="signals",
        default=dict,
        editable=False,
        encoder=DjangoJSONEncoder,
    )
    first_points = models.JSONField(
        _("points (first layout)"),
        db_column="points",
        default=dict,
        editable=False,
        encoder=DjangoJSONEncoder,
    )
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)
    entry = models.ForeignKey(
        AuditEntry,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("audit entry"),
    )

    class Meta:
        verbose_name = _("kept score")
        verbose_name_plural = _("score history")
        indexes = [models.Index(fields=["account", "as_of", "id"], name="history_of_account")]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "as_of"], condition=Q(because="month_end"), name="one_month_end_score"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.as_of}: {self.score} {self.grade}"


for _signal in SIGNALS:
    for _model in (AccountScore, ScoreHistory):
        _model.add_to_class(
            _signal.name,
            models.FloatField(_signal.label, null=True, blank=True)  # type: ignore[arg-type]
            if _signal.is_ratio
            else models.IntegerField(_signal.label, null=True, blank=True),  # type: ignore[arg-type]
        )


class DirtyAccount(models.Model):
    """An account whose ledger changed since it was scored; written in the transaction of the change.

    Not unique on purpose: a change that arrives while an earlier row is being worked on adds its own row, which
    outlives the deletion of the claimed ones.
    """

    account = models.ForeignKey(CreditAccount, models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("account to rescore")
        verbose_name_plural = _("accounts to rescore")
