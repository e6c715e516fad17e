from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import CONTRADICTION, Code, PageQuery, StrictSerializer, Text
from creditdesk.api.problems import Unprocessable
from creditdesk.api.references import COMPANY_OF_DATE
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from customers.legal import LegalEventError, receive_legal_event
from customers.models import LegalEvent


class LegalEventOut(serializers.ModelSerializer):
    customer = serializers.CharField(source="customer.code", help_text="Customer number.")
    happened_on = serializers.DateField(source="effective_on")
    status = serializers.CharField(
        source="customer.status", help_text="Of the customer now: an open insolvency makes it insolvent."
    )

    class Meta:
        model = LegalEvent
        fields = ["id", "customer", "kind", "happened_on", "known_on", "ended_on", "source", "link", "status"]


class LegalEventQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    kind = serializers.ChoiceField(LegalEvent.Kind.choices, required=False)


class LegalEventIn(StrictSerializer):
    customer = Text(max_length=40, help_text="Customer number.")
    company = Code(required=False, help_text=COMPANY_OF_DATE)
    kind = serializers.ChoiceField(LegalEvent.Kind.choices)
    happened_on = serializers.DateField(help_text="The day it happened; today at the latest.")
    ended_on = serializers.DateField(required=False, help_text="Only of what is over.")
    source = Text(  # type: ignore[assignment]
        max_length=120, help_text="The register, gazette or provider that says so."
    )
    link = serializers.URLField(required=False, default="", allow_blank=True, max_length=200)


@extend_schema_view(
    post=extend_schema(
        operation_id="legal_events_record",
        summary="Record a legal or public event",
        description="For feeds of registers and gazettes. What follows is drawn in the same transaction: an open "
        "insolvency stops new business at once, and the score is computed anew within seconds. The same event (customer, "
        "kind, day, source) is recorded once: sent again, it is answered with 200 as it stands.",
        request=LegalEventIn,
        responses={201: LegalEventOut, 200: LegalEventOut},
        tags=["legal events"],
        examples=[
            OpenApiExample(
                "a lien",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "kind": "lien",
                    "happened_on": "2026-11-12",
                    "source": "Registro Imprese",
                    "link": "https://register.example/entry/77",
                },
            )
        ],
    )
)
class LegalEventList(ActsOnce, Endpoint):
    scopes = {"GET": "legal-events:read", "POST": "legal-events:record"}
    ordering = "-pk"

    def events(self) -> QuerySet[LegalEvent]:
        rows = LegalEvent.objects.filter(superseded_at__isnull=True).select_related("customer")
        return rows.filter(Exists(self.accounts().filter(customer_id=OuterRef("customer_id")))).order_by()

    @extend_schema(
        operation_id="legal_events_list",
        summary="Legal and public events, newest first",
        parameters=[LegalEventQuery],
        responses=list_of(LegalEventOut),
        tags=["legal events"],
    )
    def get(self, request: Request) -> Response:
        query, rows = self.query(LegalEventQuery), self.events()
        if "customer" in query:
            rows = rows.filter(customer__code=query["customer"])
        if "kind" in query:
            rows = rows.filter(kind=query["kind"])
        return self.page(rows, lambda found: LegalEventOut(found, many=True).data)

    def act(self, request: Request) -> Response:
        data = self.body(LegalEventIn)
        customer, today = self.customer_of(data)
        try:
            event, is_new = receive_legal_event(
                customer,
                data["kind"],
                effective_on=data["happened_on"],
                known_on=today,
                ended_on=data.get("ended_on"),
                source=data["source"],
                link=data["link"],
                actor=self.actor,
            )
        except LegalEventError as error:
            field = "happened_on" if error.field == "effective_on" else error.field
            raise Unprocessable({field: [ErrorDetail(str(error), CONTRADICTION)]}) from error
        customer.refresh_from_db(fields=["status"])
        event.customer = customer
        return Response(LegalEventOut(event).data, status=201 if is_new else 200)
