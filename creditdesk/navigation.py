"""The menu: what each person may open, with live counts.

Built per request from permissions (cached by Django on the user) and a few counts, cached some seconds per user.
"""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.db.models import Count, Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.staff_mail import troubled
from customers.access import account_scope
from customers.bindings import waiting_for as bindings_waiting_for
from customers.mandates import waiting_for_second
from customers.models import (
    Access,
    CreditApplication,
    CreditHold,
    ImportBatch,
    LimitChange,
    LimitReminder,
    OrderHold,
    RefusedRow,
)
from dunning import outbox
from scoring.models import LimitPolicy, Scorecard
from scoring.reviews_of_scores import DECIDE, waiting_for
from worklists.models import WorklistRow

BADGE_SECONDS = 15


def counts(user: User) -> dict[str, int]:
    """What waits for this user: one small query each, answered by indexes or one pass over the scores; kept for BADGE_SECONDS."""
    key = f"desk-badges-{user.pk}"
    found = cache.get(key)
    if found is None:
        found = _count(user)
        cache.set(key, found, BADGE_SECONDS)
    return found


def _count(user: User) -> dict[str, int]:
    found: dict[str, int] = {}
    scope = account_scope(user, "account__")
    if user.has_perm("customers.view_limitchange"):
        waiting = LimitChange.objects.filter(scope, status=LimitChange.Status.PROPOSED)
        if user.has_perm("customers.decide_limitchange"):
            # Four eyes: one's own proposals, and those one approved as the first of two, wait for somebody else.
            waiting = waiting.exclude(proposer=user).exclude(waiting_for_second(user))
        overdue = Exists(LimitReminder.objects.filter(change=OuterRef("pk"), kind=LimitReminder.Kind.OVERDUE))
        found |= waiting.aggregate(proposals=Count("pk"), proposals_overdue=Count("pk", filter=overdue))
    if user.has_perm("customers.decide_limitbinding"):
        found["bindings"] = bindings_waiting_for(user).count()
    if user.has_perm("customers.view_credithold"):
        found["holds"] = CreditHold.objects.filter(scope, released_on__isnull=True).count()
    if user.has_perm("customers.view_orderhold"):
        found["orders"] = OrderHold.objects.filter(scope, status=OrderHold.Status.WAITING).count()
    if user.has_perm("scoring.publish_limitpolicy"):
        policies = LimitPolicy.objects.filter(status=LimitPolicy.Status.PROPOSED)
        found["limit_policies"] = policies.exclude(proposed_by=user).count()
    if user.has_perm("scoring.publish_scorecard"):
        proposed = Scorecard.objects.filter(status=Scorecard.Status.PROPOSED)
        found["scorecards"] = proposed.exclude(proposed_by=user).count()
    if user.has_perm(DECIDE):
        found["reviews"] = waiting_for(user, business_date()).count()
    if user.has_perm("customers.handle_application"):
        running = CreditApplication.objects.filter(scope, status__in=("open", "granted"))
        found["applications"] = running.count()
    if user.has_perm("worklists.work_worklist"):
        rows = WorklistRow.objects.filter(
            collector=user, state=WorklistRow.State.OPEN, run__as_of=business_date()
        )
        found["worklist"] = rows.count()
    if user.has_perm("dunning.resolve_reminder"):
        found["in_doubt"] = outbox.in_doubt().filter(scope).count()
    if user.has_perm("core.resend_staffmail"):
        found["staff_mail"] = troubled(timezone.now()).count()
    if user.has_perm("customers.view_refusedrow"):
        refused = RefusedRow.objects.filter(batch__status=ImportBatch.Status.COMMITTED)
        if not user.is_superuser:
            refused = refused.filter(
                batch__source__company__in=Access.objects.filter(user=user).values("company_id")
            )
        found["imports"] = refused.values("batch").distinct().count()
    return found


