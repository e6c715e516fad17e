"""What a signal says about an account, in one plain sentence with its figures and dates, in the reader's language.

One module per family, or for a few of them; every signal has its sentence here.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import fixed, number, percent
from scoring.signals import BY_NAME, Unit

from . import bank, bureau, evidence, payment
from .wording import Sentence

Value = float | int | None


def figure(signal: str, value: Value, more: int = 0) -> str:
    """The value with its unit, as it stands in a table. more: decimals beyond the usual ones, of what has any."""
    if value is None:
        return _("missing")
    unit = BY_NAME[signal].unit
    whole = isinstance(value, int)
    if unit == Unit.SHARE:
        return percent(value, 1 + more)
    if unit == Unit.DAYS:
        text = ngettext("%s day", "%s days", value if isinstance(value, int) else 2)
        return text % fixed(value, 0 if whole else 1 + more)
    if unit == Unit.MONTHS:
        text = ngettext("%s month", "%s months", value if isinstance(value, int) else 2)
        return text % fixed(value, 0 if whole else 1 + more)
    if unit == Unit.POINTS:
        return _("%s of 100") % fixed(value)
    if unit == Unit.FLAG:
        return _("yes") if value else _("no")
    if unit == Unit.MONEY:
        return fixed(round(value))
    if unit == Unit.NUMBER:
        return fixed(value, 2 + more)
    return fixed(value, 0 if whole else 2 + more)


def span(signal: str, lower: Decimal | None, upper: Decimal | None) -> str:
    """The values in [lower, upper) of a signal, in words, with its unit; None: unbounded."""
    if lower is None and upper is None:
        return _("any value")
    if BY_NAME[signal].unit == Unit.FLAG:
        return _("no") if lower is None else _("yes")
    if lower is None:
        # "below 0.0%" would promise less than nothing: the bin holds zero alone.
        return (
            _bound(signal, upper) if _is_hardly_any(signal, upper) else _("below %s") % _bound(signal, upper)
        )
    if upper is None:
        return (_("above %s") if _is_hardly_any(signal, lower) else _("from %s")) % _bound(signal, lower)
    if _is_hardly_any(signal, lower):
        return _("above %(low)s to below %(high)s") % {
            "low": _bound(signal, lower),
            "high": _bound(signal, upper),
        }
    return _("from %(low)s to below %(high)s") % {
        "low": _bound(signal, lower),
        "high": _bound(signal, upper),
    }


def _is_hardly_any(signal: str, bound: Decimal | None) -> bool:
    """Above zero, and zero as it is written."""
    return bool(bound) and _bound(signal, bound) == _bound(signal, Decimal(0))


def _bound(signal: str, bound: Decimal | None) -> str:
    if bound is None:
        return ""
    if BY_NAME[signal].unit == Unit.SHARE:
        return figure(signal, float(bound))
    if bound == bound.to_integral_value():
        return figure(signal, int(bound))
    return figure(signal, float(bound)) if BY_NAME[signal].is_ratio else number(bound)


SENTENCES: dict[str, Sentence] = {
    **payment.SENTENCES,
    **evidence.SENTENCES,
    **bank.SENTENCES,
    **bureau.SENTENCES,
}


def sentence(signal: str, value: Value, as_of: date, judged_on: date | None) -> str:
    """The sentence of one signal. judged_on None: the ledger has never been declared complete."""
    if value is None:
        known = BY_NAME[signal]
        return _("%(label)s: missing, %(why)s.") % {
            "label": str(known.label).capitalize(),
            "why": known.missing,
        }
    return SENTENCES[signal](value, as_of, judged_on or as_of)


__all__ = ["SENTENCES", "Value", "figure", "sentence", "span"]
