"""From an agency's scale to ours: 0-100, 100 the safest. A table of words, or a straight line between two ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import BadAnswer

BEST = 100


def check_scale(scale: Any) -> list[str]:
    """What is wrong with a scale of the settings: {"table": {"A": 90}} or {"from": worst, "to": best}."""
    if not isinstance(scale, dict) or set(scale) not in ({"table"}, {"from", "to"}):
        return [_('scale: {"table": {"A": 90, …}} or {"from": worst, "to": best} is wanted.')]
    if "table" in scale:
        table = scale["table"]
        if not isinstance(table, dict) or not table or not all(_is_standing(v) for v in table.values()):
            return [
                _("scale.table: each word of the agency stands for a whole number from 0 to 100, or null.")
            ]
        return []
    ends = (scale["from"], scale["to"])
    if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in ends) or ends[0] == ends[1]:
        return [_("scale: from (the worst score) and to (the best) are two different numbers.")]
    return []


def _is_standing(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BEST)


def line(value: Decimal, worst: Decimal, best: Decimal, field: str) -> int:
    """The standing of a score between its two ends, half to even; an end may be the larger number or the smaller."""
    low, high = min(worst, best), max(worst, best)
    if not low <= value <= high:
        raise BadAnswer(
            field,
            _("%(value)s is not between %(low)s and %(high)s: correct the scale")
            % {"value": value, "low": low, "high": high},
        )
    return int(((value - worst) * BEST / (best - worst)).to_integral_value())


def word(text: str, table: dict[str, int | None], field: str) -> int | None:
    """The standing a word stands for; None: the agency's word for "not rated"."""
    if text not in table:
        raise BadAnswer(
            field,
            _("%(word)s is not among the words of the scale (%(known)s): add it")
            % {"word": text[:40], "known": ", ".join(table)[:200]},
        )
    return table[text]


def describe(scale: dict[str, Any]) -> str:
    """The scale in words, for the page."""
    if "table" in scale:
        pairs = ", ".join(
            f"{name} = {'–' if value is None else value}" for name, value in scale["table"].items()
        )
        return _("By its table: %(pairs)s.") % {"pairs": pairs}
    return _("On a straight line: %(worst)s is 0 (worst), %(best)s is 100 (safest).") % {
        "worst": scale["from"],
        "best": scale["to"],
    }
