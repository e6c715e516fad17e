from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import (
    CONTRADICTION,
    CURRENCY,
    Code,
    Contradiction,
    PageQuery,
    StrictSerializer,
    Text,
    Whole,
)
from creditdesk.api.problems import Unprocessable
from creditdesk.api.references import COMPANY_OF_DATE
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from creditdesk.core.money import Money
from customers.evidence.recording import LABELS, record_statement
from customers.models import FinancialStatement

FIGURE = r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$"


def _figures(**options: Any) -> dict[str, Text]:
    return {name: Text(FIGURE, help_text=label, **options) for name, label in LABELS.items()}


FiguresIn = type(
    "FiguresIn",
    (StrictSerializer,),
    {**_figures(required=False, allow_null=True, max_length=18), "__doc__": "In major units, as strings."},
)
FiguresOut = type(
    "FiguresOut",
    (serializers.Serializer,),
    {**_figures(allow_null=True), "__doc__": "In major units; null: not stated, never zero."},
)


class AnnualAccountsOut(serializers.Serializer):
    id = serializers.IntegerField()
    customer = serializers.CharField(source="customer.code", help_text="Customer number.")
    balance_sheet_on = serializers.DateField(source="effective_on")
    known_on = serializers.DateField(help_text="From this day on it counts.")
    months = serializers.IntegerField(help_text="How long the year was.")
    currency = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    figures = FiguresOut(source="*")

    def to_representation(self, row: FinancialStatement) -> dict[str, Any]:
        said = {name: getattr(row, name) for name in ("id", "known_on", "months", "currency", "source")}
        figures = {name: getattr(row, name) for name in LABELS}
        return {
            **said,
            "known_on": row.known_on.isoformat(),
            "customer": row.customer.code,
            "balance_sheet_on": row.effective_on.isoformat(),
            "figures": {
                name: None if value is None else f"{value.amount:f}" for name, value in figures.items()
            },
        }


class AnnualAccountsQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")


class AnnualAccountsIn(StrictSerializer):
    customer = Text(max_length=40, help_text="Customer number.")
    company = Code(required=False, help_text=COMPANY_OF_DATE)
    balance_sheet_on = serializers.DateField()
    known_on = serializers.DateField(
        required=False,
        help_text="The day it was published: from the balance-sheet day to today, which it is if left out. What corrects "
        "an earlier version is known from today on.",
    )
    months = Whole(required=False, default=12, min_value=1, max_value=24)
    currency = Text(CURRENCY, help_text="ISO 4217, of every figure.")
    source = Text(  # type: ignore[assignment]
        max_length=120,
        help_text="Register or provider. With the balance-sheet day it says which accounts are meant.",
    )
    figures = FiguresIn(help_text="At least one. What is left out is not stated.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["source"].strip():
            raise Contradiction("source", _("Name the source: a register, a gazette, a letter."))
        given = {name: text for name, text in attrs["figures"].items() if text is not None}
        if not given:
            raise Contradiction("figures", _("Give at least one figure."))
        minor = {}
        for name, text in given.items():
            try:
                minor[name] = Money.of(Decimal(text), attrs["currency"]).minor
            except ValueError as error:
                raise Contradiction(f"figures.{name}", str(error)) from error
        return attrs | {"figures": minor}


@extend_schema_view(
    post=extend_schema(
        operation_id="annual_accounts_record",
        summary="Record a customer's annual accounts of one year",
        description="One balance-sheet day of one source is one fact. Told otherwise than stored it is a correction: a new "
        "version (201), known from today on, and the earlier one stays as what was known before. Told as it stands it is "
        "answered with 200.",
        request=AnnualAccountsIn,
        responses={201: AnnualAccountsOut, 200: AnnualAccountsOut},
        tags=["annual accounts"],
        examples=[
            OpenApiExample(
                "a year",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "balance_sheet_on": "2025-12-31",
                    "known_on": "2026-06-30",
                    "currency": "EUR",
                    "source": "Registro Imprese",
                    "figures": {
                        "revenue": "2450000.00",
                        "ebit": "-18000.00",
                        "total_assets": "1310000.00",
                        "current_assets": "730000.00",
                        "current_liabilities": "610000.00",
                        "total_liabilities": "1020000.00",
                        "equity": "290000.00",
                        "retained_earnings": "75000.00",
                    },
                },
            )
        ],
    )
)
class AnnualAccountsList(ActsOnce, Endpoint):
    scopes = {"GET": "annual-accounts:read", "POST": "annual-accounts:record"}
    ordering = "-pk"

    @extend_schema(
        operation_id="annual_accounts_list",
        summary="Annual accounts as they stand, newest first",
        parameters=[AnnualAccountsQuery],
        responses=list_of(AnnualAccountsOut),
        tags=["annual accounts"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(AnnualAccountsQuery)
        rows: QuerySet[FinancialStatement] = FinancialStatement.objects.filter(
            Exists(self.accounts().filter(customer_id=OuterRef("customer_id"))), superseded_at__isnull=True
        )
        if "customer" in query:
            rows = rows.filter(customer__code=query["customer"])
        found = rows.select_related("customer").order_by()
        return self.page(found, lambda page: AnnualAccountsOut(page, many=True).data)

    def act(self, request: Request) -> Response:
        data = self.body(AnnualAccountsIn)
        customer, today = self.customer_of(data)
        closed, known = data["balance_sheet_on"], data.get("known_on", today)
        if closed > today:
            told = ErrorDetail(_("The year is not over yet."), CONTRADICTION)
            raise Unprocessable({"balance_sheet_on": [told]})
        if not closed <= known <= today:
            told = ErrorDetail(_("From the balance-sheet day to today."), CONTRADICTION)
            raise Unprocessable({"known_on": [told]})
        done = record_statement(
            customer,
            effective_on=closed,
            known_on=known,
            currency=data["currency"],
            months=data["months"],
            source=data["source"].strip(),
            figures=data["figures"],
            actor=self.actor,
            today=today,
        )
        return Response(AnnualAccountsOut(done.statement).data, status=201 if done.is_new else 200)
