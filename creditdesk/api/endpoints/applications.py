from __future__ import annotations

import base64
import binascii
from typing import Any

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import (
    Code,
    Contradiction,
    Flag,
    MoneyIn,
    MoneyOut,
    Nothing,
    PageQuery,
    StrictSerializer,
    Text,
    Whole,
)
from creditdesk.api.problems import Problem, decision_code
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from creditdesk.core.clock import business_date
from customers.applications import (
    ApplicationError,
    Prospect,
    Wish,
    receive_application,
    receive_from_prospect,
    withdraw_application,
)
from customers.documents import DocumentRefused, attach
from customers.models import (
    Access,
    ApplicationDocument,
    CreditApplication,
    CreditSegment,
    Customer,
    Portfolio,
)
from scoring.decisions import DecisionError
from scoring.models import Decision, Recommendation
from scoring.onboarding.assessing import assess

LANGUAGES = ("en", "it", "es", "fr")


class ProspectIn(StrictSerializer):
    """Who asks. Somebody who is a customer already is named by `customer` instead."""

    name = Text(r"^[^\x00]*[^\x00\s][^\x00]*$", max_length=160)
    kind = serializers.ChoiceField(Customer.Kind.choices, default=Customer.Kind.COMPANY)
    country = Text(r"^[A-Z]{2}$", required=False, default="", help_text="ISO 3166, two letters.")
    city = Text(required=False, default="", allow_blank=True, max_length=80)
    vat_number = Text(required=False, default="", allow_blank=True, max_length=20)
    registration_number = Text(required=False, default="", allow_blank=True, max_length=30)
    lei = Text(r"^[0-9A-Z]{20}$", required=False, default="", max_length=20)
    sector = Text(required=False, default="", allow_blank=True, max_length=10, help_text="NACE.")
    language = serializers.ChoiceField(LANGUAGES, default="en", help_text="Of the letter with the answer.")
    founded_on = serializers.DateField(required=False)
    number = Text(
        required=False,
        default="",
        max_length=40,
        help_text="Customer number; made here if left out. P- and digits only are numbers made here.",
    )
    stands_alone = Flag(default=False, help_text="They say they belong to no group.")


