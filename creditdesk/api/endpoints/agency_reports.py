from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Code, Contradiction, Flag, MoneyOut, PageQuery, StrictSerializer, Text
from creditdesk.api.problems import Problem
from creditdesk.api.references import COMPANY_OF_DATE
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from creditdesk.core.sentences import told
from customers.bureau.automatic import ask_for_client
from customers.bureau.bases import seen_by
from customers.bureau.waterfall import Refusal, Verdict, plan_pull
from customers.days import last_date
from customers.models import BureauPull, BureauReport


class AgencyReportOut(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.code", help_text="Customer number.")
    agency = serializers.CharField(source="provider")
    standing = serializers.IntegerField(
        allow_null=True, min_value=0, max_value=100, help_text="100 is safest; null: not rated."
    )
    pd_basis_points = serializers.IntegerField(
        allow_null=True, help_text="Probability of default within 12 months; 100 is one per cent."
    )
    recommended_limit = MoneyOut(allow_null=True)

    class Meta:
        model = BureauReport
        fields = [
            *("id", "customer", "agency", "product", "reference", "effective_on", "known_on", "outcome"),
            *("standing", "raw_score", "raw_scale", "pd_basis_points", "days_beyond_terms"),
            *("recommended_limit", "activity"),
        ]


class AgencyPullOut(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.code", help_text="Customer number.")
    agency = serializers.CharField(source="provider.slug")
    charged = MoneyOut(allow_null=True, help_text="null: being asked.")
    detail = serializers.CharField(source="said", help_text="What went wrong; empty otherwise.")
    report = serializers.IntegerField(source="report_id", allow_null=True)

    class Meta:
        model = BureauPull
        fields = [
            "id",
            "customer",
            "agency",
            "asked_on",
            "asked_at",
            "cause",
            "outcome",
            "charged",
            "detail",
            "report",
        ]


class AgencyStepOut(serializers.Serializer):
    agency = serializers.CharField()
    verdict = serializers.ChoiceField(Verdict.choices)
    price = MoneyOut()


class AgencyPlanOut(serializers.Serializer):
    """Who is asked, in this order, until one of them gives a rating."""

    customer = serializers.CharField(help_text="Customer number.")
    as_of = serializers.DateField()
    steps = AgencyStepOut(many=True)


class AgencyReportQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    agency = Text(required=False, max_length=40, help_text="Exactly this agency.")


class AgencyQuestionIn(StrictSerializer):
    customer = Text(max_length=40, help_text="Customer number.")
    company = Code(required=False, help_text=COMPANY_OF_DATE)
    reason = Text(required=False, default="", allow_blank=True, max_length=300)
    in_spite_of_age = Flag(default=False, help_text="Ask although a report is young enough; takes a reason.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["in_spite_of_age"] and not attrs["reason"].strip():
            raise Contradiction("reason", _("Say why it is asked in spite of the age rule."))
        return attrs


class AgencyEndpoint(Endpoint):
    ordering = "-pk"

    def visible(self, rows: QuerySet, query: dict[str, Any], agency: str) -> QuerySet:
        rows = rows.filter(Exists(self.accounts().filter(customer_id=OuterRef("customer_id")))).order_by()
        if "customer" in query:
            rows = rows.filter(customer__code=query["customer"])
        return rows.filter(**{agency: query["agency"]}) if "agency" in query else rows


@extend_schema_view(
    post=extend_schema(
        operation_id="agency_reports_ask",
        summary="Have a credit agency asked",
        description="Answers at once with who is asked in which order; the answer of the agency is among the reports "
        "soon afterwards, and every question among agency-pulls. A report young enough is not bought again.",
        request=AgencyQuestionIn,
        responses={202: AgencyPlanOut},
        tags=["agency reports"],
        examples=[OpenApiExample("by the rules", request_only=True, value={"customer": "C-1001"})],
    )
)
class AgencyReportList(ActsOnce, AgencyEndpoint):
    scopes = {"GET": "agency-reports:read", "POST": "agency-reports:ask"}

    @extend_schema(
        operation_id="agency_reports_list",
        summary="What credit agencies say of customers, newest first",
        parameters=[AgencyReportQuery],
        responses=list_of(AgencyReportOut),
        tags=["agency reports"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(AgencyReportQuery)
        current = BureauReport.objects.filter(superseded_at__isnull=True).select_related("customer")
        rows = self.visible(seen_by(current, request.user, last_date()), query, "provider")
        return self.page(rows, lambda found: AgencyReportOut(found, many=True).data)

    def act(self, request: Request) -> Response:
        data = self.body(AgencyQuestionIn)
        customer, on = self.customer_of(data)
        forced = data["in_spite_of_age"]
        plan = plan_pull(customer, on, BureauPull.Cause.API, now=timezone.now(), in_spite_of_age=forced)
        if not plan.askable:
            code = plan.refusal if plan.refusal else Refusal.NO_AGENCY
            raise Problem(409, f"agency_report_{code}", str(Refusal(code).label))
        ask_for_client(customer.pk, on, actor=self.actor, reason=data["reason"], in_spite_of_age=forced)
        steps = [
            {"agency": step.provider.slug, "verdict": step.verdict, "price": step.provider.price}
            for step in plan.steps
        ]
        return Response(
            AgencyPlanOut({"customer": customer.code, "as_of": on, "steps": steps}).data, status=202
        )


class AgencyPullList(AgencyEndpoint):
    scopes = {"GET": "agency-reports:ask"}

    @extend_schema(
        operation_id="agency_pulls_list",
        summary="Questions to credit agencies, newest first",
        parameters=[AgencyReportQuery],
        responses=list_of(AgencyPullOut),
        tags=["agency reports"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(AgencyReportQuery)
        rows = seen_by(BureauPull.objects.select_related("customer", "provider"), request.user, last_date())
        return self.page(self.visible(rows, query, "provider__slug"), self.represent)

    def represent(self, rows: list[Any]) -> Any:
        for row in rows:
            row.said = told(row.detail.get("text"))
        return AgencyPullOut(rows, many=True).data
