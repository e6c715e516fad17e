from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Code, Contradiction, Flag, PageQuery, StrictSerializer, Text
from creditdesk.api.problems import Problem
from creditdesk.api.references import COMPANY_OF_DATE
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from customers.bank.consents import (
    SCOPES,
    TRANSACTIONS,
    ConsentError,
    in_force,
    record_consent,
    revoke_consent,
    scope_of,
)
from customers.days import dates_now, today_of
from customers.models import BankConsent


class ConsentOut(serializers.ModelSerializer):
    """A customer's consent to have its bank data read. It says that data may be read, never what was read."""

    customer = serializers.CharField(source="customer.code", help_text="Customer number.")
    may_read = serializers.SerializerMethodField()
    in_force = serializers.SerializerMethodField(
        help_text="Today, in the company of the customer's first account."
    )

    class Meta:
        model = BankConsent
        fields = [
            *("id", "customer", "purpose", "may_read", "effective_on", "expires_on", "revoked_on"),
            *("reference", "known_on", "in_force"),
        ]

    def get_may_read(self, consent: BankConsent) -> list[str]:
        return sorted(scope_of(consent))

    def get_in_force(self, consent: BankConsent) -> bool:
        today: date = consent.today  # type: ignore[attr-defined]
        begun = consent.effective_on <= today <= consent.expires_on
        return begun and (consent.revoked_on is None or consent.revoked_on > today)


class ConsentQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    in_force = Flag(required=False)

    def to_internal_value(self, data: Any) -> Any:
        words = {"true": True, "false": False}
        return super().to_internal_value(
            {name: words.get(value, value) if name == "in_force" else value for name, value in data.items()}
        )


class ConsentIn(StrictSerializer):
    customer = Text(max_length=40, help_text="Customer number.")
    company = Code(required=False, help_text=COMPANY_OF_DATE)
    purpose = Text(max_length=120, help_text="What the customer gave it for.")
    may_read = serializers.ListField(
        child=serializers.ChoiceField(SCOPES),
        required=False,
        default=list(SCOPES),
        min_length=1,
        max_length=len(SCOPES),
        help_text="transactions, and balances where these may be read too.",
    )
    effective_on = serializers.DateField(help_text="First day it holds.")
    expires_on = serializers.DateField(help_text="Last day it holds.")
    reference = Text(max_length=120, help_text="Where the consent itself is kept.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for name in ("purpose", "reference"):
            if not attrs[name].strip():
                raise Contradiction(name, _("Say it in words: this is empty."))
        if TRANSACTIONS not in attrs["may_read"]:
            raise Contradiction(
                "may_read", _("The scope lists “transactions”, and “balances” if these may be read too.")
            )
        if attrs["expires_on"] < attrs["effective_on"]:
            raise Contradiction(
                "expires_on", _("The consent would end before it begins: correct one of the two dates.")
            )
        return attrs


class RevocationIn(StrictSerializer):
    reason = Text(max_length=500, help_text="Stays with the act.")

    def validate_reason(self, reason: str) -> str:
        if not reason.strip():
            raise Contradiction("reason", _("Say why."))
        return reason


class ConsentsEndpoint(Endpoint):
    ordering = "-pk"

    def consents(self) -> QuerySet[BankConsent]:
        """Each with `today`, the date of the first company that sells to the customer (of those the key may see)."""
        seen = self.accounts().filter(customer_id=OuterRef("customer_id"))
        dates = dates_now()
        today: Any = today_of("company", dates)
        if len(dates) > 1:
            today = Subquery(seen.order_by("pk").annotate(today=today).values("today")[:1])
        rows = BankConsent.objects.filter(Exists(seen), superseded_at__isnull=True).annotate(today=today)
        return rows.select_related("customer").order_by()

    def shown(self, consents: Any, *, many: bool = False) -> Any:
        return ConsentOut(consents, many=many).data


@extend_schema_view(
    post=extend_schema(
        operation_id="consents_record",
        summary="Record a customer's consent to have its bank data read",
        description="For portals where customers give it. Bank accounts read under an earlier consent go on under this "
        "one once it is in force. The same consent (all of it) is recorded once: sent again, it is answered with 200 as it stands.",
        request=ConsentIn,
        responses={201: ConsentOut, 200: ConsentOut},
        tags=["consents"],
        examples=[
            OpenApiExample(
                "for a year",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "purpose": "credit assessment",
                    "may_read": ["transactions", "balances"],
                    "effective_on": "2026-11-20",
                    "expires_on": "2027-11-19",
                    "reference": "portal:consent/8f31",
                },
            )
        ],
    )
)
class ConsentList(ActsOnce, ConsentsEndpoint):
    scopes = {"GET": "consents:read", "POST": "consents:record"}

    @extend_schema(
        operation_id="consents_list",
        summary="Consents to read bank data, newest first",
        parameters=[ConsentQuery],
        responses=list_of(ConsentOut),
        tags=["consents"],
    )
    def get(self, request: Request) -> Response:
        query, rows = self.query(ConsentQuery), self.consents()
        if "customer" in query:
            rows = rows.filter(customer__code=query["customer"])
        if "in_force" in query:
            now = in_force(F("today"))
            rows = rows.filter(now) if query["in_force"] else rows.exclude(now)
        return self.page(rows, lambda found: self.shown(found, many=True))

    def act(self, request: Request) -> Response:
        data = self.body(ConsentIn)
        customer, today = self.customer_of(data)
        for name in ("customer", "company"):
            data.pop(name, None)
        wanted = set(data.pop("may_read"))
        scope = ",".join(word for word in SCOPES if word in wanted)
        told: dict[str, Any] = {
            name: value.strip() if isinstance(value, str) else value for name, value in data.items()
        }
        # Where it is kept may have been erased since: that makes it no other consent.
        rest = {name: value for name, value in told.items() if name != "reference"}
        known = self.consents().filter(
            customer=customer, revoked_on__isnull=True, reference__in=(told["reference"], ""), **rest
        )
        stands = next((one for one in known.order_by("-pk") if scope_of(one) == wanted), None)
        if stands is not None:
            return Response(self.shown(stands))
        try:
            consent = record_consent(customer, scope=scope, known_on=today, actor=self.actor, **told)
        except ConsentError as refusal:
            raise Problem(409, "consent_refused", str(refusal)) from refusal
        return Response(self.shown(self.consents().get(pk=consent.pk)), status=201)


@extend_schema_view(
    post=extend_schema(
        operation_id="consents_revoke",
        summary="Take a consent back: the bank data read under it is deleted at once",
        description="What another consent in force covers stays, under that one. The consent itself, its audit record and the log of reads stay.",
        request=RevocationIn,
        responses=ConsentOut,
        tags=["consents"],
        examples=[
            OpenApiExample(
                "the customer took it back", request_only=True, value={"reason": "Taken back in the portal."}
            )
        ],
    )
)
class ConsentRevocation(ActsOnce, ConsentsEndpoint):
    scopes = {"POST": "consents:revoke"}

    def act(self, request: Request, pk: int) -> Response:
        data = self.body(RevocationIn)
        consent = get_object_or_404(self.consents(), pk=pk)
        try:
            # Never before it was known, wherever that was.
            on = max(consent.today, consent.known_on)  # type: ignore[attr-defined]
            revoke_consent(consent, by=self.actor, reason=data["reason"], on=on)
        except ConsentError as refusal:
            raise Problem(409, "consent_refused", str(refusal)) from refusal
        return Response(self.shown(self.consents().get(pk=pk)))
