"""Today's work: one run per company and business day, one row per account worth somebody's minutes."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import MoneyField
from customers.models import Company, CreditAccount


class WorklistRun(models.Model):
    """A company's worklists of one business day. `judged_on`: the day the ledger is complete through."""

    company = models.ForeignKey(
        Company, models.PROTECT, related_name="worklist_runs", verbose_name=_("company")
    )
    as_of = models.DateField(_("business date"))
    judged_on = models.DateField(_("lateness judged on"), null=True, blank=True)
    policy_version = models.CharField(_("ranking policy"), max_length=40)
    built_at = models.DateTimeField(_("built at"), default=timezone.now)
    counts = models.JSONField(_("counts"), default=dict, blank=True)

    class Meta:
        verbose_name = _("worklist run")
        verbose_name_plural = _("worklist runs")
        ordering = ["-as_of", "company"]
        constraints = [models.UniqueConstraint(fields=["company", "as_of"], name="worklist_run_once")]

    def __str__(self) -> str:
        return f"{self.company} · {self.as_of}"


class WorklistRow(models.Model):
    """One account on a run: why it is there, what to do next, and what waiting costs.

    at_risk and collectable are in the company's currency (`currency`), overdue in the account's own.
    probability: per mille, that the collectable part stays unpaid without contact (expert table).
    Codes with parameters: rendered in the reader's language by worklists/causes.py and steps.py.
    """

    class Lane(models.TextChoices):
        NORMAL = "normal", _("to collect")
        LEGAL = "legal", _("legal")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        DONE = "done", _("done")
        SNOOZED = "snoozed", _("held by you")
        SKIPPED = "skipped", _("skipped")
        # No longer worth a contact: paid, promised or disputed since the run was built.
        LEFT = "left", _("settled")

    run = models.ForeignKey(WorklistRun, models.CASCADE, related_name="rows", verbose_name=_("run"))
    account = models.ForeignKey(
        CreditAccount, models.PROTECT, related_name="worklist_rows", verbose_name=_("account")
    )
    collector = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="worklist_rows",
        verbose_name=_("collector"),
    )
    lane = models.CharField(_("lane"), max_length=6, choices=Lane, default=Lane.NORMAL)
    rank = models.PositiveIntegerField(_("rank"))
    currency = models.CharField(_("company currency"), max_length=3)
    at_risk = MoneyField(_("money at risk"))
    collectable = MoneyField(_("collectable"))
    probability = models.PositiveSmallIntegerField(_("chance it stays unpaid (per mille)"))
    minutes = models.PositiveSmallIntegerField(_("minutes expected"))
    account_currency = models.CharField(_("account currency"), max_length=3)
    overdue = MoneyField(_("overdue"), currency_field="account_currency")
    oldest_due_on = models.DateField(_("oldest due date"))
    items = models.PositiveSmallIntegerField(_("overdue items"))
    cause_code = models.CharField(_("cause"), max_length=30)
    cause_params = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    also = models.JSONField(_("further causes"), default=list, blank=True, encoder=DjangoJSONEncoder)
    step_code = models.CharField(_("next step"), max_length=30)
    step_params = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    held_until = models.DateField(_("held until"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("worklist row")
        verbose_name_plural = _("worklist rows")
        permissions = [("work_worklist", _("Can work a worklist"))]
        constraints = [
            models.UniqueConstraint(fields=["run", "account"], name="worklist_row_once"),
            models.CheckConstraint(
                name="worklist_row_in_bounds",
                condition=Q(at_risk__gte=0, collectable__gte=0, probability__lte=1000, minutes__gt=0),
            ),
            models.CheckConstraint(
                name="worklist_row_held_has_a_day",
                condition=~Q(state="snoozed") | Q(held_until__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["run", "collector", "lane", "rank"], name="worklist_of_collector"),
            models.Index(fields=["account", "run"], name="worklist_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.rank}: {self.account_id}"


class PendingAccount(models.Model):
    """An account whose ledger changed and whose promises and row wait to be looked at again.

    Written in the transaction of the change. Not unique per account: a change that commits while an earlier
    row is being worked off must leave a row of its own, or it would be lost.
    """

    account = models.ForeignKey(CreditAccount, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
