"""Why an account is on the list: one cause leads, others follow. Pure rules over a `Situation`.

Each rule returns the parameters of its sentence, or None. The first one that fires leads; the order says
which story matters most. Sentences name amount, date and cause, so that no two situations read alike.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from worklists.situations import Situation
from worklists.wording import amount, day

Params = dict[str, Any]
Cause = tuple[str, Params]

BROKEN_WITHIN_DAYS = 60
RETURNED_WITHIN_DAYS = 30
DISPUTE_CLOSED_WITHIN_DAYS = 21
HABIT_FROM_DAYS = 8


def _money(minor: int, currency: str) -> Params:
    return {"minor": minor, "currency": currency}


def _insolvent(s: Situation) -> Params | None:
    if not s.insolvent:
        return None
    total = sum(item.open_minor for item in s.items if item.currency == s.currency)
    return {**_money(total, s.currency), "on": s.insolvent_on}


def _handed_over(s: Situation) -> Params | None:
    return {"on": s.handed_over_on, **_money(s.overdue, s.currency)} if s.handed_over_on else None


def _returned(s: Situation) -> Params | None:
    return {**_money(s.returned.minor, s.returned.currency), "on": s.returned.on} if s.returned else None


def _broken_promise(s: Situation) -> Params | None:
    if s.broken is None:
        return None
    return {
        **_money(s.broken.minor, s.broken.currency),
        "on": s.broken.on,
        "count": s.broken_count,
        "kept": s.broken.extra.get("kept", 0),
    }


def _undelivered(s: Situation) -> Params | None:
    """The last reminder did not reach anybody."""
    return {"on": s.undelivered_on, **_money(s.overdue, s.currency)} if s.undelivered_on else None


def _unapplied(s: Situation) -> Params | None:
    """Money of this customer lies unapplied and covers at least half of what is asked for."""
    cash = s.unapplied
    asked = sum(item.collectable for item in s.chased if cash and item.currency == cash.currency)
    if cash is None or not asked or cash.minor * 2 < asked:
        return None
    return {**_money(cash.minor, cash.currency), "on": cash.on}


def _group_trouble(s: Situation) -> Params | None:
    """Another company of the group is insolvent, or several of them are more than 30 days late together."""
    group = s.group
    if group is None or not (group.get("insolvent") or group["late"] >= 2):
        return None
    return group


def _sudden_change(s: Situation) -> Params | None:
    """Paid in time for a long while, and now at least two items are weeks late."""
    b = s.behaviour
    if b.before_count < 5 or b.before_mean > 5 or s.days < 15:
        return None
    late = [item for item in s.chased if item.due_on <= s.judged_on - timedelta(days=10)]
    if len(late) < 2:
        return None
    return {"count": len(s.chased), "days": s.days, "since": s.oldest.due_on, **_money(s.overdue, s.currency)}


def _dispute_closed(s: Situation) -> Params | None:
    closed = s.dispute_closed
    if closed is None or (closed.currency == s.currency and closed.minor * 5 < s.overdue):
        return None
    return {
        **_money(min(closed.minor, s.overdue), closed.currency),
        "on": closed.on,
        "outcome": closed.extra["outcome"],
    }


def _growing(s: Situation) -> Params | None:
    """Older than 60 days, and more is overdue than a month ago."""
    if s.days <= 60 or s.overdue <= s.overdue_before or s.overdue_before == 0:
        return None
    return {"days": s.days, "before": s.overdue_before, **_money(s.overdue, s.currency)}


def _limit_exceeded(s: Situation) -> Params | None:
    if s.limit is None or s.exposure is None or s.exposure <= s.limit * 105 // 100:
        return None
    return {"over": s.exposure - s.limit, "limit": s.limit, "currency": s.currency}


def _new_large(s: Situation) -> Params | None:
    """One item that has just fallen due makes up most of it, and is large for this customer."""
    item = s.largest
    age = (s.judged_on - item.due_on).days
    total = sum(row.collectable for row in s.chased if row.currency == item.currency)
    if age > 7 or item.collectable * 10 < total * 6 or not s.typical_item:
        return None
    if item.open_minor * 2 < s.typical_item * 3:
        return None
    return {"number": item.number, "on": item.due_on, **_money(item.collectable, item.currency)}


def _seasonal(s: Situation) -> Params | None:
    """Late at this time of last year too, and in time during the rest."""
    b = s.behaviour
    if b.season_count < 2 or b.rest_count < 5 or b.season_mean < 15 or b.rest_mean > 8:
        return None
    return {"days": round(b.season_mean), "rest": round(b.rest_mean), **_money(s.overdue, s.currency)}


def _habit(s: Situation) -> Params | None:
    """Always late by about the same number of days, and not yet later than usual."""
    b = s.behaviour
    if b.year_count < 5 or b.year_mean < HABIT_FROM_DAYS or b.year_spread > max(10.0, b.year_mean * 0.5):
        return None
    usual = round(b.year_mean)
    if s.days > usual + max(3, min(round(b.year_spread), 7)):
        return None
    expected = max(s.oldest.due_on + timedelta(days=usual), s.as_of + timedelta(days=1))
    return {"days": usual, "now": s.days, "expected": expected, **_money(s.overdue, s.currency)}


def _beyond_habit(s: Situation) -> Params | None:
    b = s.behaviour
    if b.year_count < 5 or b.year_mean < HABIT_FROM_DAYS or b.year_spread > max(10.0, b.year_mean * 0.5):
        return None
    return {"days": round(b.year_mean), "now": s.days, **_money(s.overdue, s.currency)}


def _part_disputed(s: Situation) -> Params | None:
    disputed = sum(
        min(item.disputed, item.open_minor) for item in s.items if item.currency == s.items[0].currency
    )
    if not disputed or not s.chased:
        return None
    rest = sum(item.collectable for item in s.chased if item.currency == s.items[0].currency)
    return {
        "disputed": disputed,
        "rest": rest,
        "currency": s.items[0].currency,
        "reason": s.disputed_reason,
    }


def _first_late(s: Situation) -> Params | None:
    b = s.behaviour
    if b.paid_ever < 3 or b.late_ever or s.days > 30:
        return None
    return {
        "paid": b.paid_ever,
        "number": s.oldest.number,
        "days": s.days,
        **_money(s.oldest.collectable, s.oldest.currency),
    }


def _promise_today(s: Situation) -> Params | None:
    if s.promise_today is None:
        return None
    return {**_money(s.promise_today.minor, s.promise_today.currency), "on": s.promise_today.on}


def _never_paid(s: Situation) -> Params | None:
    """Nothing was ever paid by this customer."""
    if s.behaviour.paid_ever or s.days < 10:
        return None
    return {"days": s.days, "number": s.oldest.number, **_money(s.overdue, s.currency)}


def _silent(s: Situation) -> Params | None:
    """No payment at all for two months, though money is overdue."""
    last = s.behaviour.last_payment_on
    if last is None or s.days < 30 or (s.judged_on - last).days < 60:
        return None
    return {"on": last, "days": s.days, **_money(s.overdue, s.currency)}


def _overdue(s: Situation) -> Params | None:
    item = s.oldest
    return {
        "count": len(s.chased) or len(s.items),
        "days": s.days,
        "number": item.number,
        "due": item.due_on,
        **_money(s.overdue, s.currency),
    }


RULES: tuple[tuple[str, Callable[[Situation], Params | None]], ...] = (
    ("insolvent", _insolvent),
    ("handed_over", _handed_over),
    ("returned_payment", _returned),
    ("undelivered", _undelivered),
    ("unapplied_cash", _unapplied),
    ("broken_promise", _broken_promise),
    ("group_trouble", _group_trouble),
    ("sudden_change", _sudden_change),
    ("dispute_closed", _dispute_closed),
    ("growing", _growing),
    ("new_large", _new_large),
    ("seasonal", _seasonal),
    ("habit", _habit),
    ("part_disputed", _part_disputed),
    ("beyond_habit", _beyond_habit),
    ("first_late", _first_late),
    ("never_paid", _never_paid),
    ("silent", _silent),
    ("limit_exceeded", _limit_exceeded),
    ("overdue", _overdue),
)
# Said beside a leading cause only when they add something.
COMPANIONS = {"limit_exceeded", "part_disputed", "growing", "silent", "broken_promise", "returned_payment"}


def causes_of(situation: Situation) -> list[Cause]:
    """The leading cause, then what else is worth knowing."""
    if not situation.is_legal and not situation.collectable_minor:
        promised = _promise_today(situation)
        if promised is not None:
            return [("promise_today", promised)]
    found = [(code, params) for code, rule in RULES if (params := rule(situation)) is not None]
    return [found[0], *(cause for cause in found[1:] if cause[0] in COMPANIONS)][:4]


def say_cause(code: str, params: Params) -> str:
    """The cause in the reader's language; `params` as stored (dates may be ISO text)."""
    p = dict(params)
    sentence = _SENTENCES[code](p)
    return sentence


