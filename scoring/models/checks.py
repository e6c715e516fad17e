"""Which credit checks a segment makes, where, and how strictly: data, in versions published by two persons."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import CreditSegment

from .score import Grade
from .version import SegmentVersion, VersionEditor, VersionReport, one_for_each_segment, two_persons


class CheckRuleCode(models.TextChoices):
    """What can be checked. `number`, `amount`, `grade` of a row mean what scoring/checks/terms.py says of the rule."""

    HEADROOM = "headroom", _("room within the limit")
    OLDEST_ITEM = "oldest_item", _("age of the oldest open item")
    PAST_DUE_SHARE = "past_due_share", _("past-due share of open invoices")
    BROKEN_PROMISE = "broken_promise", _("broken promise to pay")
    DUNNING_LEVEL = "dunning_level", _("dunning level")
    STATUS = "status", _("status of the customer")
    HOLD = "hold", _("credit hold")
    ORDER_SIZE = "order_size", _("size of the order")
    GRADE = "grade", _("grade of the score")
    SCORE = "score", _("score")
    UNSCORED = "unscored", _("no current score")
    LAST_PAYMENT = "last_payment", _("time since the last payment")
    UNSECURED = "unsecured", _("room at our own risk")
    SECURED = "secured", _("room under cover")


class CheckPolicy(SegmentVersion):
    """One version of the credit checks of a segment, or of every segment without one of its own (segment null)."""

    class GroupBinds(models.TextChoices):
        NONE = "none", _("no head's limit binds its group")
        MARKED = "marked", _("heads whose limit is marked as the group's")
        EVERY = "every", _("every head above the customer")

    segment = models.ForeignKey(
        CreditSegment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="check_policies",
        verbose_name=_("credit segment"),
        help_text=_("Empty: every segment without checks of its own."),
    )
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    group_binds = models.CharField(
        _("group limit"),
        max_length=6,
        choices=GroupBinds,
        default=GroupBinds.MARKED,
        help_text=_("Whose limit the whole tree below it has to keep to, besides each account its own."),
    )
    check_orderer = models.BooleanField(
        _("check who orders, too"),
        default=True,
        help_text=_("Where somebody else pays. Money is always checked on who pays."),
    )
    reservation_minutes = models.PositiveIntegerField(_("a reservation lasts (minutes)"), default=60)
    decide_within_days = models.PositiveSmallIntegerField(
        _("orders on hold are decided within (business days)"), default=2
    )
    release_days = models.PositiveSmallIntegerField(_("a release lasts at most (days)"), default=30)

    class Meta(SegmentVersion.Meta):
        verbose_name = _("credit check policy")
        verbose_name_plural = _("credit check policies")
        ordering = ["-valid_from", "-version"]
        permissions = [
            ("propose_checkpolicy", _("Can propose a credit check policy for publishing")),
            ("publish_checkpolicy", _("Can publish or send back a proposed credit check policy")),
        ]
        constraints = [
            *one_for_each_segment("check_policy"),
            *two_persons("check_policy"),
            models.CheckConstraint(
                name="check_policy_in_bounds",
                condition=Q(reservation_minutes__gt=0, reservation_minutes__lte=44640, release_days__gt=0),
            ),
        ]


class CheckRule(models.Model):
    """One rule of a policy: its thresholds, at which points it is asked, of whom, and whether it stops or warns."""

    policy = models.ForeignKey(
        CheckPolicy, models.CASCADE, related_name="rules", verbose_name=_("credit check policy")
    )
    code = models.CharField(_("rule"), max_length=14, choices=CheckRuleCode)
    number = models.PositiveIntegerField(_("threshold (days, %, level, points)"), null=True, blank=True)
    amount = MoneyField(_("amount"), currency_field="policy__currency", null=True, blank=True)
    grade = models.CharField(_("worst grade"), max_length=1, choices=Grade, blank=True)
    at_order = models.BooleanField(_("at order"), default=True)
    at_pick = models.BooleanField(_("at picking"), default=True)
    at_delivery = models.BooleanField(_("at delivery"), default=True)
    at_invoice = models.BooleanField(_("at invoice"), default=False)
    on_orderer = models.BooleanField(_("of who orders, too"), default=False)
    on_group = models.BooleanField(_("of the group, too"), default=False)
    without_disputed = models.BooleanField(_("disputed items left out"), default=True)
    stops = models.BooleanField(
        _("stops the business"), default=True, help_text=_("Otherwise it only warns.")
    )

    class Meta:
        verbose_name = _("rule of a credit check policy")
        verbose_name_plural = _("rules of a credit check policy")
        ordering = ["policy", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "code", "stops"], name="check_rule_once"),
            models.CheckConstraint(
                name="check_rule_in_bounds", condition=Q(amount__isnull=True) | Q(amount__gte=0)
            ),
            # A rule without its threshold would pass everything, or nothing.
            models.CheckConstraint(
                name="check_rule_has_its_threshold",
                condition=Q(code__in=["headroom", "status", "hold", "unscored", "secured"])
                | Q(code="grade") & ~Q(grade="")
                | Q(code__in=["order_size", "unsecured"])
                & (Q(number__isnull=False) | Q(amount__isnull=False))
                | ~Q(
                    code__in=[
                        *("headroom", "status", "hold", "unscored", "secured", "grade", "order_size"),
                        "unsecured",
                    ]
                )
                & Q(number__isnull=False),
            ),
            models.CheckConstraint(
                name="check_rule_somewhere",
                condition=Q(at_order=True) | Q(at_pick=True) | Q(at_delivery=True) | Q(at_invoice=True),
            ),
            # Money is checked on who pays; who orders has no debt of this business.
            models.CheckConstraint(
                name="check_rule_orderer_without_money",
                condition=Q(on_orderer=False)
                | ~Q(code__in=["headroom", "order_size", "unsecured", "secured"]),
            ),
            # A group has no cover of its own: each account is covered by itself.
            models.CheckConstraint(
                name="check_rule_cover_of_the_payer",
                condition=Q(on_group=False) | ~Q(code__in=["unsecured", "secured"]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_code_display())


class CheckPolicyEditor(VersionEditor):
    policy = models.ForeignKey(
        CheckPolicy, models.CASCADE, related_name="editors", verbose_name=_("credit check policy")
    )

    class Meta(VersionEditor.Meta):
        verbose_name = _("editor of a credit check policy")
        verbose_name_plural = _("editors of credit check policies")
        constraints = [models.UniqueConstraint(fields=["policy", "user"], name="check_policy_editor_once")]

    def __str__(self) -> str:
        return f"{self.policy_id}: {self.user}"


class CheckPolicyReport(VersionReport):
    """Which open and held orders a version would decide otherwise (scoring/checks/effect.py)."""

    policy = models.ForeignKey(
        CheckPolicy, models.CASCADE, related_name="reports", verbose_name=_("credit check policy")
    )

    class Meta(VersionReport.Meta):
        verbose_name = _("effect of a credit check policy")
        verbose_name_plural = _("effects of credit check policies")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.policy_id} {self.as_of}"
