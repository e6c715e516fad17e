"""The entries of the menu, in the order people see them: data only. What a person sees of it: creditdesk/navigation.py."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from scoring.reviews_of_scores import DECIDE

CHANGELIST = "admin:{}_changelist"


@dataclass(frozen=True, slots=True)
class Entry:
    """One page. permissions: all of them are asked. badge: the count shown beside it; urgent: a count that makes it red."""

    label: Promise
    icon: str
    url: str
    permissions: tuple[str, ...] = ()
    badge: str = ""
    variant: str = "primary"
    urgent: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one title. is_daily: always open; the others fold, and are remembered by `key`."""

    key: str
    title: Promise | str
    entries: tuple[Entry, ...]
    is_daily: bool = False


def _page(
    label: Promise,
    icon: str,
    url: str,
    *permissions: str,
    badge: str = "",
    variant: str = "primary",
    urgent: str = "",
) -> Entry:
    return Entry(label, icon, url, permissions, badge, variant, urgent)


def _rows(
    label: Promise, icon: str, model: str, *more: str, badge: str = "", variant: str = "primary"
) -> Entry:
    """The list of a model ("app.model") in the admin, for who may look at it (and holds `more`)."""
    app, _dot, name = model.partition(".")
    view = f"{app}.view_{name}"
    return Entry(label, icon, CHANGELIST.format(f"{app}_{name}"), more or (view,), badge, variant)


ACCOUNTS = "customers.view_creditaccount"
TRAIL = "core.view_auditentry"
CHANGES = "customers.view_limitchange"

