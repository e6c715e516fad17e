from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def _goes_back(plan) -> bool:
    """Migrating backwards leaves tables older than the models: nothing is installed then."""
    return any(backwards for _migration, backwards in plan or ())


def _install_card(using: str, plan=(), **_kwargs) -> None:
    if _goes_back(plan):
        return
    from scoring.default_card import ensure_default_card
    from scoring.default_thin_card import ensure_thin_card
    from scoring.models import Scorecard, ScorecardBin

    # Not while only some of the tables or columns exist (`migrate customers`, `migrate scoring 0004`).
    if using == "default" and _is_complete(using, Scorecard) and _is_complete(using, ScorecardBin):
        ensure_default_card()
        ensure_thin_card()


def _is_complete(using: str, model) -> bool:
    """The model's table exists with every column."""
    introspection, table = connections[using].introspection, model._meta.db_table
    if table not in introspection.table_names():
        return False
    with connections[using].cursor() as cursor:
        columns = {column.name for column in introspection.get_table_description(cursor, table)}
    return {field.column for field in model._meta.concrete_fields} <= columns


def _install_checks(using: str, plan=(), **_kwargs) -> None:
    if _goes_back(plan):
        return
    from scoring.default_checks import ensure_default_checks
    from scoring.models import CheckPolicy, CheckRule

    if using == "default" and _is_complete(using, CheckPolicy) and _is_complete(using, CheckRule):
        ensure_default_checks()


def _install_policy(using: str, plan=(), **_kwargs) -> None:
    if _goes_back(plan):
        return
    from scoring.default_policy import ensure_default_policy
    from scoring.models import LimitPolicy, LimitPolicyCause, LimitPolicyGrade

    if using == "default" and all(
        _is_complete(using, model) for model in (LimitPolicy, LimitPolicyCause, LimitPolicyGrade)
    ):
        ensure_default_policy()


def _install_terms(using: str, plan=(), **_kwargs) -> None:
    if _goes_back(plan):
        return
    from scoring.default_terms import ensure_default_terms
    from scoring.models import TermsPolicyGrade

    if using == "default" and _is_complete(using, TermsPolicyGrade):
        ensure_default_terms()


class ScoringConfig(AppConfig):
    name = "scoring"
    label = "scoring"
    verbose_name = _("Scores and alerts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from creditdesk.core import schedules
        from customers.events import credit_check_wanted, limit_applied, limit_evidence_wanted
        from scoring import card_notices, limit_notices, listeners
        from scoring.onboarding.converting import on_limit_applied
        from scoring.proposals import answer_evidence, keep_deciding_score

        listeners.connect()
        card_notices.register_topics()
        limit_notices.register_topics()
        schedules.register("Rescore what changed (sweep)", "scoring.tasks.rescore_dirty", "* * * * *")
        schedules.register(
            "Weekly peer figures", "scoring.tasks.store_peers", "0 1 * * 1", "bulk", due_kwarg="due"
        )
        schedules.register(
            "Nightly scores", "scoring.tasks.plan_nightly", "30 2 * * *", "bulk", due_kwarg="due"
        )
        from scoring.checks.check import on_check_wanted

        credit_check_wanted.connect(on_check_wanted, dispatch_uid="scoring.credit_check")
        limit_evidence_wanted.connect(answer_evidence, dispatch_uid="scoring.limit_evidence")
        limit_applied.connect(keep_deciding_score, dispatch_uid="scoring.deciding_score")
        limit_applied.connect(on_limit_applied, dispatch_uid="scoring.first_limit")
        schedules.register(
            "Nightly limit proposals",
            "scoring.limit_tasks.plan_nightly",
            "30 4 * * *",
            "bulk",
            due_kwarg="due",
        )
        schedules.register(
            "Reminders and expiry of limit changes",
            "scoring.limit_tasks.plan_clock",
            "30 5 * * *",
            "bulk",
            due_kwarg="due",
        )
        schedules.register(
            "Warnings of cover, temporary limits and reviews",
            "scoring.limit_tasks.plan_watch",
            "45 5 * * *",
            "bulk",
            due_kwarg="due",
        )
        schedules.register(
            "Monthly monitoring of scores",
            "scoring.tasks.monitor_month",
            "0 6 2 * *",
            "bulk",
            due_kwarg="due",
        )
        post_migrate.connect(_install_policy, sender=self, dispatch_uid="scoring.default_policy")
        post_migrate.connect(_install_terms, sender=self, dispatch_uid="scoring.default_terms")
        post_migrate.connect(_install_checks, sender=self, dispatch_uid="scoring.default_checks")
        post_migrate.connect(_install_card, sender=self, dispatch_uid="scoring.default_card")
