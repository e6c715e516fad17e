"""What a signal says about an account, in one plain sentence with its figures and dates, in the reader's language.

One module per family, or for a few of them; every signal has its sentence here.
"""

from __future__ import annotations

from datetime import date

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from creditdesk.core.wording import percent
from scoring.signals import BY_NAME, Unit

from . import bank, bureau, evidence, payment
from .wording import Sentence

Value = float | int | None


def figure(signal: str, value: Value) -> str:
    """The value with its unit, as it stands in a table."""
    if value is None:
        return _("missing")
    unit = BY_NAME[signal].unit
    if unit == Unit.SHARE:
        return percent(value)
    if unit == Unit.DAYS:
        return _("%s days") % number_format(value, 0 if isinstance(value, int) else 1)
    if unit == Unit.MONTHS:
        return _("%s months") % number_format(value, 0 if isinstance(value, int) else 1)
    if unit == Unit.POINTS:
        return _("%s of 100") % number_format(value, 0)
    if unit == Unit.FLAG:
        return _("yes") if value else _("no")
    if unit == Unit.MONEY:
        return number_format(round(value), 0, force_grouping=True)
    if unit == Unit.NUMBER:
        return number_format(value, 2)
    return number_format(value, 0 if isinstance(value, int) else 2)


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


__all__ = ["SENTENCES", "Value", "figure", "sentence"]
