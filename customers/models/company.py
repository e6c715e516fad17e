from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Company(models.Model):
    """One of our own legal entities, the seller. Its time zone and calendar decide business days."""

    code = models.SlugField(_("code"), max_length=20, unique=True)
    name = models.CharField(_("name"), max_length=120)
    country = models.CharField(_("country"), max_length=2, default="IT")
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    time_zone = models.CharField(_("time zone"), max_length=40, default="Europe/Rome")

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")

    def __str__(self) -> str:
        return self.name


class CreditSegment(models.Model):
    """A part of a company's business in which customers have limits of their own (a division, a product line)."""

    company = models.ForeignKey(Company, models.PROTECT, related_name="segments", verbose_name=_("company"))
    code = models.SlugField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=120)
    order_horizon_days = models.PositiveSmallIntegerField(
        _("order horizon (days)"),
        default=90,
        db_default=90,
        help_text=_("Orders to be delivered later than this many days from now are not exposure yet."),
    )
    return_days = models.PositiveSmallIntegerField(
        _("return period of bills (days)"),
        default=10,
        db_default=10,
        help_text=_("A bill, RiBa or pagaré may still come back unpaid this many days after it matures."),
    )

    class Meta:
        verbose_name = _("credit segment")
        verbose_name_plural = _("credit segments")
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="segment_code_per_company")]

    def __str__(self) -> str:
        return self.name


class Portfolio(models.Model):
    """A set of credit accounts given to people together."""

    company = models.ForeignKey(Company, models.PROTECT, related_name="portfolios", verbose_name=_("company"))
    code = models.SlugField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("portfolio")
        verbose_name_plural = _("portfolios")
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="portfolio_code_per_company")]

    def __str__(self) -> str:
        return self.name


class Access(models.Model):
    """A user may see this company, or only this portfolio of it. No row: the user sees nothing."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="accesses", verbose_name=_("user")
    )
    company = models.ForeignKey(Company, models.CASCADE, related_name="+", verbose_name=_("company"))
    portfolio = models.ForeignKey(
        Portfolio,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("portfolio"),
        help_text=_("Empty: every portfolio of the company."),
    )

    class Meta:
        verbose_name = _("access")
        verbose_name_plural = _("accesses")
        constraints = [
            models.UniqueConstraint(fields=["user", "company", "portfolio"], name="access_once"),
            # SQLite has no NULLS NOT DISTINCT: the whole company needs a constraint of its own.
            models.UniqueConstraint(
                fields=["user", "company"],
                condition=models.Q(portfolio__isnull=True),
                name="access_to_company_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.company} · {self.portfolio or '*'}"


class Source(models.Model):
    """Where facts come from: an ERP, a bank, a person typing. Keys are unique per source."""

    company = models.ForeignKey(Company, models.PROTECT, related_name="sources", verbose_name=_("company"))
    code = models.SlugField(_("code"), max_length=30)
    name = models.CharField(_("name"), max_length=120)
    is_ledger = models.BooleanField(
        _("feeds the ledger"),
        default=True,
        help_text=_("The company's ledger counts as complete up to the oldest of its ledger sources."),
    )

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="source_code_per_company")]

    def __str__(self) -> str:
        return self.name


class ExchangeRate(models.Model):
    """One unit of `base` costs `rate` units of `quote` on a day, as published by `source`."""

    base = models.CharField(_("base currency"), max_length=3)
    quote = models.CharField(_("quote currency"), max_length=3)
    on = models.DateField(_("day"))
    rate = models.DecimalField(_("rate"), max_digits=18, decimal_places=8)
    source = models.CharField(_("source"), max_length=60)
    recorded_at = models.DateTimeField(_("recorded at"), auto_now_add=True)

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        constraints = [
            models.UniqueConstraint(fields=["base", "quote", "on", "source"], name="rate_once_a_day"),
            models.CheckConstraint(name="rate_positive", condition=models.Q(rate__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.rate} {self.on}"
