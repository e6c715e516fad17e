"""Scores, their history, scorecards and limit policies: looked at here, changed only by new versions."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from creditdesk.core.sentences import readable
from creditdesk.core.templatetags.desk import badge, day, grade_badge, percent
from customers.admin.base import (
    AccountCollectorFilter,
    AccountPortfolioFilter,
    FactAdmin,
    NotFoundAdmin,
    ReadOnlyInline,
    account_search,
    customer_of,
    money_html,
)
from customers.days import last_date
from customers.limit_reasons import render_reason
from customers.shown import EVERYTHING, Shown, shown_fields
from scoring.bank_right import NOTHING_ENDED, ended_for, is_withheld
from scoring.invoices.cards import USE, InvoiceCardError, take_into_use
from scoring.models import (
    AccountScore,
    CardReport,
    CreditCause,
    InvoiceCard,
    LimitPolicy,
    LimitPolicyCause,
    LimitPolicyGrade,
    LimitReview,
    PolicyReport,
    PublishingGate,
    Scorecard,
    ScorecardBin,
    ScoreHistory,
    ScoreOverride,
    ScoreReview,
)
from scoring.rationale import shown
from scoring.signals import BY_NAME


class ScoredAdmin(FactAdmin):
    account_path = "account"
    list_select_related = ["account__customer", "card"]
    search_fields = account_search()

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the figures of bank lines for who may not read these, and of agencies about a person whose legal basis
        ended; nobody needs the keys of the layout."""
        ended = (
            ended_for(request.user, obj.account.customer, last_date(), past=True) if obj else NOTHING_ENDED
        )
        hidden = tuple(name for name in BY_NAME if is_withheld(name, request.user, ended))
        # The first layout holds all values and points in one: it would tell them as well.
        first = ("first_signals", "first_points", "bins") if hidden else ()
        names = {field.name for field in self.model._meta.fields}
        return [*(super().get_exclude(request, obj) or ()), *(n for n in (*hidden, *first) if n in names)]

    @admin.display(description=_("score"), ordering="score")
    def score_grade(self, row: Any) -> SafeString:
        return grade_badge(row.grade, row.score)

    @admin.display(description=_("PD"), ordering="pd")
    def pd_share(self, row: Any) -> str:
        return f"{percent(row.pd)} ({row.card.calibration_short})"

    @admin.display(description=_("as of"), ordering="as_of")
    def on(self, row: Any) -> str:
        return day(row.as_of)

    @admin.display(description=_("recommendation"), ordering="recommendation")
    def recommended(self, row: Any) -> SafeString:
        tones = {"approved": "good", "guarantees": "info", "review": "warn", "declined": "bad"}
        return badge(row.get_recommendation_display(), tones[row.recommendation])


@admin.register(AccountScore)
class AccountScoreAdmin(ScoredAdmin):
    list_display = [customer_of, "score_grade", "pd_share", "recommended", "depth", "on", "card"]
    list_filter = [
        ("grade", ChoicesDropdownFilter),
        ("recommendation", ChoicesDropdownFilter),
        ("depth", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        AccountCollectorFilter,
    ]
    ordering = ["score", "pk"]


@admin.register(ScoreHistory)
class ScoreHistoryAdmin(ScoredAdmin):
    list_display = ["on", customer_of, "score_grade", "pd_share", "recommended", "because", "card"]
    list_filter = [
        ("because", ChoicesDropdownFilter),
        ("grade", ChoicesDropdownFilter),
        AccountPortfolioFilter,
        ("as_of", RangeDateFilter),
    ]
    ordering = ["-as_of", "-pk"]


class VersionedAdmin(NotFoundAdmin):
    """A version in use is never edited (triggers): a new one takes its place."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BinInline(ReadOnlyInline):
    model = ScorecardBin
    fields = ["signal_label", "is_missing", "lower", "upper", "points", "why"]
    readonly_fields = ["signal_label", "why"]
    hide_title = True
    tab = False

    @admin.display(description=_("signal"))
    def signal_label(self, row: ScorecardBin) -> str:
        return str(BY_NAME[row.signal].label) if row.signal in BY_NAME else row.signal

    @admin.display(description=_("rationale"))
    def why(self, row: ScorecardBin) -> str:
        """In the reader's language, where a catalog knows it; a fitted bin says what was observed."""
        return shown(row.rationale)


@admin.register(Scorecard)
class ScorecardAdmin(VersionedAdmin):
    """Read here; worked on, tried and published on the scorecard pages."""

    list_display = ["name", "version", "status", "calibration", "activated_at", "page"]
    ordering = ["-pk"]
    inlines = [BinInline]

    @admin.display(description=_("scorecard page"))
    def page(self, row: Scorecard) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("scorecards:card", args=[row.pk]), gettext("open"))


class PolicyGradeInline(ReadOnlyInline):
    model = LimitPolicyGrade
    tab = False


class PolicyCauseInline(ReadOnlyInline):
    model = LimitPolicyCause
    tab = False


