from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from creditdesk.api.authentication import check_scope
from creditdesk.api.fields import (
    MoneyIn,
    MoneyOut,
    Nothing,
    PageQuery,
    StrictSerializer,
    Text,
    Whole,
    money,
    money_or_none,
)
from creditdesk.api.models import ApiKey
from creditdesk.api.problems import Problem
from creditdesk.api.references import AccountReference
from creditdesk.api.schema import list_of
from creditdesk.api.views import ActsOnce, Endpoint
from customers.access import sight_of
from customers.checks import CheckRequest, CheckResult, as_seen, ask_check, result_of
from customers.models import CheckPoint, CreditAccount, Customer, Reservation
from customers.reservations import DEFAULT_MINUTES, ReservationError, release_reservation, reserve
from scoring.checks.sentences import explain_check, message

LONGEST_MINUTES = 31 * 24 * 60


class ReserveIn(StrictSerializer):
    reference = Text(
        r"^[^\x00]*[^\x00\s][^\x00]*$",
        max_length=120,
        help_text="What the client calls the order. The same order under the same reference is reserved once.",
    )
    minutes = Whole(
        default=DEFAULT_MINUTES,
        min_value=1,
        max_value=LONGEST_MINUTES,
        help_text="After them it lapses by itself.",
    )


class CheckIn(AccountReference):
    amount = MoneyIn(help_text="The whole amount of the business.")
    point = serializers.ChoiceField(CheckPoint.choices, default=CheckPoint.ORDER)
    orderer = Text(
        required=False, max_length=40, help_text="Customer number of who orders, where another pays."
    )
    expected_on = serializers.DateField(
        required=False, help_text="Delivery day; beyond the horizon an order takes no headroom yet."
    )
    product_line = Text(
        required=False,
        max_length=40,
        help_text="Of the order: it may count less far ahead than others of its segment.",
    )
    reserve = ReserveIn(
        required=False,
        help_text="Hold the headroom if the check passes; at the point `order` only. Needs the scope "
        "`reservations:make` too.",
    )


class FailureOut(serializers.Serializer):
    """One rule that fails."""

    rule = serializers.CharField()
    level = serializers.CharField(help_text="payer, orderer, total (all our companies together) or group.")
    stops = serializers.BooleanField(help_text="false: it only warns.")
    reason = serializers.CharField(help_text="For a salesperson, in the language the client accepts.")
    cure = serializers.CharField(help_text="What would cure it.")
    ask = serializers.CharField(help_text="Whom to ask.")
    missing = MoneyOut(allow_null=True)


class ReservationOut(serializers.Serializer):
    id = serializers.UUIDField()
    account = serializers.IntegerField()
    customer = serializers.CharField(help_text="Customer number of who pays.")
    reference = serializers.CharField()
    amount = MoneyOut()
    product_line = serializers.CharField()
    status = serializers.ChoiceField(
        Reservation.Status.choices, help_text="expired: from `expires_at` on it holds nothing."
    )
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    order_number = serializers.CharField(help_text="Of the order it became; else empty.")


class LimitOut(serializers.Serializer):
    """One limit that was looked at, in its own currency."""

    level = serializers.CharField(help_text="payer, total (all our companies together) or group.")
    customer = serializers.CharField(help_text="Name of whose limit it is.")
    binds = serializers.BooleanField(help_text="false: another limit binds in its place.")
    limit = MoneyOut(allow_null=True)
    exposure = MoneyOut(
        allow_null=True,
        help_text="Before this business. null, as every amount of the limit: accounts outside what the key may see "
        "count in it.",
    )
    reserved = MoneyOut(allow_null=True)
    headroom = MoneyOut(allow_null=True)


