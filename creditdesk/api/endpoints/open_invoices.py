from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Code, MoneyOut, PageQuery, Text
from creditdesk.api.schema import list_of
from creditdesk.api.views import Endpoint
from customers.days import dates_now, today_of
from customers.models import DocumentKind, Instalment, SentBy
from scoring.invoices.estimates import InvoiceEstimate, estimate


class Share(serializers.DecimalField):
    """A chance from 0 to 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=5, decimal_places=4, **options)


class ExpectedOut(serializers.Serializer):
    """When an open invoice will be paid, by the invoice card in use."""

    expected_on = serializers.DateField(help_text="By this day half of such invoices are paid.")
    earliest_on = serializers.DateField(help_text="By this day a tenth of them are.")
    latest_on = serializers.DateField(help_text="By this day nine tenths of them are.")
    days_late = serializers.DecimalField(max_digits=6, decimal_places=1, help_text="On average.")
    late = Share(help_text="Chance of being paid late; 1 once it is overdue.")
    late_15 = Share(help_text="Chance of more than 15 days late.")
    late_30 = Share(help_text="Chance of more than 30 days late.")
    card = serializers.IntegerField(help_text="Version of the invoice card that says so.")


class OpenInvoiceOut(serializers.Serializer):
    """One open instalment of an invoice."""

    id = serializers.IntegerField(help_text="Of the instalment.")
    number = serializers.CharField(help_text="Document number.")
    instalment = serializers.IntegerField(help_text="1 where the invoice falls due at once.")
    customer = serializers.CharField(help_text="Customer number.")
    account = serializers.IntegerField()
    company = serializers.CharField()
    issued_on = serializers.DateField()
    due_on = serializers.DateField()
    delivery = serializers.ChoiceField(
        SentBy.choices, allow_null=True, help_text="How it was sent; null: not known."
    )
    days_past_due = serializers.IntegerField(
        help_text="Today, in the company, less the due day; 0 when it is not due yet."
    )
    open = MoneyOut()
    expected = ExpectedOut(allow_null=True, help_text="null: no invoice card is in use.")


class OpenInvoiceQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    company = Code(required=False)
    overdue = serializers.BooleanField(
        required=False, help_text="true: only what is past its due day; false: only what is not."
    )
    due_from = serializers.DateField(required=False)
    due_to = serializers.DateField(required=False)


class OpenInvoiceList(Endpoint):
    """In the order they were recorded; the estimates of a page take a constant number of queries for each date that it
    is for our companies."""

    scopes = {"GET": "exposures:read"}

    def rows(self, query: dict[str, Any]) -> QuerySet[Instalment]:
        found = Instalment.objects.filter(
            account__in=self.accounts(),
            kind=DocumentKind.INVOICE,
            superseded_at__isnull=True,
            open_amount__gt=0,
        )
        named = {
            "customer": "account__customer__code",
            "company": "account__company__code",
            "due_from": "due_on__gte",
            "due_to": "due_on__lte",
        }
        found = found.filter(**{named[name]: query[name] for name in named if name in query})
        if "overdue" in query:
            past = {"due_on__lt": today_of("company", dates_now())}
            found = found.filter(**past) if query["overdue"] else found.exclude(**past)
        return found.select_related("invoice", "account__customer", "account__company").order_by()

    @extend_schema(
        operation_id="open_invoices_list",
        summary="Open invoices with the day each is expected to be paid, its range and chances",
        parameters=[OpenInvoiceQuery],
        responses=list_of(OpenInvoiceOut),
        tags=["exposures"],
    )
    def get(self, request: Request) -> Response:
        return self.page(self.rows(self.query(OpenInvoiceQuery)), self.represent)

    def represent(self, rows: list[Instalment]) -> Any:
        days = {row.pk: self.today(row.account) for row in rows}
        said: dict[int, InvoiceEstimate] = {}
        for today in set(days.values()):
            said |= estimate([pk for pk, day in days.items() if day == today], today)
        return OpenInvoiceOut([_shown(row, said.get(row.pk), days[row.pk]) for row in rows], many=True).data


def _shown(row: Instalment, said: InvoiceEstimate | None, today: date) -> dict[str, Any]:
    return {
        "id": row.pk,
        "number": row.invoice.number,
        "instalment": row.number,
        "customer": row.account.customer.code,
        "account": row.account_id,
        "company": row.account.company.code,
        "issued_on": row.effective_on,
        "due_on": row.due_on,
        "delivery": row.invoice.delivery or None,
        "days_past_due": max((today - row.due_on).days, 0),
        "open": row.open_amount,
        "expected": None if said is None else _expected(said),
    }


def _expected(said: InvoiceEstimate) -> dict[str, Any]:
    return {
        "expected_on": said.expected_on,
        "earliest_on": said.earliest_on,
        "latest_on": said.latest_on,
        "days_late": round(Decimal(said.days_late), 1),
        "late": round(Decimal(said.p_late), 4),
        "late_15": round(Decimal(said.p_late_15), 4),
        "late_30": round(Decimal(said.p_late_30), 4),
        "card": said.card,
    }