class ApplicationIn(StrictSerializer):
    """Either `prospect` (a new customer) or `customer` (one who asks for more)."""

    customer = Text(required=False, max_length=40, help_text="Customer number.")
    prospect = ProspectIn(required=False)
    company = Code(help_text="Company code.")
    segment = Code(help_text="Code of the credit segment.")
    portfolio = Code(required=False, help_text="Code of the portfolio a prospect comes into.")
    amount = MoneyIn(help_text="The credit asked for.")
    terms_days = Whole(required=False, min_value=0, max_value=365)
    yearly_purchases = MoneyIn(required=False)
    contact_name = Text(required=False, default="", allow_blank=True, max_length=120)
    contact_email = Text(
        # Not \s: what counts as a space differs between Python and the readers of the schema.
        r"^[^\x00-\x20\x7f-\xa0@]+@[^\x00-\x20\x7f-\xa0@]+\.[^\x00-\x20\x7f-\xa0@]+$",
        required=False,
        default="",
        max_length=254,
    )
    note = Text(required=False, default="", allow_blank=True, max_length=2000)
    assess = Flag(default=True, help_text="Let the rules answer at once, from what is there.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("prospect" in attrs) == ("customer" in attrs):
            raise Contradiction("prospect", _("Send either a prospect or a customer number."))
        return attrs


class ApplicationDocumentOut(serializers.ModelSerializer):
    class Meta:
        model = ApplicationDocument
        fields = ["id", "kind", "name", "content_type", "size", "sha256", "uploaded_at"]


class ApplicationOut(serializers.ModelSerializer):
    id = serializers.UUIDField(source="public_id")
    account = serializers.IntegerField(source="account_id")
    customer = serializers.CharField(source="account.customer.code", help_text="Customer number.")
    company = serializers.CharField(source="account.company.code")
    segment = serializers.CharField(source="account.segment.code")
    amount = MoneyOut(source="requested")
    terms_days = serializers.IntegerField(source="requested_terms_days", allow_null=True)
    decision = serializers.UUIDField(
        source="decision_id", allow_null=True, help_text="The last answer: read it under decisions."
    )
    outcome = serializers.ChoiceField(
        Recommendation.choices, allow_null=True, help_text="Of that decision. review: a named person decides."
    )
    limit_change = serializers.IntegerField(
        source="limit_change_id", allow_null=True, help_text="The first limit, once it is proposed."
    )
    documents = ApplicationDocumentOut(source="kept_documents", many=True)

    class Meta:
        model = CreditApplication
        fields = [
            *("id", "account", "customer", "company", "segment", "status", "channel", "amount", "terms_days"),
            *("received_on", "closed_on", "decision", "outcome", "limit_change", "documents"),
        ]


class ApplicationQuery(PageQuery):
    status = serializers.ChoiceField(CreditApplication.Status.choices, required=False)
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")


class DocumentIn(StrictSerializer):
    kind = serializers.ChoiceField(ApplicationDocument.Kind.choices)
    name = Text(max_length=200, help_text="With its suffix, which says what it is: .pdf, .png, .xlsx, .csv …")
    content = Text(
        r"^[A-Za-z0-9+/]+={0,2}$",
        help_text="Base64. The whole request may have 2.5 MB: larger files are added on the page.",
    )


class ApplicationWithdrawalIn(StrictSerializer):
    reason = Text(r"^[^\x00]*[^\x00\s][^\x00]*$", max_length=2000)


class ApplicationsEndpoint(Endpoint):
    scopes = {"GET": "applications:read", "POST": "applications:write"}
    ordering = "-pk"

    def applications(self) -> QuerySet[CreditApplication]:
        last = Decision.objects.filter(application=OuterRef("pk")).order_by("-pk")
        documents = ApplicationDocument.objects.filter(removed_at__isnull=True).order_by("pk")
        return (
            CreditApplication.objects.filter(self.scope("account__"))
            .select_related("account__customer", "account__company", "account__segment")
            .prefetch_related(Prefetch("documents", documents, to_attr="kept_documents"))
            .annotate(
                decision_id=Subquery(last.values("public_id")[:1]),
                outcome=Subquery(last.values("outcome")[:1]),
            )
            .order_by()
        )

    def answer(self, pk: int, status: int = 200) -> Response:
        row = self.applications().get(pk=pk)
        headers = {"Location": reverse("api:application", args=[row.public_id])} if status == 201 else None
        return Response(ApplicationOut(row).data, status=status, headers=headers)


@extend_schema_view(
    post=extend_schema(
        operation_id="applications_submit",
        summary="Submit a credit application",
        description="A prospect becomes a customer with status prospect; unless told otherwise the rules answer at "
        "once. A limit is given by the approvers, never here.",
        request=ApplicationIn,
        responses={201: ApplicationOut},
        tags=["applications"],
        examples=[
            OpenApiExample(
                "a prospect",
                request_only=True,
                value={
                    "prospect": {
                        "name": "Officina Bianchi Srl",
                        "country": "IT",
                        "city": "Bergamo",
                        "vat_number": "IT01234567890",
                        "language": "it",
                    },
                    "company": "acme",
                    "segment": "main",
                    "amount": {"amount": "8000.00", "currency": "EUR"},
                    "terms_days": 60,
                    "contact_name": "Anna Bianchi",
                    "contact_email": "anna@bianchi.example",
                },
            ),
            OpenApiExample(
                "a customer who asks for more",
                request_only=True,
                value={
                    "customer": "C-1003",
                    "company": "acme",
                    "segment": "main",
                    "amount": {"amount": "30000.00", "currency": "EUR"},
                },
            ),
        ],
    )
)
class ApplicationList(ActsOnce, ApplicationsEndpoint):
    @extend_schema(
        operation_id="applications_list",
        summary="Credit applications, newest first",
        parameters=[ApplicationQuery],
        responses=list_of(ApplicationOut),
        tags=["applications"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(ApplicationQuery)
        rows = self.applications()
        if "status" in query:
            rows = rows.filter(status=query["status"])
        if "customer" in query:
            rows = rows.filter(account__customer__code=query["customer"])
        return self.page(rows, lambda found: ApplicationOut(found, many=True).data)

    def act(self, request: Request) -> Response:
        data = self.body(ApplicationIn)
        wish = Wish(
            amount=data["amount"],
            terms_days=data.get("terms_days"),
            yearly_purchases=data.get("yearly_purchases"),
            contact_name=data["contact_name"],
            contact_email=data["contact_email"],
            note=data["note"],
        )
        channel = CreditApplication.Channel.API
        try:
            if "customer" in data:
                account = self.account_of(data)
                today = self.today(account)
                made = receive_application(account, wish, actor=self.actor, on=today, channel=channel)
            else:
                segment, portfolio = self._place(data)
                today = business_date(segment.company.time_zone)
                made = receive_from_prospect(
                    self._prospect(data["prospect"]),
                    segment,
                    wish,
                    portfolio=portfolio,
                    actor=self.actor,
                    on=today,
                    channel=channel,
                )
            if data["assess"]:
                assess(made, as_of=today, actor=self.actor)
        except (ApplicationError, DecisionError) as error:
            raise self.refusal(error) from error
        return self.answer(made.pk, 201)

    def _prospect(self, data: dict[str, Any]) -> Prospect:
        return Prospect(
            **{name: value for name, value in data.items() if name != "number"}, code=data["number"]
        )

    def _place(self, data: dict[str, Any]) -> tuple[CreditSegment, Portfolio | None]:
        """Where a prospect's account comes: a place the key sees, or the client could not follow it."""
        given = Access.objects.filter(user=self.request.user, company__code=data["company"])
        key: Any = self.request.auth
        if key.company_id:
            given = given.filter(company=key.company_id)
        if data.get("portfolio"):
            given = given.filter(Q(portfolio__isnull=True) | Q(portfolio__code=data["portfolio"]))
        else:
            given = given.filter(portfolio__isnull=True)
        segment = (
            CreditSegment.objects.select_related("company")
            .filter(code=data["segment"], company__in=given.values("company"))
            .first()
        )
        portfolio = Portfolio.objects.filter(
            company__code=data["company"], code=data.get("portfolio")
        ).first()
        if segment is None or (data.get("portfolio") and portfolio is None):
            raise Problem(
                422,
                "place_unknown",
                _("There is no such company, segment or portfolio among what this key may see."),
            )
        return segment, portfolio

    def refusal(self, error: ApplicationError | DecisionError) -> Problem:
        if isinstance(error, DecisionError) or error.code != "known_customer":
            return refusal_of(error)
        # Of customers of other companies nothing is told, not even that they are customers of which.
        seen = self.accounts().filter(customer__in=error.customers).order_by("pk")
        return Problem(
            409,
            "application_known_customer",
            _("This prospect is a customer already."),
            customers=sorted(set(seen.values_list("customer__code", flat=True))),
        )


def refusal_of(error: ApplicationError | DecisionError | DocumentRefused) -> Problem:
    if isinstance(error, DecisionError):
        return Problem(409, decision_code(error), str(error))
    kind = "document" if isinstance(error, DocumentRefused) else "application"
    return Problem(409, f"{kind}_{error.code}", str(error))


class ApplicationDetail(ApplicationsEndpoint):
    @extend_schema(
        operation_id="applications_get",
        summary="One application",
        responses=ApplicationOut,
        tags=["applications"],
    )
    def get(self, request: Request, public_id: Any) -> Response:
        return Response(ApplicationOut(get_object_or_404(self.applications(), public_id=public_id)).data)


@extend_schema_view(
    post=extend_schema(
        operation_id="applications_add_document",
        summary="Add a document to an application",
        request=DocumentIn,
        responses={201: ApplicationDocumentOut},
        tags=["applications"],
        examples=[
            OpenApiExample(
                "accounts as text",
                request_only=True,
                value={
                    "kind": "accounts",
                    "name": "balance-2025.csv",
                    "content": "eWVhcjtlcXVpdHkKMjAyNTsxMDAwMDAK",
                },
            )
        ],
    )
)
class ApplicationDocuments(ActsOnce, ApplicationsEndpoint):
    scopes = {"POST": "applications:write"}

    def act(self, request: Request, public_id: Any) -> Response:
        data = self.body(DocumentIn)
        application = get_object_or_404(self.applications(), public_id=public_id)
        try:
            content = base64.b64decode(data["content"], validate=True)
        except binascii.Error as error:
            raise Problem(422, "not_base64", _("The content is not Base64.")) from error
        try:
            made = attach(application, data["name"], [content], kind=data["kind"], actor=self.actor)
        except DocumentRefused as error:
            raise refusal_of(error) from error
        return Response(ApplicationDocumentOut(made).data, status=201)


@extend_schema_view(
    post=extend_schema(
        operation_id="applications_assess",
        summary="Let the rules answer anew, from what has come in",
        request={"application/json": {"type": "object", "additionalProperties": False}},
        responses=ApplicationOut,
        tags=["applications"],
        examples=[OpenApiExample("assessed", request_only=True, value={})],
    )
)
class ApplicationAssessment(ActsOnce, ApplicationsEndpoint):
    scopes = {"POST": "applications:write"}

    def act(self, request: Request, public_id: Any) -> Response:
        self.body(Nothing)
        application = get_object_or_404(self.applications(), public_id=public_id)
        try:
            assess(application, as_of=self.today(application.account), actor=self.actor)
        except (ApplicationError, DecisionError) as error:
            raise refusal_of(error) from error
        return self.answer(application.pk)


@extend_schema_view(
    post=extend_schema(
        operation_id="applications_withdraw",
        summary="The prospect does not want it any more",
        request=ApplicationWithdrawalIn,
        responses=ApplicationOut,
        tags=["applications"],
        examples=[OpenApiExample("gone", request_only=True, value={"reason": "Buys elsewhere."})],
    )
)
class ApplicationWithdrawal(ActsOnce, ApplicationsEndpoint):
    scopes = {"POST": "applications:write"}

    def act(self, request: Request, public_id: Any) -> Response:
        data = self.body(ApplicationWithdrawalIn)
        application = get_object_or_404(self.applications(), public_id=public_id)
        try:
            on = self.today(application.account)
            withdraw_application(application, actor=self.actor, reason=data["reason"], on=on)
        except ApplicationError as error:
            raise refusal_of(error) from error
        return self.answer(application.pk)
