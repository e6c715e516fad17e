"""Building blocks of requests and answers: strict bodies, money, parameters of an address."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from creditdesk.core.money import Money

CURRENCY = r"^[A-Z]{3}$"


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


class Text(serializers.CharField):
    """A JSON string as it was sent: no number taken for one, nothing trimmed."""

    def __init__(self, pattern: str = r"^[^\x00]*$", **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        self.validators.append(RegexValidator(pattern, _("This does not have the form it needs.")))

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Code(Text):
    """The code of a company or a segment."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[-a-zA-Z0-9_]+$", max_length=kwargs.pop("max_length", 20), **kwargs)


class Flag(serializers.BooleanField):
    """true or false, and nothing that could be meant so."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A JSON integer: 60 and 60.0 are the same number."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Contradiction(ValidationError):
    """What fits the schema and yet makes no sense: answered 422 where anything else wrong is answered 400."""

    def __init__(self, field: str, text: Any) -> None:
        super().__init__({field: [ErrorDetail(text, CONTRADICTION)]})


CONTRADICTION = "contradiction"


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


def money(value: Money | Mapping[str, Any]) -> dict[str, str]:
    """Also of an amount as it is stored with evidence: {"minor", "currency"}."""
    if isinstance(value, Mapping):
        value = Money(int(value["minor"]), value["currency"])
    return {"amount": f"{value.amount:f}", "currency": value.currency}


def money_or_none(value: Money | None) -> dict[str, str] | None:
    return None if value is None else money(value)


class Nothing(StrictSerializer):
    """An empty object."""


class MoneyIn(StrictSerializer):
    """An amount in a request, exact: more decimals than the currency has are refused, never rounded."""

    amount = Text(
        r"^[0-9]{1,12}(\.[0-9]{1,4})?$", max_length=17, help_text='In major units, as a string: "12500.00".'
    )
    currency = Text(CURRENCY, help_text="ISO 4217.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        try:
            return Money.of(Decimal(attrs["amount"]), attrs["currency"])
        except ValueError as error:
            raise Contradiction("amount", str(error)) from error


class PageQuery(StrictSerializer):
    """Parameters every list has."""

    limit = serializers.IntegerField(
        min_value=1, max_value=200, default=50, help_text="How many rows on a page."
    )
    cursor = Text(
        required=False,
        max_length=300,
        help_text="Where a page begins: taken from `next` or `previous`, as it is.",
    )