def _a(p: Params, key: str = "minor") -> str:
    return amount(p[key], p["currency"])


def _say_broken(p: Params) -> str:
    values = {"amount": _a(p), "day": day(p["on"]), "count": p["count"]}
    if p.get("kept"):
        return _("promise of %(amount)s for %(day)s kept only in part (%(kept)s came)") % {
            **values,
            "kept": _a(p, "kept"),
        }
    if p["count"] > 1:
        return (
            _("broken promise of %(amount)s for %(day)s, number %(count)s that was broken in a year") % values
        )
    return _("broken promise of %(amount)s for %(day)s") % values


def _say_group(p: Params) -> str:
    if p.get("insolvent"):
        return _("%(sister)s of the same group (%(group)s) is insolvent; %(amount)s late in the group") % {
            "sister": p["insolvent"],
            "group": p["name"],
            "amount": _a(p),
        }
    return _("group %(group)s in trouble: %(late)s of its companies late together, %(amount)s in all") % {
        "group": p["name"],
        "late": p["late"],
        "amount": _a(p),
    }


def _say_sudden(p: Params) -> str:
    text = ngettext(
        "always paid in time until %(day)s; now %(count)s invoice late, the oldest by %(days)s days",
        "always paid in time until %(day)s; now %(count)s invoices late, the oldest by %(days)s days",
        p["count"],
    )
    return text % {"day": day(p["since"]), "count": p["count"], "days": p["days"]}


