"""Exact money: integer minor units in the database, `Money` (Decimal and currency) at the edges.

SQLite computes decimals as floats, so a CHECK like `paid <= amount` on DecimalField columns refuses valid
rows. Integers of minor units (cents for EUR, yen for JPY, fils for KWD) are exact on both databases.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from creditdesk.core.wording import fixed

# ISO 4217 minor units where they are not two (list one, 2024). CLDR's digits are for display and differ.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies were added, subtracted or compared."""


def exponent(currency: str) -> int:
    """Number of decimals of the minor unit of an ISO 4217 currency."""
    return _EXPONENTS.get(currency, 2)


def unusual_exponents() -> dict[str, int]:
    """The currencies whose minor unit is not a hundredth, for SQL that must tell them apart."""
    return dict(_EXPONENTS)


def to_minor(amount: Decimal, currency: str) -> int:
    """Exact minor units of a Decimal amount.

    Raises ValueError when the amount is not finite or has more decimals than the currency's minor unit:
    rounding is a decision of the caller (see `round_minor`), never silent.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount of money")
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more decimals than {currency} has ({exponent(currency)})")
    return int(scaled)


def round_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount rounded half to even (for conversions and interest)."""
    return int(amount.scaleb(exponent(currency)).to_integral_value(rounding=ROUND_HALF_EVEN))


def to_decimal(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-exponent(currency))


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one currency. `minor` counts minor units (may be negative)."""

    minor: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal | int | str, currency: str) -> Money:
        """Money from a major-unit amount, e.g. Money.of("12.34", "EUR")."""
        try:
            return cls(to_minor(Decimal(amount), currency), currency)
        except InvalidOperation as error:
            raise ValueError(f"{amount!r} is not an amount of money") from error

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    @property
    def amount(self) -> Decimal:
        return to_decimal(self.minor, self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up: convert first")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return other <= self

    def __str__(self) -> str:
        return format_money(self)


def format_money(money: Money, *, language: str | None = None, with_currency: bool = True) -> str:
    """The amount as a person reads it, in the active (or given) language: `18,200.00 EUR`.

    The ISO code follows the number so that tables align and no symbol is ambiguous ($, kr).
    """
    text = fixed(money.amount, exponent(money.currency), language and language.split("-")[0])
    return f"{text} {money.currency}" if with_currency else text


class _MoneyAttribute:
    """Descriptor: `row.amount` reads as Money in the row's currency; int (minor), Decimal or Money may be set."""

    def __init__(self, field: MoneyField) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        data = instance.__dict__
        if self.field.attname not in data:
            # Deferred by .only()/.defer(): fetch it the way Django's own attribute does.
            instance.refresh_from_db(fields=[self.field.attname])
        raw = data[self.field.attname]
        if raw is None:
            return None
        return Money(self.field.minor_of(instance, raw), self.field.currency_of(instance))

    def __set__(self, instance: Any, value: Any) -> None:
        if isinstance(value, float):
            raise TypeError(f"{self.field.name}: money is never a float; pass Decimal, Money or minor units")
        instance.__dict__[self.field.attname] = value


class MoneyField(models.BigIntegerField):
    """Amount of money stored as integer minor units; its currency is the row's `currency_field`.

    On an instance it reads as `Money`. In querysets (filter, F, Sum, values) it is an int of minor units.
    An int set on an instance means minor units, a Decimal means major units. `currency_field` may follow
    relations ("account__currency") for rows that do not carry the currency themselves.
    """

    description = "Money in minor units"

    if TYPE_CHECKING:  # what django-stubs reads: set Money, Decimal or minor units; get Money
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def __init__(self, *args: Any, currency_field: str = "currency", **kwargs: Any) -> None:
        self.currency_field = currency_field
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.currency_field != "currency":
            kwargs["currency_field"] = self.currency_field
        return name, path, args, kwargs

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.attname, _MoneyAttribute(self))

    def currency_of(self, instance: Any) -> str:
        value: Any = instance
        for part in self.currency_field.split("__"):
            value = getattr(value, part)
        return value

    def minor_of(self, instance: Any, raw: Any) -> int:
        if isinstance(raw, Money):
            currency = self.currency_of(instance)
            if raw.currency != currency:
                raise CurrencyMismatch(f"{self.name} is in {currency}, not {raw.currency}")
            return raw.minor
        if isinstance(raw, Decimal):
            return to_minor(raw, self.currency_of(instance))
        return raw

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        raw = model_instance.__dict__[self.attname]
        return (
            raw if raw is None or hasattr(raw, "resolve_expression") else self.minor_of(model_instance, raw)
        )

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Money):
            return value.minor
        if isinstance(value, (Decimal, float)):
            raise TypeError(f"{self.name}: compare with Money or minor units, not {type(value).__name__}")
        return super().get_prep_value(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, (int, Money, Decimal)):
            return value
        try:
            return Decimal(value)
        except (InvalidOperation, TypeError) as error:
            raise ValidationError(_("Enter an amount of money.")) from error

    def clean(self, value: Any, model_instance: Any) -> Any:
        value = self.to_python(value)
        if value is None or isinstance(value, int):
            return super().clean(value, model_instance)
        try:
            minor = self.minor_of(model_instance, value)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        super().clean(minor, model_instance)
        return value

    def value_from_object(self, obj: Any) -> Any:
        money = getattr(obj, self.attname)
        return money.amount if isinstance(money, Money) else money

    def value_to_string(self, obj: Any) -> str:
        money = getattr(obj, self.attname)
        return "" if money is None else str(money.minor)

    def formfield(self, **kwargs: Any) -> Any:  # type: ignore[override]
        defaults: dict[str, Any] = {"form_class": forms.DecimalField, "max_digits": 18, "decimal_places": 4}
        defaults.update(kwargs)
        return models.Field.formfield(self, **defaults)