class CheckOut(serializers.Serializer):
    """Whether the business may be taken on, and every rule that fails. Amounts in the paying account's currency."""

    passes = serializers.BooleanField()
    message = serializers.CharField(help_text="For a salesperson, in the language the client accepts.")
    account = serializers.IntegerField()
    customer = serializers.CharField(help_text="Customer number of who pays.")
    point = serializers.ChoiceField(CheckPoint.choices)
    as_of = serializers.DateField()
    amount = MoneyOut()
    limit = MoneyOut(allow_null=True)
    tolerance = MoneyOut()
    exposure = MoneyOut(help_text="Before this business.")
    reserved = MoneyOut(help_text="Held for other business.")
    headroom = MoneyOut(allow_null=True, help_text="Limit and tolerance less exposure and reservations.")
    missing = MoneyOut(allow_null=True, help_text="The most that is missing at any level.")
    fits = MoneyOut(
        allow_null=True,
        help_text="How much would pass now; null: nothing bounds it, or a limit whose amounts are withheld.",
    )
    blocking_level = serializers.CharField(help_text="payer, orderer, total or group; empty when it passes.")
    bound_by = serializers.CharField(
        help_text="Level of the limit that leaves least room; empty: there is none."
    )
    limits = LimitOut(many=True, help_text="Every limit that was looked at: the payer's first.")
    horizon_days = serializers.IntegerField(
        help_text="Orders delivered later than this take no headroom yet."
    )
    beyond_horizon = serializers.BooleanField(help_text="true: so does this one.")
    failures = FailureOut(many=True)
    reservation = ReservationOut(allow_null=True)


def reservation_answer(row: Reservation) -> dict[str, Any]:
    """What ReservationOut describes. The sweep that marks lapsed rows may be minutes late: the clock is not."""
    lapsed = row.status == Reservation.Status.ACTIVE and row.expires_at <= timezone.now()
    return {
        "id": str(row.public_id),
        "account": row.account_id,
        "customer": row.account.customer.code,
        "reference": row.reference,
        "amount": money(row.amount),
        "product_line": row.product_line,
        "status": Reservation.Status.EXPIRED.value if lapsed else row.status,
        "made_at": row.made_at,
        "expires_at": row.expires_at,
        "closed_at": row.closed_at,
        "order_number": row.order_number,
    }


def check_answer(account: CreditAccount, result: CheckResult, row: Reservation | None) -> dict[str, Any]:
    """What CheckOut describes."""
    return {
        "passes": result.passes,
        "message": message(result),
        "account": account.pk,
        "customer": account.customer.code,
        "point": result.point,
        "as_of": result.as_of,
        "amount": money(result.amount),
        "limit": money_or_none(result.limit),
        "tolerance": money(result.tolerance),
        "exposure": money(result.exposure),
        "reserved": money(result.reserved),
        "headroom": money_or_none(result.headroom),
        "missing": money_or_none(result.missing),
        "fits": money_or_none(result.fits),
        "blocking_level": result.blocking_level,
        "bound_by": result.tightest.level if result.tightest else "",
        "limits": [
            {
                "level": room.level,
                "customer": room.customer,
                "binds": room.binds,
                "limit": money_or_none(room.limit),
                "exposure": None if room.withheld else money(room.owed),
                "reserved": None if room.withheld else money(room.reserved),
                "headroom": money_or_none(room.free),
            }
            for room in result.rooms
        ],
        "horizon_days": result.horizon_days,
        "beyond_horizon": result.beyond_horizon,
        "failures": [
            {
                "rule": failure.rule,
                "level": failure.level,
                "stops": failure.stops,
                "reason": failure.reason,
                "cure": failure.cure,
                "ask": failure.ask,
                "missing": money_or_none(failure.missing),
            }
            for failure in explain_check(result)
        ],
        "reservation": None if row is None else reservation_answer(row),
    }