class _Menu:
    """Collects groups of entries the user may open."""

    def __init__(self, request: HttpRequest) -> None:
        self.request, self.user = request, request.user
        self.badges = counts(request.user)
        self.groups: list[dict[str, Any]] = []

    def group(self, title: str, *items: dict[str, Any] | None) -> None:
        kept = [item for item in items if item]
        if kept:
            self.groups.append({"title": title, "separator": bool(self.groups), "items": kept})

    def item(
        self, title: str, icon: str, name: str, *permissions: str, badge: str = "", variant: str = "primary"
    ) -> dict[str, Any] | None:
        if not self.user.has_perms(permissions):
            return None
        link = reverse(name)
        found: dict[str, Any] = {
            "title": title,
            "icon": icon,
            "link": link,
            "active": self._active(link, name),
        }
        if self.badges.get(badge):
            found |= {"badge": self.badges[badge], "badge_variant": variant}
        return found

    def _active(self, link: str, name: str) -> bool:
        path = self.request.path
        if name == "desk:home":
            return path == link
        if name == "admin:customers_importbatch_changelist" and path.endswith(("/add/", "/evidence/")):
            return False
        beside = ("holds", "reviews", "causes", "delegations", "trail", "duties", "bindings")
        if name == "limits:inbox" and path.startswith(tuple(reverse(f"limits:{page}") for page in beside)):
            return False
        return path == link or path.startswith(link)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's menu structure for this user; empty for who does not work in the pages."""
    if not request.user.is_authenticated or not request.user.is_staff:
        return []
    menu = _Menu(request)
    item = menu.item
    menu.group(
        "",
        item(_("Home"), "home", "desk:home"),
        item(_("Worklist"), "call", "worklists:today", "worklists.view_worklistrow", badge="worklist"),
        item(
            _("Limit changes"),
            "rule",
            "limits:inbox",
            "customers.view_limitchange",
            badge="proposals",
            variant="danger" if menu.badges.get("proposals_overdue") else "primary",
        ),
        item(
            _("Orders on hold"),
            "pause_circle",
            "orders:queue",
            "customers.view_orderhold",
            badge="orders",
            variant="warning",
        ),
        item(
            _("Credit holds"),
            "front_hand",
            "limits:holds",
            "customers.view_credithold",
            badge="holds",
            variant="warning",
        ),
        item(
            _("Which limit binds"),
            "join_inner",
            "limits:bindings",
            "customers.view_limitbinding",
            badge="bindings",
        ),
        item(_("Limit reviews"), "event_repeat", "limits:reviews", "customers.view_limitchange"),
        item(
            _("Scores to decide on"),
            "person_search",
            "reviews:queue",
            "scoring.view_scorereview",
            DECIDE,
            badge="reviews",
        ),
        item(
            _("Credit applications"),
            "person_add",
            "applications:list",
            "customers.view_creditapplication",
            badge="applications",
        ),
        item(_("KPIs"), "monitoring", "kpis:overview", "kpis.view_kpis"),
        item(
            _("Customers"),
            "groups",
            "desk:customers",
            "customers.view_customer",
            "customers.view_creditaccount",
        ),
    )
    menu.group(
        _("Ledger"),
        item(
            _("Import a ledger"),
            "upload_file",
            "admin:customers_importbatch_add",
            "customers.add_importbatch",
        ),
        item(
            _("Imports"),
            "inventory",
            "admin:customers_importbatch_changelist",
            "customers.view_importbatch",
            badge="imports",
            variant="warning",
        ),
        item(_("Invoices"), "receipt_long", "admin:customers_invoice_changelist", "customers.view_invoice"),
        item(
            _("Due items"), "event_busy", "admin:customers_instalment_changelist", "customers.view_instalment"
        ),
        item(_("Payments"), "payments", "admin:customers_payment_changelist", "customers.view_payment"),
        item(
            _("Promises to pay"), "handshake", "admin:customers_promise_changelist", "customers.view_promise"
        ),
        item(_("Disputes"), "gavel", "admin:customers_dispute_changelist", "customers.view_dispute"),
        item(_("Reminders"), "mail", "admin:dunning_reminder_changelist", "dunning.view_reminder"),
        item(
            _("Reminders in doubt"),
            "unknown_document",
            "dunning:in_doubt",
            "dunning.resolve_reminder",
            badge="in_doubt",
            variant="danger",
        ),
        item(_("Write-offs"), "money_off", "admin:customers_writeoff_changelist", "customers.view_writeoff"),
    )
    menu.group(
        _("Evidence"),
        item(
            _("Legal events"), "balance", "admin:customers_legalevent_changelist", "customers.view_legalevent"
        ),
        item(_("Scores"), "speed", "admin:scoring_accountscore_changelist", "scoring.view_accountscore"),
        item(_("Scorecards"), "tune", "scorecards:list", "scoring.view_scorecard", badge="scorecards"),
        item(
            _("Limit policies"), "policy", "policies:list", "scoring.view_limitpolicy", badge="limit_policies"
        ),
        item(_("Causes of cuts"), "content_cut", "limits:causes", "scoring.view_creditcause"),
        item(_("Legal bases"), "gavel", "admin:customers_legalbasis_changelist", "customers.view_legalbasis"),
        item(
            _("Annual accounts"),
            "account_balance",
            "admin:customers_financialstatement_changelist",
            "customers.view_financialstatement",
        ),
        item(
            _("Bank consents"),
            "verified_user",
            "admin:customers_bankconsent_changelist",
            "customers.view_bankconsent",
        ),
        item(
            _("Import evidence"),
            "upload_file",
            "admin:customers_importbatch_evidence",
            "customers.add_importbatch",
        ),
        item(
            _("Cover to watch"),
            "shield",
            "desk:cover",
            "customers.view_cover",
            "customers.view_creditaccount",
        ),
        item(_("Cover"), "verified", "admin:customers_cover_changelist", "customers.view_cover"),
        item(
            _("Credit checks"),
            "checklist",
            "admin:scoring_checkpolicy_changelist",
            "scoring.view_checkpolicy",
        ),
        item(
            _("Reservations"),
            "bookmark",
            "admin:customers_reservation_changelist",
            "customers.view_reservation",
        ),
        item(
            _("Open orders"),
            "shopping_cart",
            "admin:customers_openorder_changelist",
            "customers.view_openorder",
        ),
        item(
            _("Deliveries"),
            "local_shipping",
            "admin:customers_delivery_changelist",
            "customers.view_delivery",
        ),
    )
    menu.group(
        _("Master data"),
        item(
            _("Customer records"), "badge", "admin:customers_customer_changelist", "customers.change_customer"
        ),
        item(
            _("Credit accounts"),
            "wallet",
            "admin:customers_creditaccount_changelist",
            "customers.view_creditaccount",
        ),
        item(_("Companies"), "domain", "admin:customers_company_changelist", "customers.change_company"),
        item(
            _("Order horizons"),
            "date_range",
            "admin:customers_orderhorizon_changelist",
            "customers.view_orderhorizon",
        ),
        item(
            _("Exchange rates"),
            "currency_exchange",
            "admin:customers_exchangerate_changelist",
            "customers.view_exchangerate",
        ),
    )
    menu.group(
        _("Oversight"),
        item(_("Audit trail"), "history", "admin:core_auditentry_changelist", "core.view_auditentry"),
        item(_("Trail of approvals"), "receipt", "limits:trail", "core.view_auditentry"),
        item(_("Segregation of duties"), "safety_divider", "limits:duties", "core.view_auditentry"),
        item(
            _("Approval authorities"),
            "account_tree",
            "admin:customers_approvalauthority_changelist",
            "customers.view_approvalauthority",
        ),
        item(_("Deputies"), "supervisor_account", "limits:delegations", "customers.view_approvaldelegation"),
        item(
            _("Reads of bank data"),
            "visibility",
            "admin:customers_bankdataaccess_changelist",
            "customers.view_bankdataaccess",
            "core.view_auditentry",
        ),
        item(_("People"), "person", "admin:core_user_changelist", "core.view_user"),
        item(_("Roles"), "admin_panel_settings", "admin:auth_group_changelist", "auth.view_group"),
        item(_("API keys"), "key", "admin:api_apikey_changelist", "api.view_apikey"),
        item(_("API requests"), "swap_horiz", "admin:api_apirequest_changelist", "api.view_apirequest"),
        item(
            _("Mail to staff"),
            "outgoing_mail",
            "admin:core_staffmail_changelist",
            "core.view_staffmail",
            badge="staff_mail",
            variant="danger",
        ),
        item(_("Schedules"), "schedule", "admin:django_q_schedule_changelist", "django_q.view_schedule"),
        item(_("Failed tasks"), "error", "admin:django_q_failure_changelist", "django_q.view_failure"),
    )
    return menu.groups
