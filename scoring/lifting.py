"""What would lift a score, said in plain sentences with their figures (the figures: scoring/counterfactual.py)."""

from __future__ import annotations

from decimal import ROUND_CEILING

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import day
from customers.models import Instalment
from scoring.counterfactual import BetterBin, IfPaid, WouldLift
from scoring.sentences import figure
from scoring.signals import Family, Unit

BINS_SHOWN = 5
NUMBERS_SHOWN = 6


def sentences(found: WouldLift) -> list[str]:
    """What paying does, the least that reaches a better grade first."""
    told = []
    if found.insolvent:
        told.append(_("While insolvency proceedings are open the grade stays E, whatever is paid."))
    if found.next_grade:
        told.append(_some_paid(found.next_grade, found))
    if found.all_paid:
        told.append(_all_paid(found.all_paid, found))
    if found.on_time:
        told.append(_on_time(found.on_time, besides=found.all_paid is not None))
    return told


def bin_sentences(found: WouldLift) -> list[str]:
    """Up to five better bins, the one worth most first; last, what nobody lifts by paying us is said to be so."""
    bins = found.better_bins[:BINS_SHOWN]
    told = [_better(one) for one in bins]
    if any(one.item.signal.family == Family.BUREAU for one in bins):
        told.append(
            _(
                "What credit agencies say does not move when we are paid: the customer can have an agency correct what is "
                "wrong, or publish its accounts."
            )
        )
    return told


def _some_paid(paid: IfPaid, found: WouldLift) -> str:
    if _in_parts(paid):
        text = ngettext(
            "Paying the oldest overdue instalment, %(amount)s (%(numbers)s), today %(effect)s.",
            "Paying the %(n)s oldest overdue instalments, %(amount)s (%(numbers)s), today %(effect)s.",
            len(paid.instalments),
        )
    else:
        text = ngettext(
            "Paying the oldest overdue invoice, %(amount)s (%(numbers)s), today %(effect)s.",
            "Paying the %(n)s oldest overdue invoices, %(amount)s (%(numbers)s), today %(effect)s.",
            len(paid.instalments),
        )
    return text % _figures(paid, found)


def _all_paid(paid: IfPaid, found: WouldLift) -> str:
    if _in_parts(paid):
        text = ngettext(
            "Paying everything overdue, %(amount)s on %(n)s instalment (%(numbers)s), today %(effect)s.",
            "Paying everything overdue, %(amount)s on %(n)s instalments (%(numbers)s), today %(effect)s.",
            len(paid.instalments),
        )
    else:
        text = ngettext(
            "Paying everything overdue, %(amount)s on %(n)s invoice (%(numbers)s), today %(effect)s.",
            "Paying everything overdue, %(amount)s on %(n)s invoices (%(numbers)s), today %(effect)s.",
            len(paid.instalments),
        )
    return text % _figures(paid, found)


def _figures(paid: IfPaid, found: WouldLift) -> dict[str, object]:
    return {
        "n": len(paid.instalments),
        "amount": paid.amount,
        "numbers": _listed([_name(instalment) for instalment in paid.instalments]),
        "effect": _effect(paid, found),
    }


def _in_parts(paid: IfPaid) -> bool:
    """Some are later instalments of an invoice: counting them as invoices would be wrong."""
    return any(instalment.number > 1 for instalment in paid.instalments)


def _name(instalment: Instalment) -> str:
    """As the list of invoices names it: the document, and which instalment after the first."""
    number = instalment.invoice.number
    return f"{number} / {instalment.number}" if instalment.number > 1 else number


def _effect(paid: IfPaid, found: WouldLift) -> str:
    figures = {"from": found.score, "to": paid.score, "grade": paid.grade}
    if paid.score == found.score:
        return _("leaves the score at %(to)s, grade %(grade)s") % figures
    if paid.score < found.score:
        return _("takes the score from %(from)s to %(to)s, grade %(grade)s") % figures
    if paid.grade == found.grade:
        return _("lifts the score from %(from)s to %(to)s, still grade %(grade)s") % figures
    return _("lifts the score from %(from)s to %(to)s, grade %(grade)s") % figures


def _on_time(paid: IfPaid, *, besides: bool) -> str:
    figures = {"score": paid.score, "grade": paid.grade, "day": day(paid.day)}
    if besides:
        return (
            _(
                "If everything else that is open is then paid on its due day too, the score is %(score)s (%(grade)s) "
                "on %(day)s."
            )
            % figures
        )
    return (
        _("If everything open comes on its due day, the score is %(score)s (%(grade)s) on %(day)s.") % figures
    )


def _listed(numbers: list[str]) -> str:
    rest = len(numbers) - NUMBERS_SHOWN
    if rest <= 0:
        return ", ".join(numbers)
    more = ngettext("%(n)s more", "%(n)s more", rest) % {"n": rest}
    return ", ".join([*numbers[:NUMBERS_SHOWN], more])


def _better(one: BetterBin) -> str:
    item = one.item
    figures = {"label": capfirst(item.label), "now": item.figure, "points": one.points}
    below = _("%(label)s: below %(bound)s instead of %(now)s (+%(points)s).")
    at_most = _("%(label)s: at most %(bound)s instead of %(now)s (+%(points)s).")
    at_least = _("%(label)s: at least %(bound)s instead of %(now)s (+%(points)s).")
    if item.signal.unit == Unit.FLAG:
        figures["bound"] = _("no") if one.below else _("yes")
        return _("%(label)s: %(bound)s instead of %(now)s (+%(points)s).") % figures
    if isinstance(item.value, int):
        # Whole numbers: "at most 5" reads better than "below 6", and a bound like 5.5 means the same.
        least = int(one.bound.to_integral_value(ROUND_CEILING))
        figures["bound"] = figure(item.name, least - 1 if one.below else least)
        return (at_most if one.below else at_least) % figures
    bound = float(one.bound)
    figures["bound"] = figure(item.name, int(bound) if bound.is_integer() else bound)
    for more in range(4):  # "below 10.0% instead of 10.0%" says nothing
        figures["now"] = figure(item.name, item.value, more)
        if figures["now"] != figure(item.name, bound, more):
            break
    if one.below and figures["bound"] == figure(item.name, 0.0):  # a bin that holds nothing but zero
        below = at_most
    return (below if one.below else at_least) % figures
