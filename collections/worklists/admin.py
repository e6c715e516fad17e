"""Runs, rows and what was done: overseen here, worked on the worklist's own pages."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.templatetags.desk import day, moment
from customers.admin.base import (
    AccountCollectorFilter,
    AccountPortfolioFilter,
    FactAdmin,
    account_search,
    customer_of,
    money_html,
)
from worklists.models import FollowUp, Snooze, WorklistRow, WorklistRun


@admin.register(WorklistRun)
class WorklistRunAdmin(FactAdmin):
    company_path = "company"
    list_display = ["as_of", "company", "judged_on", "policy_version", "built_at"]
    list_select_related = ["company"]
    list_filter = [("as_of", RangeDateFilter)]
    ordering = ["-as_of", "company"]


@admin.register(WorklistRow)
class WorklistRowAdmin(FactAdmin):
    account_path = "account"
    list_display = ["on", "rank", customer_of, "risk", "overdue_money", "collector", "state"]
    list_filter = [
        ("state", ChoicesDropdownFilter),
        ("lane", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
        ("run__as_of", RangeDateFilter),
    ]
    list_select_related = ["run", "account__customer", "collector"]
    search_fields = account_search()
    ordering = ["-run__as_of", "rank", "pk"]

    @admin.display(description=_("day"), ordering="run__as_of")
    def on(self, row: WorklistRow) -> str:
        return day(row.run.as_of)

    @admin.display(description=_("money at risk"), ordering="at_risk")
    def risk(self, row: WorklistRow) -> SafeString | str:
        return money_html(row.at_risk)

    @admin.display(description=_("overdue"), ordering="overdue")
    def overdue_money(self, row: WorklistRow) -> SafeString | str:
        return money_html(row.overdue)


@admin.register(FollowUp)
class FollowUpAdmin(FactAdmin):
    account_path = "account"
    list_display = ["when", customer_of, "kind", "outcome", "author"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        AccountPortfolioFilter,
    ]
    list_select_related = ["account__customer", "by"]
    search_fields = account_search()
    ordering = ["-pk"]

    @admin.display(description=_("when"))
    def when(self, row: FollowUp) -> str:
        return moment(row.at)

    @admin.display(description=_("by"))
    def author(self, row: FollowUp) -> str:
        return str(row.by)


@admin.register(Snooze)
class SnoozeAdmin(FactAdmin):
    account_path = "account"
    list_display = [customer_of, "starts_on", "until", "reason", "placed_by", "ended_on"]
    list_filter = [("reason", ChoicesDropdownFilter), AccountPortfolioFilter]
    list_select_related = ["account__customer", "placed_by"]
    search_fields = account_search()
    ordering = ["-starts_on", "-pk"]