MENU: tuple[Group, ...] = (
    Group(
        "day",
        "",
        (
            _page(_("Home"), "home", "desk:home"),
            _page(_("Worklist"), "call", "worklists:today", "worklists.view_worklistrow", badge="worklist"),
            _page(_("Customers"), "groups", "desk:customers", "customers.view_customer", ACCOUNTS),
            _page(_("KPIs"), "monitoring", "kpis:overview", "kpis.view_kpis"),
        ),
        is_daily=True,
    ),
    Group(
        "decide",
        _("To decide"),
        (
            _page(
                *(_("Limit changes"), "rule", "limits:inbox", CHANGES),
                badge="proposals",
                urgent="proposals_overdue",
            ),
            _page(
                *(_("Orders on hold"), "pause_circle", "orders:queue", "customers.view_orderhold"),
                badge="orders",
                variant="warning",
            ),
            _page(
                *(_("Credit holds"), "front_hand", "limits:holds", "customers.view_credithold"),
                badge="holds",
                variant="warning",
            ),
            _page(
                *(_("Which limit binds"), "join_inner", "limits:bindings", "customers.view_limitbinding"),
                badge="bindings",
            ),
            _page(_("Limit reviews"), "event_repeat", "limits:reviews", CHANGES),
            _page(
                *(
                    _("Scores to decide on"),
                    "person_search",
                    "reviews:queue",
                    "scoring.view_scorereview",
                    DECIDE,
                ),
                badge="reviews",
            ),
            _page(
                *(_("Credit applications"), "person_add", "applications:list"),
                "customers.view_creditapplication",
                badge="applications",
            ),
        ),
        is_daily=True,
    ),
    Group(
        "ledger",
        _("Ledger"),
        (
            _page(
                *(_("Import a ledger"), "upload_file", "admin:customers_importbatch_add"),
                "customers.add_importbatch",
            ),
            _rows(_("Imports"), "inventory", "customers.importbatch", badge="imports", variant="warning"),
            _rows(_("Invoices"), "receipt_long", "customers.invoice"),
            _rows(_("Due items"), "event_busy", "customers.instalment"),
            _rows(_("Payments"), "payments", "customers.payment"),
            _rows(_("Promises to pay"), "handshake", "customers.promise"),
            _rows(_("Disputes"), "gavel", "customers.dispute"),
            _rows(_("Reminders"), "mail", "dunning.reminder"),
            _page(
                *(
                    _("Reminders in doubt"),
                    "unknown_document",
                    "dunning:in_doubt",
                    "dunning.resolve_reminder",
                ),
                badge="in_doubt",
                variant="danger",
            ),
            _rows(_("Write-offs"), "money_off", "customers.writeoff"),
        ),
    ),
    Group(
        "business",
        _("Orders and cover"),
        (
            _rows(_("Open orders"), "shopping_cart", "customers.openorder"),
            _rows(_("Deliveries"), "local_shipping", "customers.delivery"),
            _rows(_("Reservations"), "bookmark", "customers.reservation"),
            _page(_("Cover to watch"), "shield", "desk:cover", "customers.view_cover", ACCOUNTS),
            _rows(_("Cover"), "verified", "customers.cover"),
        ),
    ),
    Group(
        "evidence",
        _("Evidence"),
        (
            _rows(_("Scores"), "speed", "scoring.accountscore"),
            _page(_("Causes of cuts"), "content_cut", "limits:causes", "scoring.view_creditcause"),
            _rows(_("Legal events"), "balance", "customers.legalevent"),
            _rows(_("Annual accounts"), "account_balance", "customers.financialstatement"),
            _rows(_("Bank consents"), "verified_user", "customers.bankconsent"),
            _page(_("Agency reports"), "travel_explore", "bureau:costs", "customers.view_bureaupull"),
            _page(
                *(_("Import evidence"), "upload_file", "admin:customers_importbatch_evidence"),
                "customers.add_importbatch",
            ),
        ),
    ),
    Group(
        "rules",
        _("Rules and policies"),
        (
            _page(_("Scorecards"), "tune", "scorecards:list", "scoring.view_scorecard", badge="scorecard"),
            _page(
                *(_("Limit policies"), "policy", "policies:list", "scoring.view_limitpolicy"),
                badge="limit_policy",
            ),
            _page(
                *(_("Credit checks"), "checklist", "checkpolicies:list", "scoring.view_checkpolicy"),
                badge="check_policy",
            ),
            _page(
                *(_("Payment terms"), "calendar_month", "termspolicies:list", "scoring.view_termspolicy"),
                badge="terms_policy",
            ),
            _rows(_("Legal bases"), "gavel", "customers.legalbasis"),
            _rows(_("Credit agencies"), "travel_explore", "customers.bureauprovider"),
            _rows(_("Approval authorities"), "account_tree", "customers.approvalauthority"),
            _page(
                *(_("Deputies"), "supervisor_account", "limits:delegations"),
                "customers.view_approvaldelegation",
            ),
        ),
    ),
    Group(
        "master",
        _("Master data"),
        (
            _rows(_("Customer records"), "badge", "customers.customer", "customers.change_customer"),
            _rows(_("Credit accounts"), "wallet", "customers.creditaccount"),
            _rows(_("Companies"), "domain", "customers.company", "customers.change_company"),
            _rows(_("Order horizons"), "date_range", "customers.orderhorizon"),
            _rows(_("Exchange rates"), "currency_exchange", "customers.exchangerate"),
        ),
    ),
    Group(
        "oversight",
        _("Oversight"),
        (
            _rows(_("Audit trail"), "history", "core.auditentry"),
            _page(_("Trail of approvals"), "receipt", "limits:trail", TRAIL),
            _page(_("Segregation of duties"), "safety_divider", "limits:duties", TRAIL),
            _rows(
                *(_("Reads of bank data"), "visibility", "customers.bankdataaccess"),
                *("customers.view_bankdataaccess", TRAIL),
            ),
        ),
    ),
    Group(
        "system",
        _("System"),
        (
            _rows(_("People"), "person", "core.user"),
            _rows(_("Roles"), "admin_panel_settings", "auth.group"),
            _rows(_("API keys"), "key", "api.apikey"),
            _rows(_("API requests"), "swap_horiz", "api.apirequest"),
            _rows(
                _("Mail to staff"), "outgoing_mail", "core.staffmail", badge="staff_mail", variant="danger"
            ),
            _rows(_("Schedules"), "schedule", "django_q.schedule"),
            _rows(_("Failed tasks"), "error", "django_q.failure"),
        ),
    ),
)