def _say_dispute_closed(p: Params) -> str:
    from customers.models import Dispute

    return _("dispute over %(amount)s closed on %(day)s (%(outcome)s): the money is due again") % {
        "amount": _a(p),
        "day": day(p["on"]),
        "outcome": Dispute.Outcome(p["outcome"]).label,
    }


def _say_part_disputed(p: Params) -> str:
    from customers.models import Dispute

    reason = f" ({Dispute.Reason(p['reason']).label})" if p.get("reason") else ""
    return _("%(disputed)s in dispute%(reason)s, the other %(rest)s is undisputed and overdue") % {
        "disputed": _a(p, "disputed"),
        "reason": reason,
        "rest": _a(p, "rest"),
    }


def _say_overdue(p: Params) -> str:
    text = ngettext(
        "%(count)s invoice overdue: %(number)s since %(day)s",
        "%(count)s invoices overdue, the oldest (%(number)s) since %(day)s",
        p["count"],
    )
    return text % {"count": p["count"], "number": p["number"], "day": day(p["due"])}


def _say_insolvent(p: Params) -> str:
    if p.get("on"):
        return _("insolvency proceedings opened on %(day)s; claim of %(amount)s") % {
            "day": day(p["on"], year=True),
            "amount": _a(p),
        }
    return _("insolvent; claim of %(amount)s") % {"amount": _a(p)}


_SENTENCES: dict[str, Callable[[Params], str]] = {
    "insolvent": _say_insolvent,
    "handed_over": lambda p: (
        _("handed over on %(day)s: %(amount)s is with the lawyer or agency")
        % {"day": day(p["on"], year=True), "amount": _a(p)}
    ),
    "returned_payment": lambda p: (
        _("payment of %(amount)s came back on %(day)s") % {"amount": _a(p), "day": day(p["on"])}
    ),
    "undelivered": lambda p: (
        _("the reminder of %(day)s over %(amount)s could not be delivered")
        % {"day": day(p["on"]), "amount": _a(p)}
    ),
    "unapplied_cash": lambda p: (
        _("%(amount)s received on %(day)s is not applied yet: it may be this very debt")
        % {"amount": _a(p), "day": day(p["on"])}
    ),
    "broken_promise": _say_broken,
    "group_trouble": _say_group,
    "sudden_change": _say_sudden,
    "dispute_closed": _say_dispute_closed,
    "growing": lambda p: (
        _("older than 60 days and growing: %(before)s a month ago, %(amount)s today")
        % {"before": _a(p, "before"), "amount": _a(p)}
    ),
    "limit_exceeded": lambda p: (
        _("%(over)s above the limit of %(limit)s") % {"over": _a(p, "over"), "limit": _a(p, "limit")}
    ),
    "new_large": lambda p: (
        _("large new item: %(number)s of %(amount)s fell due on %(day)s")
        % {"number": p["number"], "amount": _a(p), "day": day(p["on"])}
    ),
    "seasonal": lambda p: (
        _("seasonal: paid about %(days)s days late at this time last year too, in time otherwise")
        % {"days": p["days"]}
    ),
    "habit": lambda p: (
        _("always pays about %(days)s days late, now at day %(now)s: expected around %(day)s")
        % {"days": p["days"], "now": p["now"], "day": day(p["expected"])}
    ),
    "beyond_habit": lambda p: (
        _("usually %(days)s days late, but this time %(now)s already") % {"days": p["days"], "now": p["now"]}
    ),
    "part_disputed": _say_part_disputed,
    "first_late": lambda p: (
        _("late for the first time after %(paid)s payments: %(number)s, %(amount)s")
        % {"paid": p["paid"], "number": p["number"], "amount": _a(p)}
    ),
    "promise_today": lambda p: _("promise of %(amount)s falls due today") % {"amount": _a(p)},
    "never_paid": lambda p: (
        _("new customer who has not paid anything yet; %(number)s is %(days)s days late")
        % {"number": p["number"], "days": p["days"]}
    ),
    "silent": lambda p: (
        _("no payment since %(day)s, oldest %(days)s days overdue") % {"day": day(p["on"]), "days": p["days"]}
    ),
    "overdue": _say_overdue,
}
