"""A decision on credit as it was given: append-only, with everything it stood on. And the book's sums it needs."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import Company, CreditAccount, CreditApplication

from .card import Scorecard
from .policy import LimitPolicy
from .score import Depth, Grade, Recommendation, ScoreHistory
from .terms import TermsPolicy


class BookFigure(models.Model):
    """Open invoices of a whole company in one currency on a day, and how many accounts owed them.

    Kept every night, so that one decision need not add up the whole ledger (scoring/book_figures.py).
    """

    company = models.ForeignKey(
        Company, models.CASCADE, related_name="+", db_index=False, verbose_name=_("company")
    )
    currency = models.CharField(_("currency"), max_length=3)
    as_of = models.DateField(_("as of"))
    receivables = MoneyField(_("receivables"))
    owing = models.PositiveIntegerField(_("accounts that owe"))

    class Meta:
        verbose_name = _("receivables of a company")
        verbose_name_plural = _("receivables of companies")
        constraints = [
            models.UniqueConstraint(fields=["company", "as_of", "currency"], name="book_figure_once")
        ]

    def __str__(self) -> str:
        return f"{self.company_id} {self.as_of}: {self.receivables}"


class Decision(models.Model):
    """An answer to "what may this account owe", by the rules or by a named person. Append-only (triggers), but for its
    words: they may be erased once (scoring/erasing.py).

    outcome: what was answered; advised: what the rules alone said (they differ where only a person may say it).
    limit: None while a person has yet to decide, and where nothing is known of the need; zero when declined.
    guarantees: {} or {"percent", "amount", "held", "kinds"}; amounts as {"minor", "currency"}.
    advice: limit, terms and guarantees the rules suggest to the person who decides.
    reasons: [{"code", "params"}], rendered in the reader's language (scoring/decision_reasons.py); "told" stands for what
    a person wrote to the customer, whose words are in `told`.
    inputs: the caps of the limit policy, exposure, cover, receivables; the signals are in `kept`.
    answers: the decision for review that this person's decision settles.
    """

    class By(models.TextChoices):
        RULES = "rules", _("rules")
        PERSON = "person", _("person")

    public_id = models.UUIDField(_("decision number"), default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(
        CreditAccount,
        models.PROTECT,
        related_name="decisions",
        db_index=False,
        verbose_name=_("account"),
    )
    application = models.ForeignKey(
        CreditApplication,
        models.PROTECT,
        null=True,
        related_name="decisions",
        verbose_name=_("application"),
    )
    as_of = models.DateField(_("as of"))
    decided_at = models.DateTimeField(_("decided at"), default=timezone.now)
    outcome = models.CharField(_("decision"), max_length=10, choices=Recommendation)
    advised = models.CharField(_("advised by the rules"), max_length=10, choices=Recommendation)

    score = models.PositiveSmallIntegerField(_("score"), null=True)
    grade = models.CharField(_("grade"), max_length=1, choices=Grade, blank=True)
    pd = models.DecimalField(_("probability of default"), max_digits=5, decimal_places=4, null=True)
    depth = models.CharField(_("data depth"), max_length=4, choices=Depth, blank=True)
    scored_as_of = models.DateField(_("score as of"), null=True)
    kept = models.ForeignKey(
        ScoreHistory,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("kept score"),
    )
    score_pass = models.BigIntegerField(null=True, editable=False)
    card = models.ForeignKey(
        Scorecard, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("scorecard")
    )
    limit_policy = models.ForeignKey(
        LimitPolicy,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("limit policy"),
    )
    terms_policy = models.ForeignKey(
        TermsPolicy,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("terms policy"),
    )

    currency = models.CharField(_("currency"), max_length=3)
    requested = MoneyField(_("asked for"), null=True)
    current = MoneyField(_("limit in force"), null=True)
    limit = MoneyField(_("limit"), null=True)
    terms_days = models.PositiveSmallIntegerField(_("payment terms (days)"), null=True)
    guarantees = models.JSONField(_("guarantees asked"), default=dict, encoder=DjangoJSONEncoder)
    advice = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    reasons = models.JSONField(_("reasons"), default=list, encoder=DjangoJSONEncoder)
    inputs = models.JSONField(_("inputs"), default=dict, encoder=DjangoJSONEncoder)
    is_natural_person = models.BooleanField(_("natural person"))

    asked_by = models.CharField(_("asked by"), max_length=150)
    by_kind = models.CharField(_("decided by (kind)"), max_length=6, choices=By)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("decided by"),
    )
    note = models.TextField(_("explanation"), blank=True)
    told = models.TextField(_("further reasons, in the customer's language"), blank=True, default="")
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    answers = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="answer", verbose_name=_("settles")
    )

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        ordering = ["-pk"]
        permissions = [("decide_credit", _("Can decide on credit that a person must decide"))]
        indexes = [models.Index(fields=["account", "-id"], name="decision_of_account")]
        constraints = [
            models.CheckConstraint(
                name="decision_person_named",
                condition=Q(by_kind="rules", decided_by__isnull=True)
                | Q(by_kind="person", decided_by__isnull=False)
                & (~Q(note="") | Q(erased_at__isnull=False))
                & ~Q(outcome="review"),
            ),
            # Nothing adverse about a natural person without a named human (GDPR art. 22).
            models.CheckConstraint(
                name="decision_adverse_by_a_person",
                condition=Q(is_natural_person=False)
                | Q(by_kind="person")
                | Q(outcome="review")
                | Q(outcome="approved")
                & (Q(requested__isnull=True) | Q(limit__isnull=False, limit__gte=F("requested"))),
            ),
            models.CheckConstraint(
                name="decision_limit_of_outcome",
                condition=Q(outcome="review", limit__isnull=True)
                | Q(outcome="declined", limit__isnull=False, limit=0)
                | Q(outcome__in=["approved", "guarantees"]) & (Q(limit__isnull=True) | Q(limit__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.as_of}: {self.get_outcome_display()}"

    @property
    def concerns_natural_person(self) -> bool:
        """Then, or by the legal kind as it is now: a kind corrected since does not take a person's rights away."""
        return self.is_natural_person or self.account.customer.is_natural_person

    @property
    def is_open(self) -> bool:
        """A person has yet to decide."""
        return self.outcome == Recommendation.REVIEW and not hasattr(self, "answer")


class DecisionLetter(models.Model):
    """The letter that tells the customer a decision, as it was printed. One per decision and language, kept as it is."""

    decision = models.ForeignKey(
        Decision, models.PROTECT, related_name="letters", db_index=False, verbose_name=_("decision")
    )
    language = models.CharField(_("language"), max_length=5)
    content = models.BinaryField(_("PDF"))
    sha256 = models.CharField(_("fingerprint"), max_length=64)
    made_at = models.DateTimeField(_("written at"), default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("written by")
    )

    class Meta:
        verbose_name = _("letter on a decision")
        verbose_name_plural = _("letters on decisions")
        constraints = [
            models.UniqueConstraint(fields=["decision", "language"], name="one_letter_per_language")
        ]

    def __str__(self) -> str:
        return f"{self.decision_id} {self.language}"
