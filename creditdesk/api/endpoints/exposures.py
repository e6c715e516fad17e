from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.fields import Code, MoneyOut, PageQuery, StrictSerializer, Text
from creditdesk.api.problems import Problem
from creditdesk.api.schema import list_of
from creditdesk.api.views import Endpoint
from customers.bindings import Binds, Total
from customers.exposure import MINUS, PLUS, Exposure, exposures
from customers.limits import Limit, headroom, limits_at
from customers.models import CreditAccount
from customers.totals import binding_at

PARTS = (*PLUS, *MINUS)


class PartsOut(serializers.Serializer):
    """Each zero or more; total = the first four less the last two."""

    open_invoices = MoneyOut()
    unbilled_deliveries = MoneyOut()
    open_orders = MoneyOut(help_text="Expected within the horizon.")
    instruments = MoneyOut(help_text="Bills and the like, tendered and not yet safe.")
    unapplied_cash = MoneyOut()
    open_credits = MoneyOut()


class ExposureOut(serializers.Serializer):
    """What an account owes and may owe on a day, in its currency."""

    account = serializers.IntegerField()
    customer = serializers.CharField(help_text="Customer number.")
    company = serializers.CharField()
    segment = serializers.CharField()
    as_of = serializers.DateField()
    currency = serializers.CharField()
    parts = PartsOut()
    total = MoneyOut()
    cover = MoneyOut(help_text="What insurance, guarantees and deposits bear.")
    at_risk = MoneyOut(help_text="Total less cover.")
    overdue = MoneyOut()
    oldest_days_past_due = serializers.IntegerField()
    limit = MoneyOut(allow_null=True, help_text="In force on the day; null: never decided.")
    limit_until = serializers.DateField(
        allow_null=True, help_text="Last day of a temporary limit that is in force."
    )
    headroom = MoneyOut(allow_null=True, help_text="Limit less total; negative when over it.")


class TotalOut(serializers.Serializer):
    """One total over our companies, in the account's currency."""

    customer = serializers.CharField(
        help_text="Number of the customer, or of the group head a ceiling was set for."
    )
    limit = MoneyOut(allow_null=True, help_text="What may be owed together; null: no limit was decided.")
    exposure = MoneyOut()
    headroom = MoneyOut(allow_null=True)
    accounts = serializers.IntegerField(help_text="How many accounts count.")


class ExposureDetailOut(ExposureOut):
    """With the totals over our companies that bind it, too."""

    binds = serializers.ChoiceField(
        Binds.choices, help_text="company: its own limit; total: that over our companies; both: the tighter."
    )
    totals = TotalOut(
        many=True, allow_null=True, help_text="null: accounts outside what the key may see count in them."
    )


class DayQuery(StrictSerializer):
    as_of = serializers.DateField(required=False, help_text="Business date; today when left out.")

    def validate_as_of(self, value: date) -> date:
        if value > self.context["view"].today():
            raise Problem(422, "future", _("The future is not known: today at the latest."))
        return value


class ExposureQuery(DayQuery, PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    company = Code(required=False)


class ExposuresEndpoint(Endpoint):
    scopes = {"GET": "exposures:read"}

    def rows(self) -> QuerySet[CreditAccount]:
        return self.accounts().select_related("customer", "company", "segment").order_by()

    def represent(self, accounts: list[CreditAccount], as_of: date | None) -> Any:
        """Exposure, limit and headroom of accounts, in a constant number of queries for each date that it is for our
        companies; at a date asked for, the same for all."""
        days = {account.pk: as_of or self.today(account) for account in accounts}
        found: dict[int, Exposure] = {}
        limits: dict[int, Limit] = {}
        for day in set(days.values()):
            here = [account for account in accounts if days[account.pk] == day]
            found |= exposures(here, day)
            limits |= limits_at(here, day)
        answers = []
        for account in accounts:
            exposure, limit = found[account.pk], limits[account.pk]
            answers.append(
                {
                    "account": account.pk,
                    "customer": account.customer.code,
                    "company": account.company.code,
                    "segment": account.segment.code,
                    "as_of": days[account.pk],
                    "currency": account.currency,
                    "parts": {name: getattr(exposure, name) for name in PARTS},
                    "total": exposure.total,
                    "cover": exposure.cover,
                    "at_risk": exposure.at_risk,
                    "overdue": exposure.overdue,
                    "oldest_days_past_due": exposure.oldest_days_past_due,
                    "limit": limit.in_force,
                    "limit_until": limit.temporary_until if limit.is_temporary else None,
                    "headroom": headroom(limit, exposure),
                }
            )
        return ExposureOut(answers, many=True).data


class ExposureList(ExposuresEndpoint):
    @extend_schema(
        operation_id="exposures_list",
        summary="Exposure, limit and headroom per credit account, at any date",
        parameters=[ExposureQuery],
        responses=list_of(ExposureOut),
        tags=["exposures"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(ExposureQuery)
        rows = self.rows()
        if "customer" in query:
            rows = rows.filter(customer__code=query["customer"])
        if "company" in query:
            rows = rows.filter(company__code=query["company"])
        return self.page(rows, lambda found: self.represent(found, query.get("as_of")))


class ExposureDetail(ExposuresEndpoint):
    @extend_schema(
        operation_id="exposures_get",
        summary="Exposure of one credit account",
        parameters=[DayQuery],
        responses=ExposureDetailOut,
        tags=["exposures"],
    )
    def get(self, request: Request, pk: int) -> Response:
        query = self.query(DayQuery)
        account = get_object_or_404(self.rows(), pk=pk)
        day = query.get("as_of") or self.today(account)
        found = binding_at(account, day, seen=self.accounts())
        totals = None if found.totals is None else [self.total(total) for total in found.totals]
        more = {
            "binds": found.bound.binds,
            "totals": None if totals is None else TotalOut(totals, many=True).data,
        }
        return Response({**self.represent([account], day)[0], **more})

    def total(self, total: Total) -> dict[str, Any]:
        return {
            "customer": total.scope.customer.code,
            "limit": total.limit,
            "exposure": total.exposure,
            "headroom": total.room,
            "accounts": total.accounts,
        }
