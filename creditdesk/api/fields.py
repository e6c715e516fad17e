"""Building blocks of requests and answers: strict bodies, money, parameters of an address."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from creditdesk.core.money import Money

CURRENCY = r"^[A-Z]{3}$"
# What a column of minor units holds (MoneyField), whatever the currency's decimals.
LARGEST = Decimal("999999999999.99")


class StrictSerializer(serializers.Serializer):
    """Refuses fields it does not know: a misspelled one would otherwise be left out without a word."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                raise ValidationError(
                    {name: [ErrorDetail(_("There is no such field."), "unknown")] for name in unknown}
                )
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "amount": {
                "type": "string",
                "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
                "description": "In major units, with as many decimals as the currency has.",
            },
            "currency": {"type": "string", "pattern": CURRENCY, "description": "ISO 4217."},
        },
        "required": ["amount", "currency"],
        "example": {"amount": "12500.00", "currency": "EUR"},
    }
)
class MoneyOut(serializers.Field):
    """An amount in an answer: never a JSON number, which many readers take for a float."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Money) -> dict[str, str]:
        return money(value)


def money(value: Money) -> dict[str, str]:
    return {"amount": f"{value.amount:f}", "currency": value.currency}


class MoneyIn(StrictSerializer):
    """An amount in a request, exact: more decimals than the currency has are refused, never rounded."""

    amount = serializers.RegexField(
        r"^[0-9]{1,12}(\.[0-9]{1,4})?$", max_length=17, help_text='In major units, as a string: "12500.00".'
    )
    currency = serializers.RegexField(CURRENCY, help_text="ISO 4217.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        amount = Decimal(attrs["amount"])
        if amount > LARGEST:
            raise ValidationError({"amount": _("No book holds such an amount.")})
        try:
            return Money.of(amount, attrs["currency"])
        except ValueError as error:
            raise ValidationError({"amount": str(error)}) from error


class PageQuery(StrictSerializer):
    """Parameters every list has."""

    limit = serializers.IntegerField(
        min_value=1, max_value=200, default=50, help_text="How many rows on a page."
    )
    cursor = serializers.CharField(
        required=False,
        max_length=300,
        help_text="Where a page begins: taken from `next` or `previous`, as it is.",
    )
