"""The scorecard as data: bins, points and rationale per signal, in versions that are never edited once used."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from scoring import calibrated

from .version import Version, VersionEditor, two_persons


class Scorecard(Version):
    """One version of a scorecard. At most one of a kind is active; drafts may be edited, the rest never (triggers).

    kind: the full card scores every account; a thin one those whose payment history is not deep enough but whose
    bank lines reach back `evidence_from` days, and those rated by a credit agency where it prices that rating.

    score = base_points + the points of every signal, exactly: `scoring.card.problems` refuses a card whose
    least or greatest sum leaves 0..100, so nothing is ever clamped.
    PD = 1 / (1 + odds_at_anchor * 2 ** ((score - anchor_score) / points_to_double)). `calibration` says what those odds
    stand on, with the day and the defaults (scoring/calibrated.py); it goes with whatever moves the probability. `taught` is
    what points and odds have seen (scoring/taught.py); it stays whatever is changed.
    """

    class Kind(models.TextChoices):
        FULL = "full", _("full: every account")
        THIN = "thin", _("thin: bank data in place of payment history")

    class Calibration(models.TextChoices):
        UNCALIBRATED = "uncalibrated", _("uncalibrated: expert odds, not fitted to outcomes")
        LEVEL = "level", _("level adjusted to outcomes, slope expert judgement")
        FITTED = "fitted", _("fitted to outcomes")

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=4, choices=Kind, default=Kind.FULL)
    base_points = models.SmallIntegerField(_("base points"))
    grade_a_from = models.PositiveSmallIntegerField(_("grade A from"), default=80)
    grade_b_from = models.PositiveSmallIntegerField(_("grade B from"), default=60)
    grade_c_from = models.PositiveSmallIntegerField(_("grade C from"), default=45)
    grade_d_from = models.PositiveSmallIntegerField(_("grade D from"), default=25)
    review_from = models.PositiveSmallIntegerField(_("a person decides from"), default=40)
    review_to = models.PositiveSmallIntegerField(_("a person decides up to"), default=60)
    guarantees_below = models.PositiveSmallIntegerField(_("guarantees asked below"), default=70)
    thin_below = models.PositiveSmallIntegerField(
        _("thin history below"),
        default=4,
        help_text=_("Instalments fallen due in 12 months below which averages count as missing."),
    )
    thin_recent_below = models.PositiveSmallIntegerField(
        _("thin 90 days below"),
        default=2,
        help_text=_("Instalments fallen due in 90 days below which the 90-day average counts as missing."),
    )
    calibration = models.CharField(
        _("calibration"), max_length=14, choices=Calibration, default=Calibration.UNCALIBRATED
    )
    calibrated_on = models.DateField(
        _("calibrated on"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("The day through which outcomes were known."),
    )
    calibration_events = models.PositiveIntegerField(
        _("customers that defaulted"), null=True, blank=True, editable=False
    )
    calibration_years = models.PositiveIntegerField(
        _("customer-years observed"), null=True, blank=True, editable=False
    )
    learned_until = models.DateField(
        _("learned until"),
        null=True,
        blank=True,
        editable=False,
        help_text=_(
            "The last day whose outcomes taught the points, here or in the version they were copied from."
        ),
    )
    taught = models.JSONField(
        _("what it was taught"), default=dict, blank=True, editable=False, encoder=DjangoJSONEncoder
    )
    anchor_score = models.PositiveSmallIntegerField(_("anchor score"), default=50)
    odds_at_anchor = models.DecimalField(
        _("good to bad odds at the anchor"), max_digits=12, decimal_places=4, default=12
    )
    points_to_double = models.DecimalField(
        _("points that double the odds"), max_digits=8, decimal_places=4, default=12
    )
    evidence_from = models.PositiveSmallIntegerField(
        _("days of bank data needed"),
        default=90,
        help_text=_("Thin cards only: with fewer days of bank lines the full card scores the account."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    first_day = models.DateField(
        _("in use from"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Set by publishing. A planned card takes the place of the one in use on this day."),
    )
    beside_since = models.DateField(
        _("runs beside since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Scored every night beside the card in use; nothing acts on it."),
    )
    override_reason = models.TextField(_("published against the gates because"), blank=True, editable=False)

    class Meta(Version.Meta):
        verbose_name = _("scorecard")
        verbose_name_plural = _("scorecards")
        ordering = ["-pk"]
        permissions = [
            ("propose_scorecard", _("Can propose a scorecard for publishing")),
            ("publish_scorecard", _("Can publish or send back a proposed scorecard")),
        ]
        constraints = [
            *two_persons("scorecard"),
            models.UniqueConstraint(fields=["code", "version"], name="scorecard_version"),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(status="active"), name="one_active_scorecard_of_a_kind"
            ),
            models.UniqueConstraint(
                fields=["kind", "first_day"],
                condition=Q(status="planned"),
                name="one_planned_scorecard_a_day",
            ),
            models.CheckConstraint(
                name="scorecard_planned_dated",
                condition=~Q(status="planned") | Q(first_day__isnull=False),
            ),
            models.CheckConstraint(
                name="scorecard_grades_in_order",
                condition=Q(grade_a_from__gt=F("grade_b_from"), grade_a_from__lte=100)
                & Q(grade_b_from__gt=F("grade_c_from"))
                & Q(grade_c_from__gt=F("grade_d_from")),
            ),
            models.CheckConstraint(
                name="scorecard_review_zone",
                condition=Q(review_from__lte=F("review_to"), guarantees_below__gte=F("review_to")),
            ),
            models.CheckConstraint(
                name="scorecard_calibration_dated",
                condition=Q(
                    calibration="uncalibrated", calibrated_on__isnull=True, calibration_events__isnull=True
                )
                | Q(calibration="level", calibrated_on__isnull=False, calibration_events__isnull=False)
                | Q(calibration="fitted"),
            ),
            models.CheckConstraint(
                name="scorecard_odds", condition=Q(odds_at_anchor__gt=0, points_to_double__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · v{self.version}"

    @property
    def calibration_short(self) -> str:
        return calibrated.short_label(self)

    @property
    def calibration_tone(self) -> str:
        return {"fitted": "good", "level": "info"}.get(self.calibration, "warn")

    @property
    def calibration_label(self) -> str:
        return calibrated.label(self)

    @property
    def calibration_sentence(self) -> str:
        return calibrated.sentence(self)


class ScorecardBin(models.Model):
    """Points of one signal where lower <= value < upper (null: no bound), or where it is missing.

    `rationale` is an English msgid: the reader sees it in their own language where a translation exists.
    """

    card = models.ForeignKey(Scorecard, models.CASCADE, related_name="bins", verbose_name=_("scorecard"))
    signal = models.CharField(_("signal"), max_length=40)
    is_missing = models.BooleanField(_("when missing"), default=False)
    lower = models.DecimalField(_("from"), max_digits=14, decimal_places=6, null=True, blank=True)
    upper = models.DecimalField(_("below"), max_digits=14, decimal_places=6, null=True, blank=True)
    points = models.SmallIntegerField(_("points"))
    rationale = models.CharField(_("rationale"), max_length=300)

    class Meta:
        verbose_name = _("scorecard bin")
        verbose_name_plural = _("scorecard bins")
        ordering = ["card", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["card", "signal", "lower"], condition=Q(is_missing=False), name="scorecard_bin_once"
            ),
            models.UniqueConstraint(
                fields=["card", "signal"], condition=Q(is_missing=True), name="scorecard_missing_once"
            ),
            models.CheckConstraint(
                name="scorecard_bin_bounds",
                condition=Q(is_missing=True, lower__isnull=True, upper__isnull=True)
                | Q(is_missing=False)
                & (Q(lower__isnull=True) | Q(upper__isnull=True) | Q(lower__lt=F("upper"))),
            ),
            models.CheckConstraint(name="scorecard_bin_explained", condition=~Q(rationale="")),
        ]

    def __str__(self) -> str:
        return f"{self.signal} [{self.lower}, {self.upper}): {self.points:+d}"


class ScorecardEditor(VersionEditor):
    card = models.ForeignKey(Scorecard, models.CASCADE, related_name="editors", verbose_name=_("scorecard"))

    class Meta:
        verbose_name = _("editor of a scorecard")
        verbose_name_plural = _("editors of scorecards")
        constraints = [models.UniqueConstraint(fields=["card", "user"], name="scorecard_editor_once")]

    def __str__(self) -> str:
        return f"{self.card_id}: {self.user}"
