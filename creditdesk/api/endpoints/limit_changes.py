from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Contradiction, MoneyIn, MoneyOut, PageQuery, StrictSerializer, Text
from creditdesk.api.references import AccountReference
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from customers.approval import propose_limit_change, withdraw_limit_change
from customers.limit_reasons import PERSON_REASONS
from customers.models import LimitChange, LimitKind
from scoring.proposals import evidence_of


class LimitChangeOut(serializers.ModelSerializer):
    account = serializers.IntegerField(source="account_id")
    customer = serializers.CharField(source="account.customer.code", help_text="Customer number.")
    company = serializers.CharField(source="account.company.code")
    segment = serializers.CharField(source="account.segment.code")
    old_amount = MoneyOut(allow_null=True, help_text="null: no limit had been decided.")
    new_amount = MoneyOut()
    proposed_by = serializers.CharField(source="proposer_name")
    score = serializers.SerializerMethodField(help_text="In the evidence, when it was proposed.")
    grade = serializers.SerializerMethodField(help_text="In the evidence, when it was proposed.")

    class Meta:
        model = LimitChange
        fields = [
            *(
                "id",
                "account",
                "customer",
                "company",
                "segment",
                "kind",
                "status",
                "old_amount",
                "new_amount",
            ),
            *(
                "valid_from",
                "valid_until",
                "reason_code",
                "comment",
                "as_of",
                "score",
                "grade",
                "proposer_kind",
            ),
            *("proposed_by", "proposed_at", "is_automatic", "decided_at", "decision_reason"),
        ]

    def get_score(self, change: LimitChange) -> int | None:
        return (change.evidence or {}).get("score")

    def get_grade(self, change: LimitChange) -> str | None:
        return (change.evidence or {}).get("grade")


class LimitChangeQuery(PageQuery):
    status = serializers.ChoiceField(LimitChange.Status.choices, required=False)
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")


class LimitProposal(AccountReference):
    amount = MoneyIn(help_text="The new limit, in the account's currency.")
    reason = serializers.ChoiceField(list(PERSON_REASONS.items()))
    comment = Text(
        required=False, allow_blank=True, default="", max_length=2000, help_text="Approvers read it."
    )
    kind = serializers.ChoiceField(LimitKind.choices, default=LimitKind.BASE)
    valid_from = serializers.DateField(
        required=False, help_text="Only for a temporary limit; today if left out."
    )
    valid_until = serializers.DateField(
        required=False, help_text="Required for a temporary limit, and only there; last day included."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        temporary = attrs["kind"] == LimitKind.TEMPORARY
        if temporary and "valid_until" not in attrs:
            raise Contradiction("valid_until", _("A temporary limit needs a last day."))
        for name in ("valid_from", "valid_until"):
            if not temporary and name in attrs:
                raise Contradiction(name, _("Only a temporary limit has dates."))
        if attrs["reason"] == "other" and not attrs["comment"].strip():
            raise Contradiction("comment", _("Say which reason."))
        return attrs


class Withdrawal(StrictSerializer):
    reason = Text(max_length=2000, help_text="Stays with the change.")


class LimitChangesEndpoint(Endpoint):
    scopes = {"GET": "limit-changes:read", "POST": "limit-changes:propose"}
    ordering = "-pk"

    def changes(self) -> QuerySet[LimitChange]:
        return LimitChange.objects.filter(self.scope("account__")).select_related(
            "account__customer", "account__company", "account__segment"
        )


@extend_schema_view(
    post=extend_schema(
        operation_id="limit_changes_propose",
        summary="Propose a limit change",
        description="Puts the change before the approvers, with the evidence of today. Who proposes never decides.",
        request=LimitProposal,
        responses={201: LimitChangeOut},
        tags=["limit changes"],
        examples=[
            OpenApiExample(
                "a higher limit",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "amount": {"amount": "25000.00", "currency": "EUR"},
                    "reason": "growing_business",
                    "comment": "Two new shops since March.",
                },
            ),
            OpenApiExample(
                "more room for a season",
                request_only=True,
                value={
                    "customer": "C-1002",
                    "company": "acme",
                    "segment": "main",
                    "kind": "temporary",
                    "amount": {"amount": "40000.00", "currency": "EUR"},
                    "valid_until": "2027-01-31",
                    "reason": "seasonal_peak",
                },
            ),
        ],
    )
)
class LimitChangeList(ActsOnce, LimitChangesEndpoint):
    @extend_schema(
        operation_id="limit_changes_list",
        summary="Limit changes, newest first",
        parameters=[LimitChangeQuery],
        responses=list_of(LimitChangeOut),
        tags=["limit changes"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(LimitChangeQuery)
        rows = self.changes()
        if "status" in query:
            rows = rows.filter(status=query["status"])
        if "customer" in query:
            rows = rows.filter(account__customer__code=query["customer"])
        return self.page(rows, lambda found: LimitChangeOut(found, many=True).data)

    def act(self, request: Request) -> Response:
        data = self.body(LimitProposal)
        account = self.account_of(data)
        today = self.today(account)
        change = propose_limit_change(
            account,
            data["amount"],
            actor=self.actor,
            as_of=today,
            reason_code=data["reason"],
            comment=data["comment"],
            evidence=evidence_of(account, today),
            kind=data["kind"],
            valid_from=data.get("valid_from"),
            valid_until=data.get("valid_until"),
            # A client is asked for by people, and answers for it like one: no policy pushes its proposal aside.
            proposer_kind=LimitChange.ProposerKind.PERSON,
        )
        change.account = account
        where = reverse("api:limit_change", args=[change.pk])
        return Response(LimitChangeOut(change).data, status=201, headers={"Location": where})


class LimitChangeDetail(LimitChangesEndpoint):
    @extend_schema(
        operation_id="limit_changes_get",
        summary="One limit change",
        responses=LimitChangeOut,
        tags=["limit changes"],
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(LimitChangeOut(get_object_or_404(self.changes(), pk=pk)).data)


@extend_schema_view(
    post=extend_schema(
        operation_id="limit_changes_withdraw",
        summary="Take back a change of one's own that still waits",
        request=Withdrawal,
        responses=LimitChangeOut,
        tags=["limit changes"],
        examples=[
            OpenApiExample(
                "withdrawn", request_only=True, value={"reason": "The customer ordered elsewhere."}
            )
        ],
    )
)
class LimitChangeWithdrawal(ActsOnce, LimitChangesEndpoint):
    scopes = {"POST": "limit-changes:propose"}

    def act(self, request: Request, pk: int) -> Response:
        data = self.body(Withdrawal)
        change = get_object_or_404(self.changes(), pk=pk)
        withdraw_limit_change(change, actor=self.actor, reason=data["reason"], on=self.today(change.account))
        change = self.changes().get(pk=pk)
        return Response(LimitChangeOut(change).data)
