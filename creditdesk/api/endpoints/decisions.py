from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import MoneyIn, MoneyOut, PageQuery, Text, Whole, money, money_or_none
from creditdesk.api.problems import Problem, decision_code
from creditdesk.api.references import AccountReference
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from creditdesk.core.compiled import asked_for
from customers.days import last_date
from customers.models import Cover
from scoring.bank_right import NOTHING_ENDED, Ended, Reader, ended_among
from scoring.decision_reasons import reasons_of
from scoring.decisions import DecisionError, decide
from scoring.models import Decision, Recommendation, Scorecard


class VersionOut(serializers.Serializer):
    code = serializers.CharField(allow_null=True, help_text="null: it has no name of its own.")
    version = serializers.IntegerField()


class ReasonOut(serializers.Serializer):
    code = serializers.CharField(help_text="For programs; stays the same in every language.")
    text = serializers.CharField(help_text="For people, in the language the client accepts.")
    signal = serializers.CharField(help_text="Name of the signal, where it is one; else empty.")
    points = serializers.IntegerField(allow_null=True, help_text="What the signal gives to the score.")


class GuaranteesOut(serializers.Serializer):
    percent = serializers.IntegerField(help_text="Share of the limit that is to be guaranteed.")
    amount = MoneyOut()
    held = MoneyOut(help_text="What is on file already.")
    kinds = serializers.ListField(child=serializers.ChoiceField(Cover.Kind.choices))


class DecisionOut(serializers.Serializer):
    """An answer to what an account may owe, on which terms, and why. Kept as it was given; it moves no limit."""

    id = serializers.UUIDField(help_text="Quote it: it finds the decision with everything it stood on.")
    account = serializers.IntegerField()
    customer = serializers.CharField(help_text="Customer number.")
    company = serializers.CharField()
    segment = serializers.CharField()
    as_of = serializers.DateField()
    decided_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(
        Recommendation.choices, help_text="review: a named person decides; ask again for `settled_by`."
    )
    advised = serializers.ChoiceField(Recommendation.choices, help_text="What the rules alone would say.")
    score = serializers.IntegerField(allow_null=True, min_value=0, max_value=100, help_text="100 is safest.")
    grade = serializers.CharField(allow_null=True)
    pd = serializers.CharField(allow_null=True, help_text="Probability of default within 12 months.")
    pd_is = serializers.ChoiceField(
        Scorecard.Calibration.choices,
        allow_null=True,
        help_text="What it stands on: uncalibrated (expert odds), level (level fitted to outcomes) or fitted.",
    )
    depth = serializers.CharField(allow_null=True, help_text="Payment history: none, thin or full.")
    scored_as_of = serializers.DateField(allow_null=True)
    asked = MoneyOut(allow_null=True, help_text="What was asked for.")
    current_limit = MoneyOut(allow_null=True)
    limit = MoneyOut(allow_null=True, help_text="null: a person decides, or the need is not known.")
    terms_days = serializers.IntegerField(allow_null=True, help_text="Days to pay.")
    guarantees = GuaranteesOut(allow_null=True, help_text="Asked for where the outcome is guarantees.")
    reasons = ReasonOut(many=True, help_text="In the order in which they counted.")
    scorecard = VersionOut(allow_null=True)
    limit_policy = VersionOut(allow_null=True)
    terms_policy = VersionOut(allow_null=True)
    decided_by = serializers.ChoiceField(Decision.By.choices)
    settled_by = serializers.UUIDField(allow_null=True, help_text="The decision a person took on this one.")


class DecisionQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    outcome = serializers.ChoiceField(Recommendation.choices, required=False)


class DecisionIn(AccountReference):
    amount = MoneyIn(
        required=False,
        help_text="What is asked for, in the account's currency; left out: whatever the rules allow.",
    )
    terms_days = Whole(
        required=False, min_value=0, max_value=365, help_text="Days to pay that are asked for."
    )


class DecisionsEndpoint(Endpoint):
    scopes = {"GET": "decisions:read", "POST": "decisions:make"}
    ordering = "-pk"

    def decisions(self) -> QuerySet[Decision]:
        return self.in_full().filter(self.scope("account__"))

    def made(self, pk: int) -> Decision:
        (decision,) = asked_for(
            "a decision made", lambda ids, _day: self.in_full().filter(pk__in=ids), [pk], self.today()
        )
        return decision

    def in_full(self) -> QuerySet[Decision]:
        """With all that an answer tells in one query; of the kept score only the day it was judged on."""
        related = (
            *("account__customer__code", "account__company__code", "account__segment__code"),
            *(
                "card__code",
                "card__version",
                "card__calibration",
                "limit_policy__version",
                "terms_policy__version",
            ),
            *("kept__judged_on", "answer__public_id"),
        )
        own = [
            field.name for field in Decision._meta.concrete_fields if field.name not in ("inputs", "advice")
        ]
        return Decision.objects.select_related(
            *("account__customer", "account__company", "account__segment"),
            *("card", "limit_policy", "terms_policy", "kept", "answer"),
        ).only(*own, *related)

    def represent(self, decisions: list[Decision]) -> list[dict[str, Any]]:
        ended = ended_among(self.request.user, [one.account.customer for one in decisions], last_date())
        return [
            answer_of(one, self.request.user, ended.get(one.account.customer_id, NOTHING_ENDED))
            for one in decisions
        ]


