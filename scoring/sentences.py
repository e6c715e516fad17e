"""What a signal says about an account, in one plain sentence with its figures and dates, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core.wording import day, percent
from scoring.signals import BY_NAME, RECENT_DAYS, WINDOW_DAYS, Unit

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
        return _("%s months") % number_format(value, 0)
    if unit == Unit.FLAG:
        return _("yes") if value else _("no")
    return number_format(value, 0)


def _window(judged: date, length: int) -> dict[str, str]:
    return {"from": day(judged - timedelta(days=length)), "to": day(judged - timedelta(days=1))}


def _average(length: int) -> Callable[[float, date, date], str]:
    def write(value: float, _as_of: date, judged: date) -> str:
        if value == 0:
            return _("Everything that fell due from %(from)s to %(to)s was paid in time.") % _window(
                judged, length
            )
        return _("What fell due from %(from)s to %(to)s is %(days)s days late on average.") % {
            **_window(judged, length),
            "days": number_format(value, 1),
        }

    return write


def _share_later_than(days: int) -> Callable[[float, date, date], str]:
    def write(value: float, _as_of: date, judged: date) -> str:
        figures = {"share": percent(value), "days": days, **_window(judged, WINDOW_DAYS)}
        if value == 0 and days == 0:
            return _("None of the money due from %(from)s to %(to)s came late.") % figures
        if value == 0:
            return _("Nothing due from %(from)s to %(to)s came more than %(days)s days late.") % figures
        if days == 0:
            return _("%(share)s of the money due from %(from)s to %(to)s came late or is late.") % figures
        return (
            _("%(share)s of the money due from %(from)s to %(to)s came, or is, more than %(days)s days late.")
            % figures
        )

    return write


def _worst(value: float, _as_of: date, judged: date) -> str:
    if value <= 0:
        return _("Nothing that fell due from %(from)s to %(to)s was ever late.") % _window(
            judged, WINDOW_DAYS
        )
    return ngettext(
        "The worst delay in the last 12 months was %(days)s day.",
        "The worst delay in the last 12 months was %(days)s days.",
        int(value),
    ) % {"days": int(value)}


def _oldest(value: float, _as_of: date, judged: date) -> str:
    if not value:
        return _("Nothing undisputed is overdue on %s.") % day(judged)
    due = judged - timedelta(days=int(value))
    return _("The oldest overdue debt fell due on %(due)s, %(days)s days ago.") % {
        "due": day(due),
        "days": int(value),
    }


def _overdue_share(value: float, _as_of: date, judged: date) -> str:
    if not value:
        return _("Nothing of what fell due in the last 12 months is overdue on %s.") % day(judged)
    return _("%(share)s of what fell due in the last 12 months is overdue on %(on)s.") % {
        "share": percent(value),
        "on": day(judged),
    }


def _overdue60(value: float, _as_of: date, judged: date) -> str:
    if not value:
        return _("Nothing is more than 60 days overdue on %s.") % day(judged)
    return _("%(share)s of what fell due in the last 12 months is more than 60 days overdue.") % {
        "share": percent(value)
    }


def _overdue_count(value: float, _as_of: date, judged: date) -> str:
    if not value:
        return _("No instalment is overdue.")
    return ngettext("%(n)s instalment is overdue.", "%(n)s instalments are overdue.", int(value)) % {
        "n": int(value)
    }


def _broken(value: float, as_of: date, _judged: date) -> str:
    if not value:
        return _("No promise to pay was broken in the last 12 months.")
    return ngettext(
        "%(n)s promise to pay was broken since %(from)s.",
        "%(n)s promises to pay were broken since %(from)s.",
        int(value),
    ) % {"n": int(value), "from": day(as_of - timedelta(days=WINDOW_DAYS))}


def _broken_share(value: float, _as_of: date, _judged: date) -> str:
    return _("%s of the promises to pay were broken.") % percent(value, 0)


def _disputed(value: float, _as_of: date, _judged: date) -> str:
    return _("%s of a year's invoices is in dispute now.") % percent(value)


def _dispute_rate(value: float, _as_of: date, _judged: date) -> str:
    return _("There were %s disputes per 100 invoices in the last 12 months.") % number_format(value * 100, 0)


def _credits(value: float, _as_of: date, _judged: date) -> str:
    return _("%s of a year's invoices was credited.") % percent(value)


def _written_off(value: float, as_of: date, _judged: date) -> str:
    if not value:
        return _("No debt was written off in the last 24 months.")
    return _("%s of two years' invoices was written off.") % percent(value)


def _returned(value: float, _as_of: date, _judged: date) -> str:
    if not value:
        return _("No payment was returned in the last 12 months.")
    return ngettext(
        "%s payment was returned unpaid in the last 12 months.",
        "%s payments were returned unpaid in the last 12 months.",
        int(value),
    ) % int(value)


def _due_count(value: float, _as_of: date, judged: date) -> str:
    return ngettext(
        "%(n)s instalment fell due from %(from)s to %(to)s.",
        "%(n)s instalments fell due from %(from)s to %(to)s.",
        int(value),
    ) % {"n": int(value), **_window(judged, WINDOW_DAYS)}


def _relationship(value: float, _as_of: date, _judged: date) -> str:
    if value >= 24:
        return _("Customer for %s years.") % (int(value) // 12)
    return ngettext("Customer for %s month.", "Customer for %s months.", int(value)) % int(value)


def _idle(value: float, as_of: date, _judged: date) -> str:
    return _("The last invoice was issued on %s.") % day(as_of - timedelta(days=int(value)))


def _legal(value: float, _as_of: date, _judged: date) -> str:
    if not value:
        return _("No protest, lien or litigation is known.")
    return ngettext(
        "%s protest, lien or litigation was recorded in the last 24 months.",
        "%s protests, liens or litigations were recorded in the last 24 months.",
        int(value),
    ) % int(value)


def _insolvent(value: float, as_of: date, _judged: date) -> str:
    if value:
        return _("Insolvency proceedings are open on %s.") % day(as_of)
    return _("No insolvency proceedings are known.")


SENTENCES: dict[str, Callable[[float, date, date], str]] = {
    "days_late_12m": _average(WINDOW_DAYS),
    "days_late_3m": _average(RECENT_DAYS),
    "late_share_12m": _share_later_than(0),
    "late15_share_12m": _share_later_than(15),
    "late30_share_12m": _share_later_than(30),
    "max_days_late_12m": _worst,
    "oldest_overdue_days": _oldest,
    "overdue_share": _overdue_share,
    "overdue60_share": _overdue60,
    "overdue_count": _overdue_count,
    "broken_promises_12m": _broken,
    "broken_promise_share": _broken_share,
    "disputed_share": _disputed,
    "dispute_rate": _dispute_rate,
    "credit_share": _credits,
    "written_off_share": _written_off,
    "returned_payments_12m": _returned,
    "due_count_12m": _due_count,
    "relationship_months": _relationship,
    "days_since_invoice": _idle,
    "legal_marks_24m": _legal,
    "insolvent": _insolvent,
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
