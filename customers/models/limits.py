"""Credit limits and the changes that move them. Nothing here is edited once decided (database triggers)."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField

from .company import Company
from .customer import CreditAccount


class LimitKind(models.TextChoices):
    BASE = "base", _("base limit")
    TEMPORARY = "temporary", _("temporary limit")


class LimitChange(models.Model):
    """A proposed move of a limit, with the evidence as it was, and what was decided about it by whom.

    `old_amount` null: no limit was set before. Evidence copies score and grade: no foreign key into scoring.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("waiting for approval")
        APPLIED = "applied", _("applied")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")
        SUPERSEDED = "superseded", _("replaced by a newer one")
        EXPIRED = "expired", _("expired, not decided in time")

    class ProposerKind(models.TextChoices):
        PERSON = "person", _("person")
        POLICY = "policy", _("limit policy")
        EVENT = "event", _("event")
        IMPORT = "import", _("import")

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="limit_changes", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=LimitKind, default=LimitKind.BASE)
    currency = models.CharField(_("currency"), max_length=3)
    old_amount = MoneyField(_("from"), null=True, blank=True)
    new_amount = MoneyField(_("to"))
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    reason_code = models.CharField(_("reason"), max_length=60)
    reason_params = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    comment = models.TextField(_("comment"), blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True, encoder=DjangoJSONEncoder)
    as_of = models.DateField(_("evidence as of"))

    proposer_kind = models.CharField(_("proposed by (kind)"), max_length=10, choices=ProposerKind)
    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("proposer"),
    )
    proposer_name = models.CharField(_("proposed by"), max_length=80)
    proposed_at = models.DateTimeField(_("proposed at"), default=timezone.now)

    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.PROPOSED, db_index=True
    )
    is_automatic = models.BooleanField(_("decided automatically"), default=False)
    # Why a rise of the policy could wait for nobody (CHECK below, and a trigger of scoring that asks the policy).
    policy_ref = models.PositiveBigIntegerField(_("limit policy"), null=True, blank=True, editable=False)
    gates_failed = models.PositiveSmallIntegerField(_("gates failed"), null=True, blank=True, editable=False)
    automatic_up_to = MoneyField(_("at once up to"), null=True, blank=True, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    decision_reason = models.TextField(_("reason of the decision"), blank=True)
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("limit change")
        verbose_name_plural = _("limit changes")
        permissions = [
            ("propose_limitchange", _("Can propose a limit change")),
            ("decide_limitchange", _("Can approve or reject a limit change")),
        ]
        constraints = [
            models.CheckConstraint(name="limit_change_not_negative", condition=Q(new_amount__gte=0)),
            models.CheckConstraint(
                name="limit_change_proposer_named",
                condition=~Q(proposer_name="") & (~Q(proposer_kind="person") | Q(proposer__isnull=False)),
            ),
            models.CheckConstraint(
                name="limit_change_four_eyes",
                condition=Q(decided_by__isnull=True)
                | Q(proposer__isnull=True)
                | ~Q(decided_by=F("proposer")),
            ),
            models.CheckConstraint(
                name="limit_change_decided_by_somebody",
                condition=(Q(status="proposed", decided_at__isnull=True, decided_by__isnull=True))
                | (Q(status__in=["applied", "rejected"]) & Q(decided_at__isnull=False))
                & (Q(decided_by__isnull=False) | Q(is_automatic=True))
                | (Q(status__in=["withdrawn", "superseded", "expired"]) & Q(decided_at__isnull=False)),
            ),
            models.CheckConstraint(
                # An import may open an account's first limit. A limit that is there is raised by nobody but the
                # policy, with every gate held and no further than it allows. A CHECK passes on NULL: hence the
                # halves that ask whether there is a value at all.
                name="limit_change_automatic_rise_gated",
                condition=Q(is_automatic=False)
                | Q(proposer_kind="import", old_amount__isnull=True)
                | Q(new_amount=0)
                | Q(old_amount__isnull=False, new_amount__lte=F("old_amount"))
                | Q(
                    proposer_kind="policy",
                    kind="base",
                    old_amount__isnull=False,
                    old_amount__gt=0,
                    policy_ref__isnull=False,
                    gates_failed__isnull=False,
                    gates_failed=0,
                    automatic_up_to__isnull=False,
                    new_amount__lte=F("automatic_up_to"),
                ),
            ),
            models.CheckConstraint(
                name="limit_change_dates",
                condition=Q(kind="base", valid_until__isnull=True)
                | Q(kind="temporary", valid_until__isnull=False, valid_until__gte=F("valid_from")),
            ),
            models.UniqueConstraint(
                fields=["account", "kind"],
                condition=Q(status="proposed"),
                name="one_waiting_limit_change",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.old_amount} → {self.new_amount}"

    @property
    def is_waiting(self) -> bool:
        return self.status == self.Status.PROPOSED

    @property
    def is_rise(self) -> bool:
        """More credit than before, or a first limit. Undoing a cut is a rise, whoever made the cut."""
        before = self.old_amount
        return self.new_amount.minor > (before.minor if before else 0)


class LimitChangeComment(models.Model):
    """A question about a change, or its answer; append-only, but for its words (scoring/erasing.py).

    Proposer and approver read the same thread.
    """

    change = models.ForeignKey(
        LimitChange, models.PROTECT, related_name="comments", verbose_name=_("limit change")
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("author")
    )
    at = models.DateTimeField(_("at"), default=timezone.now)
    text = models.TextField(_("text"))
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("comment on a limit change")
        verbose_name_plural = _("comments on limit changes")
        constraints = [
            models.CheckConstraint(
                name="limit_comment_says_something", condition=~Q(text="") | Q(erased_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.change_id}: {self.author}"


class CreditLimit(models.Model):
    """A limit in force, written only by an applied LimitChange and never edited.

    valid_from is the day it was decided (or the later first day of a temporary limit): a decision never changes
    what the limit was before it. How base and temporary limits combine: customers/limits.py. Temporary limits
    of one account never overlap (trigger).
    """

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="limits", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=LimitKind)
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    change = models.OneToOneField(LimitChange, models.PROTECT, related_name="limit", verbose_name=_("change"))
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    class Meta:
        verbose_name = _("credit limit")
        verbose_name_plural = _("credit limits")
        indexes = [models.Index(fields=["account", "kind", "-valid_from", "-id"], name="limit_of_account")]
        constraints = [
            models.CheckConstraint(name="credit_limit_not_negative", condition=Q(amount__gte=0)),
            models.CheckConstraint(
                name="credit_limit_dates",
                condition=Q(kind="base", valid_until__isnull=True)
                | Q(kind="temporary", valid_until__isnull=False, valid_until__gte=F("valid_from")),
            ),
        ]


class CreditHold(models.Model):
    """New business with the account is stopped until a named person releases it."""

    # What a person who places a hold chooses from; what they know goes into `note`.
    PERSON_REASONS = {
        "long_overdue": _("invoices are long overdue"),
        "broken_promises": _("promises were broken"),
        "new_information": _("bad news about the customer"),
        "person": _("placed by a person"),
    }

    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="holds", verbose_name=_("account")
    )
    reason_code = models.CharField(_("reason"), max_length=60)
    change = models.ForeignKey(
        LimitChange,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="holds",
        verbose_name=_("limit change"),
    )
    placed_on = models.DateField(_("placed on"))
    placed_by_name = models.CharField(_("placed by"), max_length=80)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    placed_at = models.DateTimeField(default=timezone.now)
    note = models.TextField(_("note"), blank=True)
    released_on = models.DateField(_("released on"), null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    release_reason = models.TextField(_("reason of release"), blank=True)
    erased_at = models.DateTimeField(_("words erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("credit hold")
        verbose_name_plural = _("credit holds")
        constraints = [
            models.CheckConstraint(
                name="hold_released_by_a_person",
                condition=Q(released_on__isnull=True, released_by__isnull=True)
                | Q(released_on__isnull=False, released_by__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["account", "reason_code"],
                condition=Q(released_on__isnull=True),
                name="one_open_hold_per_reason",
            ),
        ]

    @property
    def reason_text(self) -> str:
        """The reason in the reader's language."""
        known = {
            "insolvency": _("insolvency proceedings opened; a person has to decide"),
            "late_payment": _("invoices are long overdue; a person has to decide"),
            "score_drop": _("the score fell sharply; a person has to decide"),
            "agency_fall": _("a credit agency lowered its rating; a person has to decide"),
            "ceased": _("a credit agency says its business has ceased; a person has to decide"),
            "cash_shock": _("cash flow broke down; a person has to decide"),
            **self.PERSON_REASONS,
        }
        return str(known.get(self.reason_code, self.reason_code))


class ApprovalAuthority(models.Model):
    """How far members of a group may decide on limits of a company: direction, amount, worst grade, alone or by two.

    A group has at most two rows per company and direction: what one member decides alone, and what takes a second
    person. The second one needs an authority of their own over the change, of the same group or another.
    """

    class Direction(models.TextChoices):
        RISE = "rise", _("rise")
        CUT = "cut", _("cut")

    group = models.ForeignKey(Group, models.CASCADE, related_name="+", verbose_name=_("group"))
    company = models.ForeignKey(Company, models.CASCADE, related_name="+", verbose_name=_("company"))
    direction = models.CharField(_("direction"), max_length=4, choices=Direction)
    currency = models.CharField(_("currency"), max_length=3)
    max_amount = MoneyField(_("up to a limit of"), null=True, blank=True, help_text=_("Empty: any amount."))
    worst_grade = models.CharField(_("worst grade"), max_length=1, default="E")
    approvers_needed = models.PositiveSmallIntegerField(
        _("approvers needed"),
        choices=[(1, _("one: decides alone")), (2, _("two different people"))],
        default=1,
    )

    class Meta:
        verbose_name = _("approval authority")
        verbose_name_plural = _("approval authorities")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "company", "direction", "approvers_needed"], name="authority_once"
            ),
            models.CheckConstraint(name="authority_one_or_two", condition=Q(approvers_needed__in=[1, 2])),
            models.CheckConstraint(
                name="authority_grade_known", condition=Q(worst_grade__in=["A", "B", "C", "D", "E"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} · {self.company} · {self.get_direction_display()}"