def answer_of(decision: Decision, reader: Reader, ended: Ended) -> dict[str, Any]:
    """What DecisionOut describes, written by hand: the serializer would take as long as the decision's rules.

    ended: what is withheld from the reader, as its legal basis or the consent has ended."""
    account, guarantees = decision.account, decision.guarantees
    settled = getattr(decision, "answer", None)
    return {
        "id": str(decision.public_id),
        "account": account.pk,
        "customer": account.customer.code,
        "company": account.company.code,
        "segment": account.segment.code,
        "as_of": decision.as_of,
        "decided_at": decision.decided_at,
        "outcome": decision.outcome,
        "advised": decision.advised,
        "score": decision.score,
        "grade": decision.grade or None,
        "pd": None if decision.pd is None else str(decision.pd),
        "pd_is": decision.card.calibration if decision.pd is not None and decision.card else None,
        "depth": decision.depth or None,
        "scored_as_of": decision.scored_as_of,
        "asked": money_or_none(decision.requested),
        "current_limit": money_or_none(decision.current),
        "limit": money_or_none(decision.limit),
        "terms_days": decision.terms_days,
        "guarantees": {
            "percent": guarantees["percent"],
            "amount": money(guarantees["amount"]),
            "held": money(guarantees["held"]),
            "kinds": guarantees["kinds"],
        }
        if guarantees
        else None,
        "reasons": [
            {"code": r.code, "text": r.text, "signal": r.signal, "points": r.points}
            for r in reasons_of(decision, reader, ended=ended)
        ],
        "scorecard": _version(decision.card, "code"),
        "limit_policy": _version(decision.limit_policy),
        "terms_policy": _version(decision.terms_policy),
        "decided_by": decision.by_kind,
        "settled_by": str(settled.public_id) if settled is not None else None,
    }


def _version(row: Any, code: str = "") -> dict[str, Any] | None:
    return None if row is None else {"code": getattr(row, code) if code else None, "version": row.version}


@extend_schema_view(
    post=extend_schema(
        operation_id="decisions_make",
        summary="Decide what an account may owe, from stored data",
        description="Score, probability of default, limit, terms and reasons in one answer, kept under its id. "
        "Where only a person may say it, the outcome is review.",
        request=DecisionIn,
        responses={201: DecisionOut},
        tags=["decisions"],
        examples=[
            OpenApiExample(
                "is this order too much",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "amount": {"amount": "15000.00", "currency": "EUR"},
                    "terms_days": 60,
                },
            ),
            OpenApiExample("whatever the rules allow", request_only=True, value={"customer": "C-1002"}),
        ],
    )
)
class DecisionList(ActsOnce, DecisionsEndpoint):
    @extend_schema(
        operation_id="decisions_list",
        summary="Decisions, newest first",
        parameters=[DecisionQuery],
        responses=list_of(DecisionOut),
        tags=["decisions"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(DecisionQuery)
        rows = self.decisions()
        if "customer" in query:
            rows = rows.filter(account__customer__code=query["customer"])
        if "outcome" in query:
            rows = rows.filter(outcome=query["outcome"])
        return self.page(rows, self.represent)

    def act(self, request: Request) -> Response:
        data = self.body(DecisionIn)
        account = self.account_of(data)
        try:
            made = decide(
                account,
                self.today(account),
                asked_by=self.actor,
                requested=data.get("amount"),
                terms_days=data.get("terms_days"),
            )
        except DecisionError as error:
            raise Problem(422, decision_code(error), str(error)) from error
        (answer,) = self.represent([self.made(made.pk)])
        where = reverse("api:decision", args=[made.public_id])
        return Response(answer, status=201, headers={"Location": where})


class DecisionDetail(DecisionsEndpoint):
    @extend_schema(
        operation_id="decisions_get", summary="One decision", responses=DecisionOut, tags=["decisions"]
    )
    def get(self, request: Request, public_id: Any) -> Response:
        return Response(self.represent([get_object_or_404(self.decisions(), public_id=public_id)])[0])
