from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Code, PageQuery, Text
from creditdesk.api.schema import list_of
from creditdesk.api.views import Endpoint
from customers.models import CreditAccount, Customer


class AccountOut(serializers.ModelSerializer):
    company = serializers.CharField(source="company.code")
    segment = serializers.CharField(source="segment.code")

    class Meta:
        model = CreditAccount
        fields = ["id", "company", "segment", "currency"]


class CustomerOut(serializers.ModelSerializer):
    number = serializers.CharField(source="code")
    accounts = AccountOut(source="seen_accounts", many=True)

    class Meta:
        model = Customer
        fields = [
            *(
                "id",
                "number",
                "name",
                "kind",
                "status",
                "country",
                "city",
                "vat_number",
                "registration_number",
            ),
            *("lei", "sector", "language", "customer_since", "founded_on", "terms_days", "accounts"),
        ]


class CustomerQuery(PageQuery):
    number = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    vat_number = Text(required=False, max_length=20, help_text="Exactly this VAT number.")
    name = Text(required=False, max_length=160, help_text="The name contains this.")
    status = serializers.ChoiceField(Customer.Status.choices, required=False)
    company = Code(required=False, help_text="With an account of this company.")


class CustomersEndpoint(Endpoint):
    scopes = {"GET": "customers:read"}

    def customers(self, **accounts: Any) -> QuerySet[Customer]:
        """Customers with an account the key may see, with exactly those accounts."""
        seen = self.accounts()
        return (
            Customer.objects.filter(Exists(seen.filter(customer_id=OuterRef("pk"), **accounts)))
            .order_by()
            .prefetch_related(
                Prefetch(
                    "accounts",
                    seen.select_related("company", "segment").order_by("pk"),
                    to_attr="seen_accounts",
                )
            )
        )


class CustomerList(CustomersEndpoint):
    @extend_schema(
        operation_id="customers_list",
        summary="Customers and their credit accounts",
        parameters=[CustomerQuery],
        responses=list_of(CustomerOut),
        tags=["customers"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(CustomerQuery)
        rows = self.customers(**({"company__code": query["company"]} if "company" in query else {}))
        for name, lookup in (
            ("number", "code"),
            ("vat_number", "vat_number"),
            ("name", "name__icontains"),
            ("status", "status"),
        ):
            if name in query:
                rows = rows.filter(**{lookup: query[name]})
        return self.page(rows, lambda found: CustomerOut(found, many=True).data)


class CustomerDetail(CustomersEndpoint):
    @extend_schema(
        operation_id="customers_get", summary="One customer", responses=CustomerOut, tags=["customers"]
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(CustomerOut(get_object_or_404(self.customers(), pk=pk)).data)
