"""Sentences of payment behaviour."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import day, fixed, percent
from scoring.signals import RECENT_DAYS, WINDOW_DAYS

from .wording import Sentence, counted, one_decimal, share_of


def _window(judged: date, length: int) -> dict[str, str]:
    return {"from": day(judged - timedelta(days=length)), "to": day(judged - timedelta(days=1))}


def _average(length: int) -> Sentence:
    def write(value: float, _as_of: date, judged: date) -> str:
        if value == 0:
            return _("Everything that fell due from %(from)s to %(to)s was paid in time.") % _window(
                judged, length
            )
        return _("What fell due from %(from)s to %(to)s is %(days)s days late on average.") % {
            **_window(judged, length),
            "days": fixed(value, 1),
        }

    return write


def _share_later_than(days: int) -> Sentence:
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
    # Counted to the judged day, which is not always today: the page beside it counts to today.
    return ngettext(
        "The oldest overdue debt fell due on %(due)s, %(days)s day before %(on)s.",
        "The oldest overdue debt fell due on %(due)s, %(days)s days before %(on)s.",
        int(value),
    ) % {"due": day(due), "days": int(value), "on": day(judged)}


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


def _beyond_terms(value: float, _as_of: date, judged: date) -> str:
    figures = {"days": fixed(abs(value), 1), **_window(judged, WINDOW_DAYS)}
    if value < 0:
        return (
            _("What fell due from %(from)s to %(to)s was paid %(days)s days before terms on average.")
            % figures
        )
    return _("What fell due from %(from)s to %(to)s is %(days)s days beyond terms on average.") % figures


def _punctual(value: float, _as_of: date, judged: date) -> str:
    return _("%(share)s of the invoices due from %(from)s to %(to)s were settled in time.") % {
        "share": percent(value, 0),
        **_window(judged, WINDOW_DAYS),
    }


def _late_count(days: int) -> Sentence:
    def write(value: float, _as_of: date, judged: date) -> str:
        figures = {"n": int(value), "days": days, **_window(judged, WINDOW_DAYS)}
        if days == 0:
            return (
                ngettext(
                    "%(n)s invoice due from %(from)s to %(to)s came late or is late.",
                    "%(n)s invoices due from %(from)s to %(to)s came late or are late.",
                    int(value),
                )
                % figures
            )
        return (
            ngettext(
                "%(n)s invoice due from %(from)s to %(to)s came, or is, more than %(days)s days late.",
                "%(n)s invoices due from %(from)s to %(to)s came, or are, more than %(days)s days late.",
                int(value),
            )
            % figures
        )

    return write


def _judged_count(value: float, _as_of: date, judged: date) -> str:
    return ngettext(
        "The delay of %(n)s invoice due from %(from)s to %(to)s is known.",
        "The delay of %(n)s invoices due from %(from)s to %(to)s is known.",
        int(value),
    ) % {"n": int(value), **_window(judged, WINDOW_DAYS)}


def _largest(value: float, _as_of: date, _judged: date) -> str:
    if not value:
        return _("The largest invoice of the last 12 months was paid in time.")
    return ngettext(
        "The largest invoice of the last 12 months was, or is, %s day late.",
        "The largest invoice of the last 12 months was, or is, %s days late.",
        int(value),
    ) % int(value)


def _trend(value: float, _as_of: date, _judged: date) -> str:
    figure = fixed(abs(value), 1)
    if value > 0:
        return _("Of late it pays %s days later than in the nine months before.") % figure
    if value < 0:
        return _("Of late it pays %s days earlier than in the nine months before.") % figure
    return _("It pays as it did in the nine months before.")


def _overdue_past(days: int) -> Sentence:
    def write(value: float, _as_of: date, judged: date) -> str:
        if not value:
            return _("Nothing is more than %(days)s days overdue on %(on)s.") % {
                "days": days,
                "on": day(judged),
            }
        return _("%(share)s of what fell due in the last 12 months is more than %(days)s days overdue.") % {
            "share": percent(value),
            "days": days,
        }

    return write


def _paid(value: float, as_of: date, _judged: date) -> str:
    return _("The last payment came on %s.") % day(as_of - timedelta(days=int(value)))


SENTENCES: dict[str, Sentence] = {
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
    "written_off_share": _written_off,
    "returned_payments_12m": _returned,
    "due_count_12m": _due_count,
    "days_beyond_terms_12m": _beyond_terms,
    "punctual_share_12m": _punctual,
    "late_count_12m": _late_count(0),
    "late15_count_12m": _late_count(15),
    "late30_count_12m": _late_count(30),
    "late60_count_12m": _late_count(60),
    "judged_count_12m": _judged_count,
    "largest_days_late_12m": _largest,
    "days_late_sd_12m": one_decimal(
        gettext_noop("The delays of its invoices spread by %s days around their average.")
    ),
    "days_late_trend": _trend,
    "rolled_30_share": share_of(gettext_noop("%s of its late invoices were more than 30 days late.")),
    "rolled_60_share": share_of(
        gettext_noop("%s of those more than 30 days late were more than 60 days late.")
    ),
    "receipts_per_invoice_12m": one_decimal(gettext_noop("It pays an invoice in %s payments on average.")),
    "part_paid_overdue_count": counted(
        gettext_noop("No overdue invoice was paid in part only."),
        gettext_noop("Overdue invoices paid in part only: %s."),
    ),
    "overdue30_share": _overdue_past(30),
    "overdue90_share": _overdue_past(90),
    "overdue_age_days": one_decimal(gettext_noop("Its overdue debt is %s days past due on average.")),
    "unapplied_share": share_of(gettext_noop("Payments not yet applied cover %s of the overdue debt.")),
    "days_since_payment": _paid,
}
