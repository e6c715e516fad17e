"""What credit agencies say of a customer, who asked them, what it cost, and on which ground it was asked."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.facts import Fact
from creditdesk.core.money import MoneyField

from .customer import Customer
from .imports import ImportBatch


class BureauReport(Fact):
    """An agency's assessment of a customer; effective_on is the day it speaks of, known_on the day we had it.

    standing: 0-100, 100 the safest; each adapter says how its agency's scale maps to it. raw_score and raw_scale are
    what the agency writes. pd_basis_points: probability of default over 12 months, 100 = 1 %. days_beyond_terms:
    days the customer pays its suppliers after they are due; negative: before. Empty: not stated, never zero.
    outcome not_found: the agency does not know the customer; unrated: knows it, and gives no rating.
    """

    class Outcome(models.TextChoices):
        RATED = "rated", _("rated")
        UNRATED = "unrated", _("known, not rated")
        NOT_FOUND = "not_found", _("not known to the agency")

    class Activity(models.TextChoices):
        ACTIVE = "active", _("active")
        DORMANT = "dormant", _("dormant")
        CEASED = "ceased", _("ceased")
        UNKNOWN = "unknown", _("not stated")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="bureau_reports", db_index=False, verbose_name=_("customer")
    )
    provider = models.SlugField(_("agency"), max_length=40, db_index=False)
    product = models.CharField(_("product"), max_length=60, blank=True)
    reference = models.CharField(_("agency's reference"), max_length=120, blank=True)
    outcome = models.CharField(_("outcome"), max_length=9, choices=Outcome)
    standing = models.PositiveSmallIntegerField(_("standing (100 is safest)"), null=True, blank=True)
    raw_score = models.CharField(_("score as the agency writes it"), max_length=40, blank=True)
    raw_scale = models.CharField(_("the agency's scale"), max_length=80, blank=True)
    pd_basis_points = models.PositiveIntegerField(
        _("probability of default in 12 months (basis points)"), null=True, blank=True
    )
    days_beyond_terms = models.SmallIntegerField(_("days beyond terms"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    recommended_limit = MoneyField(_("limit recommended by the agency"), null=True, blank=True)
    activity = models.CharField(
        _("business activity"), max_length=8, choices=Activity, default=Activity.UNKNOWN
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("recorded by"),
    )
    batch = models.ForeignKey(
        ImportBatch,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("import"),
    )

    class Meta:
        verbose_name = _("agency report")
        verbose_name_plural = _("agency reports")
        indexes = [models.Index(fields=["customer", "effective_on"], name="bureau_report_of_customer")]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "provider", "product", "effective_on"],
                condition=Q(superseded_at__isnull=True),
                name="bureau_report_once",
            ),
            models.CheckConstraint(
                name="bureau_report_in_order",
                condition=Q(known_on__gte=F("effective_on")) & ~Q(provider=""),
            ),
            models.CheckConstraint(
                name="bureau_report_outcome",
                condition=Q(outcome="rated", standing__isnull=False)
                | Q(outcome="unrated", standing__isnull=True)
                | Q(
                    outcome="not_found",
                    standing__isnull=True,
                    pd_basis_points__isnull=True,
                    days_beyond_terms__isnull=True,
                    recommended_limit__isnull=True,
                    raw_score="",
                    activity="unknown",
                ),
            ),
            models.CheckConstraint(
                name="bureau_report_in_bounds",
                condition=(Q(standing__isnull=True) | Q(standing__gte=0, standing__lte=100))
                & (Q(pd_basis_points__isnull=True) | Q(pd_basis_points__gte=0, pd_basis_points__lte=10_000))
                & (
                    Q(days_beyond_terms__isnull=True)
                    | Q(days_beyond_terms__gte=-365, days_beyond_terms__lte=3650)
                )
                & (Q(recommended_limit__isnull=True) | (Q(recommended_limit__gte=0) & ~Q(currency=""))),
            ),
            models.CheckConstraint(
                name="bureau_report_activity",
                condition=Q(activity__in=["active", "dormant", "ceased", "unknown"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} · {self.provider} · {self.effective_on}"

    @property
    def default_share(self) -> float | None:
        """Probability of default in 12 months as a share, for showing it."""
        return None if self.pd_basis_points is None else self.pd_basis_points / 10_000


class BureauProvider(models.Model):
    """An agency we may ask: how, about whom, when, and what it may cost. Never holds the secret, only where it is.

    max_age_months: no new report while the newest answer of this agency is younger. monthly_budget: per calendar
    month, in `currency`; empty: no limit; zero: nothing is bought. ask_above: each night, customers whose exposure or
    limit is above it; empty: never at night.
    """

    slug = models.SlugField(_("name"), max_length=40, unique=True)
    label = models.CharField(_("agency"), max_length=80)
    adapter = models.CharField(_("adapter"), max_length=40)
    product = models.CharField(_("product"), max_length=60, blank=True)
    is_on = models.BooleanField(_("in use"), default=False)
    position = models.PositiveSmallIntegerField(
        _("place in the order of asking"), default=10, help_text=_("The lowest number is asked first.")
    )
    countries = models.CharField(
        _("countries"),
        max_length=200,
        blank=True,
        help_text=_("Of the customers it answers for, as two letters each: IT, FR. Empty: every country."),
    )
    answers_companies = models.BooleanField(_("answers for companies"), default=True)
    answers_sole_traders = models.BooleanField(
        _("answers for sole traders"),
        default=False,
        help_text=_("They are asked about only while a legal basis is on record for each of them."),
    )
    max_age_months = models.PositiveSmallIntegerField(
        _("no new report within (months)"),
        default=6,
        help_text=_("Counted from the day of the last answer. Zero: no age rule."),
    )
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    price = MoneyField(_("price of a report"), default=0)
    charges_not_found = models.BooleanField(
        _("charges also when it does not know the customer"), default=False
    )
    monthly_budget = MoneyField(_("budget of a month"), null=True, blank=True)
    ask_above = MoneyField(
        _("ask at night above"),
        null=True,
        blank=True,
        help_text=_("Exposure or limit of the customer, in the agency's currency. Empty: never by itself."),
    )
    ask_at_onboarding = models.BooleanField(_("ask when a customer applies for credit"), default=False)
    ask_at_review = models.BooleanField(_("ask when a review falls due"), default=False)
    secret_variable = models.CharField(
        _("variable that holds the secret"),
        max_length=80,
        blank=True,
        help_text=_("Name of an environment variable, never the secret itself."),
    )
    secret_file = models.CharField(
        _("file that holds the secret"),
        max_length=200,
        blank=True,
        help_text=_("Path on the server, read when the agency is asked."),
    )
    settings = models.JSONField(
        _("settings of the adapter"), default=dict, blank=True, help_text=_("See docs/bureau.md.")
    )
    keep_answers_months = models.PositiveSmallIntegerField(
        _("keep the raw answers for (months)"),
        default=6,
        help_text=_("What was read from them stays; the answers themselves are deleted."),
    )

    class Meta:
        verbose_name = _("credit agency")
        verbose_name_plural = _("credit agencies")
        ordering = ["position", "slug"]
        constraints = [
            models.CheckConstraint(
                name="bureau_provider_in_bounds",
                condition=Q(price__gte=0)
                & (Q(monthly_budget__isnull=True) | Q(monthly_budget__gte=0))
                & (Q(ask_above__isnull=True) | Q(ask_above__gte=0)),
            ),
            models.CheckConstraint(
                name="bureau_provider_one_secret", condition=Q(secret_variable="") | Q(secret_file="")
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def clean(self) -> None:
        if self.max_age_months == 0 and (self.ask_above is not None or self.ask_at_review):
            raise ValidationError(
                {
                    "max_age_months": _(
                        "An agency that is asked by itself needs an age rule: give a month or more."
                    )
                }
            )


class BureauBasis(Fact):
    """The legal basis on which an agency may be asked about a natural person (GDPR art. 6(1)); one person, one record.

    In force on a day: effective_on <= day, not after expires_on, not revoked by then.
    """

    class Ground(models.TextChoices):
        CONSENT = "consent", _("consent (art. 6(1)(a) GDPR)")
        CONTRACT = "contract", _("steps before a contract, at its request (art. 6(1)(b) GDPR)")
        INTEREST = "interest", _("legitimate interest, balanced on record (art. 6(1)(f) GDPR)")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="bureau_bases", verbose_name=_("customer")
    )
    ground = models.CharField(_("ground"), max_length=8, choices=Ground)
    reference = models.CharField(
        _("reference"),
        max_length=120,
        help_text=_("Where the consent or the balancing of interests is kept."),
    )
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    revoked_on = models.DateField(_("revoked on"), null=True, blank=True, editable=False)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("recorded by"),
    )

    class Meta:
        verbose_name = _("legal basis of agency reports")
        verbose_name_plural = _("legal bases of agency reports")
        constraints = [
            models.CheckConstraint(
                name="bureau_basis_in_order",
                condition=(Q(expires_on__isnull=True) | Q(expires_on__gte=F("effective_on")))
                & (~Q(reference="") | Q(erased_at__isnull=False)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer} · {self.get_ground_display()}"


class BureauPull(models.Model):
    """One question to an agency: who asked, why, when, what came of it, what it cost. Append-only (triggers).

    Stored as `asked` before anything is sent, closed once with the outcome. One that is asked or answered stands alone
    for its customer, agency and business date. `price` is what was expected, `charged` what it cost; a question in
    doubt (sent, no answer stored) counts as charged. `idempotency_key` is sent again when a lost question is repeated.
    """

    class Cause(models.TextChoices):
        PERSON = "person", _("asked by a person")
        API = "api", _("asked through the API")
        NIGHT = "night", _("age of the report, at night")
        ONBOARDING = "onboarding", _("application for credit")
        REVIEW = "review", _("review of the limit")

    class Outcome(models.TextChoices):
        ASKED = "asked", _("being asked")
        RATED = "rated", _("rated")
        UNRATED = "unrated", _("known, not rated")
        NOT_FOUND = "not_found", _("not known to the agency")
        UNAVAILABLE = "unavailable", _("agency not available")
        REFUSED = "refused", _("agency refused the question")
        BAD_ANSWER = "bad_answer", _("answer could not be read")
        DOUBT = "doubt", _("in doubt: sent, no answer kept")
        TOO_YOUNG = "too_young", _("not asked: report young enough")
        NO_BUDGET = "no_budget", _("not asked: budget used")
        NO_BASIS = "no_basis", _("not asked: no legal basis")

    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="bureau_pulls", verbose_name=_("customer")
    )
    provider = models.ForeignKey(
        BureauProvider, models.PROTECT, related_name="pulls", verbose_name=_("agency")
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    in_spite_of_age = models.BooleanField(_("in spite of the age rule"), default=False)
    asked_on = models.DateField(_("business date"))
    asked_at = models.DateTimeField(_("asked at"), default=timezone.now)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked by"),
    )
    actor_name = models.CharField(_("actor"), max_length=80)
    idempotency_key = models.UUIDField(_("idempotency key"), unique=True)
    attempts = models.PositiveSmallIntegerField(_("times sent"), default=1)
    claimed_until = models.DateTimeField(_("being asked until"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=11, choices=Outcome, default=Outcome.ASKED)
    detail = models.JSONField(_("detail"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    price = MoneyField(_("price"), default=0)
    charged = MoneyField(_("charged"), null=True, blank=True)
    report = models.ForeignKey(
        BureauReport,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="pulls",
        verbose_name=_("agency report"),
    )

    class Meta:
        verbose_name = _("question to an agency")
        verbose_name_plural = _("questions to agencies")
        ordering = ["-asked_at", "-pk"]
        indexes = [
            models.Index(fields=["provider", "asked_on"], name="bureau_pull_month"),
            models.Index(fields=["asked_at", "id"], name="bureau_pull_by_time"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "provider", "asked_on"],
                condition=Q(outcome__in=["asked", "rated", "unrated", "not_found"]),
                name="bureau_pull_once_a_day",
            ),
            models.CheckConstraint(
                name="bureau_pull_closed_whole",
                condition=Q(
                    outcome="asked",
                    answered_at__isnull=True,
                    charged__isnull=True,
                    report__isnull=True,
                    claimed_until__isnull=False,
                )
                | (
                    Q(
                        outcome__in=["rated", "unrated", "not_found"],
                        report__isnull=False,
                        answered_at__isnull=False,
                        charged__gte=0,
                    )
                )
                | (
                    Q(
                        outcome__in=[
                            *("unavailable", "refused", "bad_answer", "doubt"),
                            *("too_young", "no_budget", "no_basis"),
                        ],
                        report__isnull=True,
                        answered_at__isnull=False,
                        charged__gte=0,
                    )
                ),
            ),
            models.CheckConstraint(name="bureau_pull_price", condition=Q(price__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} · {self.provider_id} · {self.asked_on}"


class BureauAnswer(models.Model):
    """The agency's raw answer to a question, as text; deleted after `erase_on`, while what was read from it stays."""

    pull = models.OneToOneField(
        BureauPull, models.PROTECT, related_name="answer", verbose_name=_("question to an agency")
    )
    payload = models.TextField(_("answer"))
    stored_at = models.DateTimeField(_("stored at"), default=timezone.now)
    erase_on = models.DateField(_("erase on"), db_index=True)

    class Meta:
        verbose_name = _("raw answer of an agency")
        verbose_name_plural = _("raw answers of agencies")