@admin.register(LimitPolicy)
class LimitPolicyAdmin(VersionedAdmin):
    """Read here; worked on, simulated and published on the limit policy pages."""

    list_display = [
        "segment",
        "version",
        "status",
        "valid_from",
        "currency",
        "step",
        "max_rise_percent",
        "material_percent",
        "page",
    ]
    list_select_related = ["segment"]
    ordering = ["-valid_from", "-pk"]
    inlines = [PolicyGradeInline, PolicyCauseInline]

    @admin.display(description=_("policy page"))
    def page(self, row: LimitPolicy) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("policies:policy", args=[row.pk]), gettext("open"))


@admin.register(PolicyReport)
class PolicyReportAdmin(VersionedAdmin):
    list_display = ["policy", "as_of", "made_by", "made_at"]
    list_select_related = ["policy__segment"]
    ordering = ["-pk"]


@admin.register(CreditCause)
class CreditCauseAdmin(FactAdmin):
    account_path = "account"
    list_display = ["as_of", customer_of, "kind", "sentence", "reaction", "provision"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        ("reaction", ChoicesDropdownFilter),
        AccountPortfolioFilter,
    ]
    list_select_related = ["account__customer"]
    search_fields = account_search()
    ordering = ["-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # A column knows its row, not who reads it.
        return (
            super()
            .get_queryset(request)
            .annotate(**shown_fields(request.user, "account__customer", last_date()))
        )

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """The evidence of a cash shock is a figure of bank lines, that of a fall is what an agency said."""
        hidden = () if obj is None or Shown.of(obj) == EVERYTHING else ("evidence",)
        return [*(super().get_exclude(request, obj) or ()), *hidden]

    @admin.display(description=_("evidence"))
    def sentence(self, row: CreditCause) -> str:
        return render_reason(row.kind, row.evidence, shown=Shown.of(row))


@admin.register(LimitReview)
class LimitReviewAdmin(FactAdmin):
    account_path = "account"
    list_display = ["reviewed_on", customer_of, "limit_money", "grade", "by", "note"]
    list_filter = [("reviewed_on", RangeDateFilter), AccountPortfolioFilter]
    list_select_related = ["account__customer", "by"]
    search_fields = account_search()
    ordering = ["-pk"]

    @admin.display(description=_("limit"), ordering="limit")
    def limit_money(self, row: LimitReview) -> SafeString | str:
        return money_html(row.limit)


@admin.register(CardReport)
class CardReportAdmin(VersionedAdmin):
    list_display = ["card", "kind", "as_of", "made_by", "made_at"]
    list_filter = [("kind", ChoicesDropdownFilter)]
    list_select_related = ["card"]
    ordering = ["-pk"]
    exclude = ["figures"]
    readonly_fields = ["shown_figures"]

    @admin.display(description=_("figures"))
    def shown_figures(self, report: CardReport) -> str:
        return json.dumps(readable(report.figures), ensure_ascii=False, indent=1)


@admin.register(PublishingGate)
class PublishingGateAdmin(VersionedAdmin):
    list_display = ["min_gini", "max_psi", "max_age_days", "set_by", "set_at"]
    list_select_related = ["set_by"]
    ordering = ["-pk"]


@admin.register(ScoreOverride)
class ScoreOverrideAdmin(FactAdmin):
    account_path = "account"
    list_display = [
        customer_of,
        "computed_grade",
        "grade",
        "reason_code",
        "valid_from",
        "valid_until",
        "made_by",
        "ended_on",
    ]
    list_filter = [("reason_code", ChoicesDropdownFilter), ("valid_until", RangeDateFilter)]
    list_select_related = ["account__customer", "made_by"]
    search_fields = account_search()
    ordering = ["-pk"]
    exclude = ["end_reason"]
    readonly_fields = ["ended_because"]

    @admin.display(description=_("ended because"))
    def ended_because(self, override: ScoreOverride) -> str:
        return override.ended_because or "—"


@admin.register(InvoiceCard)
class InvoiceCardAdmin(VersionedAdmin):
    """Fitted by a job (manage.py fit_invoice_card), taken into use by a person who may publish scorecards."""

    list_display = [
        "version",
        "status",
        "trained_until",
        "made_at",
        "made_by",
        "activated_at",
        "activated_by",
    ]
    exclude = ["model"]
    actions = ["take_into_use"]

    @admin.action(description=_("Take into use"), permissions=["publish"])
    def take_into_use(self, request: HttpRequest, queryset: Any) -> None:
        if len(queryset) != 1:
            self.message_user(request, gettext("Choose one version."), messages.ERROR)
            return
        try:
            card = take_into_use(queryset[0], by=request.user)
        except InvoiceCardError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, gettext("Version %(version)s is in use.") % {"version": card.version})

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(USE)


@admin.register(ScoreReview)
class ScoreReviewAdmin(FactAdmin):
    account_path = "account"
    list_display = ["on", customer_of, "outcome", "graded", "by", "note", "valid_until"]
    list_select_related = ["account__customer", "by"]
    list_filter = [("outcome", ChoicesDropdownFilter), AccountPortfolioFilter]
    search_fields = account_search()
    ordering = ["-pk"]

    @admin.display(description=_("score"), ordering="score")
    def graded(self, row: ScoreReview) -> SafeString:
        return grade_badge(row.grade, row.score)


# Its classes build on those above.
from scoring import check_admin, decision_admin  # noqa: E402, F401
