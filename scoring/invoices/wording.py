"""What each line of an invoice's estimate says, in one plain sentence with its figures, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
from babel.dates import get_day_names
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from creditdesk.core.wording import day, fixed, locale, percent
from scoring.invoices.features import BOOK_LIVES, BOOK_LONG, BOOK_NOW, FEATURES
from scoring.invoices.ledger import ELECTRONIC, PAPER, UNKNOWN
from scoring.invoices.points import AT_ISSUE, BASE, BOUND, LEVEL, STILL_UNPAID, THIN
from scoring.invoices.told import Told, event

LABELS = {feature.code: feature.label for feature in FEATURES}


def sentence(code: str, told: Told) -> str:
    """The sentence of one line; the label alone for a feature of cards stored long ago."""
    writer = _SENTENCES.get(code)
    return writer(told) if writer else capfirst(str(LABELS.get(code, code)))


def label(code: str) -> str:
    """What a line is about, as it stands in a table."""
    fixed_labels = {
        BASE: _("the portfolio"),
        THIN: _("short record"),
        LEVEL: _("moved with the book"),
        AT_ISSUE: _("the card of the day of issue"),
        BOUND: _("bounds"),
        STILL_UNPAID: _("still unpaid"),
    }
    return str(fixed_labels.get(code) or LABELS.get(code, code))


def _days(value: float) -> str:
    """A delay in words: 3.5 days late, 2 days early, on the due day."""
    shown = fixed(abs(value), 1)
    if round(abs(value), 1) == 0:
        return _("on the due day")
    return _("%s days late") % shown if value > 0 else _("%s days early") % shown


def _base(told: Told) -> str:
    return _(
        "Of all invoices the card learned from, %(share)s were paid %(event)s: where every invoice starts."
    ) % {
        "share": percent(told.priors.rate),
        "event": event(told.target.days),
    }


def _late_share(told: Told) -> str:
    count, share = told.rate(None)
    if round(count) < 1:
        return _("None of its invoices has been decided yet.")
    return ngettext(
        "Of its %(n)s invoice decided by then %(late)s was or is %(event)s (%(share)s; in the portfolio %(usual)s).",
        "Of its %(n)s invoices decided by then %(late)s were or are %(event)s (%(share)s; in the portfolio %(usual)s).",
        round(count),
    ) % {
        "n": round(count),
        "late": round(count * share),
        "event": event(told.target.days),
        "share": percent(share),
        "usual": percent(told.priors.rate),
    }


def _weighted_share(half_life: float, text: str) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        count, share = told.rate(half_life)
        if count < 0.05:
            return _("None of its invoices was decided lately.")
        return _(text) % {"share": percent(share), "event": event(told.target.days)}

    return write


def _delay(half_life: float | None, text: str) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        count, days = told.delay(half_life)
        if count < 0.05:
            return _("It has no payments to average over that time.")
        return _(text) % {"days": _days(days), "usual": _days(told.priors.delay.mean)}

    return write


def _days_late(told: Told) -> str:
    paid, late, _took = (float(x[0]) for x in told.history.payments(told.seen))
    if not paid:
        return _("It has paid no invoice yet.")
    return _(
        "It paid %(days)s days late on average, early payment counting as on time (portfolio %(usual)s)."
    ) % {
        "days": fixed(late / paid, 1),
        "usual": fixed(told.priors.days_late.mean, 1),
    }


def _pace(told: Told) -> str:
    paid, _late, took = (float(x[0]) for x in told.history.payments(told.seen))
    if not paid:
        return _("It has paid no invoice yet.")
    return _("It usually takes %(took)s days from invoice to payment; this invoice allows %(terms)s.") % {
        "took": fixed(took / paid, 0),
        "terms": told.terms,
    }


def _overdue_now(told: Told) -> str:
    count = round(told.number(told.history.standing, 1))
    if not count:
        return _("None of its other invoices was overdue on %s.") % day(told.on)
    return ngettext(
        "%(n)s other invoice of it was overdue on %(on)s.",
        "%(n)s other invoices of it were overdue on %(on)s.",
        count,
    ) % {"n": count, "on": day(told.on)}


def _overdue_days(told: Told) -> str:
    days = round(told.number(told.history.standing, 2))
    return ngettext(
        "Its other overdue invoices were %(n)s day overdue together.",
        "Its other overdue invoices were %(n)s days overdue together.",
        days,
    ) % {"n": fixed(days)}


def _disputes(told: Told) -> str:
    issued, disputed = (round(float(x[0])) for x in told.history.disputes(told.seen))
    return _("%(disputed)s of its %(n)s other invoices were disputed at some time.") % {
        "disputed": disputed,
        "n": issued,
    }


def _open_now(told: Told) -> str:
    count = round(told.number(told.history.standing, 0))
    return (
        ngettext(
            "%s other invoice of it is open and not yet due.",
            "%s other invoices of it are open and not yet due.",
            count,
        )
        % count
    )


def _terms(told: Told) -> str:
    return _("This invoice allows %(days)s days; invoices here allow %(usual)s on average.") % {
        "days": told.terms,
        "usual": fixed(told.priors.terms, 0),
    }


def _money(told: Told, value: float) -> str:
    return f"{fixed(value)} {told.currency}"


def _amount(told: Told) -> str:
    size = float(told.history.ledger.amount[told.seen.place[0]])
    usual = told.priors.sizes.get(told.currency, told.priors.size)
    return _("It is over %(amount)s; invoices here are usually about %(usual)s.") % {
        "amount": _money(told, size),
        "usual": _money(told, float(np.exp(usual))),
    }


def _amount_usual(told: Told) -> str:
    count, total = (float(x[0]) for x in told.history.sizes(told.seen))
    if not round(count):
        return _("It is the first invoice of this customer.")
    size = float(told.history.ledger.amount[told.seen.place[0]])
    return _("It is over %(amount)s; this customer's other invoices are usually about %(usual)s.") % {
        "amount": _money(told, size),
        "usual": _money(told, float(np.exp(total / count))),
    }


def _weekday(told: Told) -> str:
    due = date.fromordinal(int(told.history.ledger.due[told.seen.place[0]]))
    names = get_day_names("wide", locale=locale())
    return _("It fell or falls due on a %(weekday)s, %(day)s.") % {
        "weekday": names[due.weekday()],
        "day": day(due),
    }


def _month(told: Told) -> str:
    due = date.fromordinal(int(told.history.ledger.due[told.seen.place[0]]))
    parts = (
        _("It fell or falls due in the first third of the month, on %s."),
        _("It fell or falls due in the middle of the month, on %s."),
        _("It fell or falls due at the end of the month, on %s."),
    )
    return parts[int(told.history.kinds("month")[told.seen.place[0]])] % day(due)


def _like(kind: str, text: str, none: str) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        counts = [told.history.alike(kind, days, above, told.seen) for days, above, _r in told.priors.steps]
        decided, happened = float(counts[0][0][0]), float(counts[-1][1][0])
        if round(decided) < 1:
            return _(none)
        return _(text) % {
            "n": round(decided),
            "late": round(happened),
            "event": event(told.target.days),
            "share": percent(told.rate(None)[1]),
        }

    return write


def _channel(told: Told) -> str:
    """How this invoice was sent, how those of the record were, and what that does here."""
    days, above, _r = told.priors.steps[0]
    known, electronic = (round(float(x[0])) for x in told.history.sent(days, above, None, told.seen))
    sent = int(told.history.ledger.channel[told.seen.place[0]])
    if sent == UNKNOWN:
        return _("Nobody said how it was sent: it counts as invoices here are sent on average.")
    if not known:
        text = {
            ELECTRONIC: _("It was sent electronically; how the invoices of its record were is not known."),
            PAPER: _("It was sent on paper; how the invoices of its record were is not known."),
        }[sent]
    else:
        text = {
            ELECTRONIC: _(
                "It was sent electronically; of the %(n)s invoices of its record %(electronic)s were."
            ),
            PAPER: _(
                "It was sent on paper; of the %(n)s invoices of its record %(electronic)s were sent electronically."
            ),
        }[sent] % {"n": known, "electronic": electronic}
    effect = told.priors.channel.effect if told.priors.channel else 0.0
    if not effect:
        return str(text)
    what = (
        _("The same customer pays electronic ones late less often here.")
        if effect < 0
        else _("The same customer pays electronic ones late more often here.")
    )
    return f"{text} {what}"


def _book(half_life: float) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        first, above, _r = told.priors.steps[0]
        count, happened = (float(x[0]) for x in told.history.book(first, above, half_life, told.seen))
        share = happened / count if count > 1e-6 else 0.0
        return _("Of all invoices of these weeks %(share)s were paid late (in training %(usual)s).") % {
            "share": percent(share),
            "usual": percent(told.priors.book.rate),
        }

    return write


def _others(half_life: float, text: str) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        _count, share = told.rate(half_life, others=True)
        return _(text) % {"share": percent(share), "usual": percent(told.priors.book.rate)}

    return write


def _others_days(half_life: float, text: str) -> Callable[[Told], str]:
    def write(told: Told) -> str:
        _count, days = told.delay(half_life, others=True)
        return _(text) % {"days": _days(days), "usual": _days(told.priors.delay.mean)}

    return write


def _thin(told: Told) -> str:
    return _(
        "Fewer than four of its invoices are decided: they move the chance at most to its own record, never past it."
    )


def _level(told: Told) -> str:
    return _(
        "How other customers have paid lately against what the card had said of them: it moves with the book."
    )


def _issue_view(told: Told) -> str:
    return _(
        "Seen from the day of issue, %(share)s of such invoices that become late are %(event)s: half of the weight."
    ) % {"share": percent(told.left), "event": event(told.target.days)}


def _bound(told: Told) -> str:
    if told.target.scaled_from is not None or not told.target.fitted:
        return _("Too few such invoices to fit: derived from the nearer chance.")
    return _("A chance is kept away from certainty and never above that of a smaller delay.")


def _still_unpaid(told: Told) -> str:
    return _("It was still unpaid at the end of %s: payments by then are ruled out.") % day(told.on)


_SHORT, _MIDDLE, _LONG = BOOK_LIVES
_SENTENCES: dict[str, Callable[[Told], str]] = {
    BASE: _base,
    THIN: _thin,
    LEVEL: _level,
    AT_ISSUE: _issue_view,
    BOUND: _bound,
    STILL_UNPAID: _still_unpaid,
    "late_share": _late_share,
    "late_share_180": _weighted_share(
        180.0,
        gettext_noop("Weighted to the last half year, %(share)s of its invoices were or are %(event)s."),
    ),
    "late_share_45": _weighted_share(
        45.0, gettext_noop("Weighted to the last weeks, %(share)s of its invoices were or are %(event)s.")
    ),
    "delay": _delay(
        None, gettext_noop("It pays on average %(days)s, over its whole record (portfolio: %(usual)s).")
    ),
    "delay_180": _delay(
        180.0, gettext_noop("Weighted to the last half year it pays %(days)s (portfolio: %(usual)s).")
    ),
    "delay_45": _delay(
        45.0, gettext_noop("Weighted to the last weeks it pays %(days)s (portfolio: %(usual)s).")
    ),
    "days_late": _days_late,
    "pace": _pace,
    "overdue_now": _overdue_now,
    "overdue_days": _overdue_days,
    "disputes": _disputes,
    "open_now": _open_now,
    "terms": _terms,
    "amount": _amount,
    "amount_usual": _amount_usual,
    "weekday": _weekday,
    "month": _month,
    "like_month": _like(
        "month",
        gettext_noop(
            "Of its %(n)s decided invoices due in this part of the month %(late)s were %(event)s; of all of its invoices "
            "%(share)s."
        ),
        gettext_noop("None of its invoices due in this part of the month has been decided yet."),
    ),
    "like_size": _like(
        "size",
        gettext_noop(
            "Of its %(n)s decided invoices as large as this one, against its usual one, %(late)s were %(event)s; of all of its "
            "invoices %(share)s."
        ),
        gettext_noop("None of its invoices as large as this one has been decided yet."),
    ),
    "channel": _channel,
    "book": _book(BOOK_NOW),
    "book_trend": _book(BOOK_LONG),
    "others_20": _others(
        _SHORT,
        gettext_noop(
            "Other customers paid %(share)s of their invoices late in these weeks (in training %(usual)s)."
        ),
    ),
    "others_45": _others(
        _MIDDLE,
        gettext_noop(
            "Other customers paid %(share)s of their invoices late in these months (in training %(usual)s)."
        ),
    ),
    "others_180": _others(
        _LONG,
        gettext_noop(
            "Other customers paid %(share)s of their invoices late this year (in training %(usual)s)."
        ),
    ),
    "others_days_20": _others_days(
        _SHORT,
        gettext_noop("Other customers paid %(days)s on average in these weeks (in training %(usual)s)."),
    ),
    "others_days_45": _others_days(
        _MIDDLE,
        gettext_noop("Other customers paid %(days)s on average in these months (in training %(usual)s)."),
    ),
    "others_days_180": _others_days(
        _LONG, gettext_noop("Other customers paid %(days)s on average this year (in training %(usual)s).")
    ),
}