@extend_schema_view(
    post=extend_schema(
        operation_id="credit_checks_run",
        summary="Check credit for an order, a delivery or an invoice, and hold the headroom",
        description="An answer either way: `passes` says which. With `reserve`, two orders never both get the last "
        "headroom; what does not pass is not reserved.",
        request=CheckIn,
        responses=CheckOut,
        tags=["credit checks"],
        examples=[
            OpenApiExample(
                "an order",
                request_only=True,
                value={
                    "customer": "C-1001",
                    "amount": {"amount": "1200.00", "currency": "EUR"},
                    "expected_on": "2026-12-15",
                },
            ),
            OpenApiExample(
                "an order, and hold it",
                request_only=True,
                value={
                    "customer": "C-1002",
                    "amount": {"amount": "950.00", "currency": "EUR"},
                    "reserve": {"reference": "SO-2026-4711", "minutes": 30},
                },
            ),
        ],
    )
)
class CreditCheck(ActsOnce, Endpoint):
    scopes = {"POST": "credit-checks:run"}

    def act(self, request: Request) -> Response:
        data = self.body(CheckIn)
        asked = data.get("reserve")
        if asked:
            check_scope(request, "reservations:make")
            if data["point"] != CheckPoint.ORDER:
                raise Problem(
                    422,
                    "reserve_only_orders",
                    _("Headroom is reserved for orders: leave out `point` or `reserve`."),
                )
        if data["amount"].minor <= 0:
            raise Problem(422, "amount_not_positive", _("Ask for an amount above zero."))
        account = self.account_of(data)
        orderer, row = self._orderer(data.get("orderer")), None
        today, now = self.today(account), timezone.now()
        if asked:
            try:
                row = reserve(
                    account,
                    data["amount"],
                    reference=asked["reference"],
                    actor=self.actor,
                    as_of=today,
                    at=now,
                    minutes=asked["minutes"],
                    orderer=orderer,
                    expected_on=data.get("expected_on"),
                    product_line=data.get("product_line", ""),
                )
                result = result_of(row.check_result, account.pk)
            except ReservationError as error:
                if error.result is None:
                    raise self._refusal(error) from error
                result = error.result
        else:
            result = ask_check(
                CheckRequest(
                    account,
                    data["amount"],
                    data["point"],
                    today,
                    now,
                    orderer=orderer,
                    expected_on=data.get("expected_on"),
                    product_line=data.get("product_line", ""),
                )
            )
        key: ApiKey = request.auth  # type: ignore[assignment]
        seen = as_seen(result, sight_of(request.user, key.company_id))
        return Response(check_answer(account, seen, row))

    def _refusal(self, error: ReservationError) -> Problem:
        """Of a reservation on an account the key may not see nothing is told but that its reference is taken."""
        row = error.reservation
        if row is None or self.accounts().filter(pk=row.account_id).exists():
            return refusal_of(error)
        return Problem(409, f"reservation_{error.code}", _("This reference is taken: choose another one."))

    def _orderer(self, number: str | None) -> Customer | None:
        return None if number is None else self.customer_named(number)


def refusal_of(error: ReservationError) -> Problem:
    where = {"reservation": str(error.reservation.public_id)} if error.reservation is not None else {}
    return Problem(409, f"reservation_{error.code}", str(error), **where)


class ReservationQuery(PageQuery):
    customer = Text(required=False, max_length=40, help_text="Exactly this customer number.")
    reference = Text(required=False, max_length=120, help_text="Exactly this reference.")


class ReservationsEndpoint(Endpoint):
    scopes = {"GET": "reservations:make", "POST": "reservations:make"}
    ordering = "-pk"

    def reservations(self) -> QuerySet[Reservation]:
        return Reservation.objects.filter(self.scope("account__")).select_related("account__customer")


class ReservationList(ReservationsEndpoint):
    @extend_schema(
        operation_id="reservations_list",
        summary="Reservations, newest first",
        parameters=[ReservationQuery],
        responses=list_of(ReservationOut),
        tags=["credit checks"],
    )
    def get(self, request: Request) -> Response:
        query = self.query(ReservationQuery)
        rows = self.reservations()
        if "customer" in query:
            rows = rows.filter(account__customer__code=query["customer"])
        if "reference" in query:
            rows = rows.filter(reference=query["reference"])
        return self.page(rows, lambda found: [reservation_answer(row) for row in found])


class ReservationDetail(ReservationsEndpoint):
    @extend_schema(
        operation_id="reservations_get",
        summary="One reservation",
        responses=ReservationOut,
        tags=["credit checks"],
    )
    def get(self, request: Request, public_id: Any) -> Response:
        return Response(reservation_answer(get_object_or_404(self.reservations(), public_id=public_id)))


@extend_schema_view(
    post=extend_schema(
        operation_id="reservations_release",
        summary="Give reserved headroom back",
        description="One that was released or has lapsed stays as it is; one that became an order is refused.",
        request={"application/json": {"type": "object", "additionalProperties": False}},
        responses=ReservationOut,
        tags=["credit checks"],
        examples=[OpenApiExample("released", request_only=True, value={})],
    )
)
class ReservationRelease(ActsOnce, ReservationsEndpoint):
    scopes = {"POST": "reservations:make"}

    def act(self, request: Request, public_id: Any) -> Response:
        self.body(Nothing)
        row = get_object_or_404(self.reservations(), public_id=public_id)
        try:
            release_reservation(row, actor=self.actor, on=self.today(), at=timezone.now())
        except ReservationError as error:
            raise refusal_of(error) from error
        return Response(reservation_answer(self.reservations().get(pk=row.pk)))
