"""Who defaulted, when and why: the event behind the 12-month PD (DESIGN.md, 'Score'), set-based at any view.

An account is in default while one of these holds:
  residue     what is undisputed, open and more than 90 days past due, less the account's unapplied cash, is
              above the materiality threshold (per account and currency, integers of minor units)
  written_off a debt was given up (small differences aside, and what was taken back the same day), for a year
              from that day or until it was taken back
  insolvency  proceedings are open, the customer was struck off, or its status says insolvent

Episodes are computed once for a whole ledger; who was already in default at a date, and whose first default
lies in a window, are questions to them. Nothing is judged beyond the day the company's ledger is complete to.
An item that vanished from a snapshot counts as open only until the last day it was seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import Q

from creditdesk.core.facts import CURRENT, View
from customers.completeness import complete_through_all
from customers.models import CreditAccount, Instalment
from scoring.dialect import Dialect, dialect
from scoring.fitting.materiality import Materiality
from scoring.statement import DISPUTE_OPEN, WHERE_SEEN, Scope, view_name

DAYS_PAST_DUE = 90
PROBATION_DAYS = 365
"""How long a write-off keeps an account in default, when nothing of it comes back."""


class Cause(StrEnum):
    RESIDUE = "residue"
    WRITTEN_OFF = "written_off"
    INSOLVENCY = "insolvency"


@dataclass(frozen=True, slots=True)
class Episode:
    """One stay in default, [began_on, ended_on); ended_on None: still there as far as the ledger goes.

    amount: residue on the first day, or the sum written off, in minor units of `currency`; 0 for an insolvency.
    """

    account_id: int
    cause: Cause
    began_on: date
    ended_on: date | None
    currency: str = ""
    amount: int = 0

    def covers(self, day: date) -> bool:
        return self.began_on <= day and (self.ended_on is None or day < self.ended_on)


@dataclass(frozen=True, slots=True)
class Default:
    """The first default of an account in a window."""

    account_id: int
    on: date
    cause: Cause
    currency: str = ""
    amount: int = 0


@dataclass(frozen=True)
class Episodes:
    """Every default of some accounts up to a day, and the day each account's ledger can be judged to."""

    by_account: dict[int, list[Episode]]
    judged_to: dict[int, date | None]

    def already_in(self, as_of: date) -> set[int]:
        """Accounts in default on the day itself: they are no part of the population to predict."""
        return {pk for pk, some in self.by_account.items() if any(e.covers(as_of) for e in some)}

    def between(self, as_of: date, until: date) -> dict[int, Default]:
        """The first default after `as_of` and by `until` of every account not in default at `as_of`."""
        found: dict[int, Default] = {}
        for pk, some in self.by_account.items():
            if any(e.covers(as_of) for e in some):
                continue
            later = [e for e in some if as_of < e.began_on <= until]
            if later:
                first = min(later, key=lambda e: (e.began_on, e.cause))
                found[pk] = Default(pk, first.began_on, first.cause, first.currency, first.amount)
        return found

    def complete_for(self, until: date) -> set[int]:
        """Accounts whose ledger is complete through `until`: only for them does "no default" mean anything."""
        return {pk for pk, day in self.judged_to.items() if day is not None and day >= until}


def defaults_between(
    as_of: date,
    until: date,
    view: View = CURRENT,
    *,
    scope: Scope | None = None,
    materiality: Materiality | None = None,
    using: str = "default",
) -> dict[int, Default]:
    """The first default in (as_of, until] of each account not in default at `as_of`. See `default_episodes`."""
    episodes = default_episodes(until, view, scope=scope, materiality=materiality, using=using)
    return episodes.between(as_of, until)


def default_episodes(
    until: date,
    view: View = CURRENT,
    *,
    scope: Scope | None = None,
    materiality: Materiality | None = None,
    using: str = "default",
) -> Episodes:
    """Every default episode that began by `until`, in five queries whatever the number of accounts.

    `view` chooses the knowledge: labels of a fit made on D use View(known_at=D). Raises MissingRate when a
    currency has neither a threshold of its own nor a rate.
    """
    scope = scope or Scope.everyone()
    rows = CreditAccount.objects.using(using).filter(accounts_of(scope, "pk")).order_by("pk")
    companies = dict(rows.values_list("pk", "company_id"))
    complete = complete_through_all(recorded_by=view.recorded_by)
    judged_to = {pk: _judged_to(complete.get(company), view) for pk, company in companies.items()}
    found: dict[int, list[Episode]] = defaultdict(list)
    if companies:
        limits = (materiality or Materiality.from_settings()).of(_currencies(using), until)
        for episode in _all(until, view, scope, limits, using):
            last = judged_to.get(episode.account_id)
            # An insolvency is a fact of its own; what hangs on the ledger is judged as far as that is complete.
            if episode.cause == Cause.INSOLVENCY or (last is not None and episode.began_on <= last):
                found[episode.account_id].append(episode)
    return Episodes(dict(found), judged_to)


def accounts_of(scope: Scope, field: str) -> Q:
    """The accounts of a scope as a condition on `field`."""
    if scope.shape == "range":
        return Q(**{f"{field}__gte": scope.low, f"{field}__lte": scope.high})
    return Q() if scope.shape == "all" else Q(**{f"{field}__in": scope.ids})


def _judged_to(complete: date | None, view: View) -> date | None:
    """What came in after the view's day is not known in it, so what is missing then proves nothing."""
    return min(complete, view.known_at) if complete and view.known_at else complete


def _currencies(using: str) -> set[str]:
    return set(Instalment.objects.using(using).order_by().values_list("currency", flat=True).distinct())


def _all(until: date, view: View, scope: Scope, limits: dict[str, int], using: str) -> Iterable[Episode]:
    speech = dialect(using)
    values: dict[str, Any] = {
        "until": speech.moment(until),
        "due_before": speech.moment(until - timedelta(days=DAYS_PAST_DUE)),
        **scope.parameters(speech),
    }
    if view.known_at:
        values["known_at"] = speech.moment(view.known_at)
    if view.recorded_by:
        values["recorded_by"] = speech.moment(view.recorded_by)
    for name, (currency, minor) in zip(_limit_names(len(limits)), sorted(limits.items()), strict=True):
        values[f"{name}_code"], values[name] = currency, minor
    texts = _statements(using, view_name(view), scope.shape, len(limits))
    with connections[using].cursor() as cursor:
        cursor.execute(texts[0], values)
        yield from _residues(cursor.fetchall())
        cursor.execute(texts[1], values)
        for pk, currency, on, minor, back in cursor.fetchall():
            probation = _day(on) + timedelta(days=PROBATION_DAYS)
            ended = min(_day(back), probation) if back else probation
            yield Episode(pk, Cause.WRITTEN_OFF, _day(on), ended, currency, int(minor))
        cursor.execute(texts[2], values)
        for pk, on, ended in cursor.fetchall():
            yield Episode(pk, Cause.INSOLVENCY, _day(on), _day(ended) if ended else None)


def _residues(rows: Iterable[tuple[int, str, Any, Any, int]]) -> Iterable[Episode]:
    """Turns (account, currency, day, residue, above the threshold or not) at each change into episodes."""
    begun: tuple[int, str, date, int] | None = None
    for pk, currency, day, residue, bad in rows:
        if begun and begun[:2] != (pk, currency):
            yield Episode(begun[0], Cause.RESIDUE, begun[2], None, begun[1], begun[3])
            begun = None
        if bad:
            begun = (pk, currency, _day(day), int(residue))
        elif begun:
            yield Episode(pk, Cause.RESIDUE, begun[2], _day(day), currency, begun[3])
            begun = None
    if begun:
        yield Episode(begun[0], Cause.RESIDUE, begun[2], None, begun[1], begun[3])


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


# Items more than 90 days past due some day by {until}. `entry`: the first such day.
_ITEM = """
SELECT i.id, i.account_id, i.currency, i.amount,
  greatest(plus_days(i.due_on, {past_due}), i.effective_on) AS entry
FROM customers_instalment i
WHERE seen(i) AND scope(i.account_id) AND i.kind = 'invoice'
  AND i.due_on < %(due_before)s AND i.effective_on <= %(until)s
"""
# The counters speak of today's knowledge: only there do they say which items need not be read at all.
_ITEM_CURRENT = " AND (i.settled_on IS NULL OR i.reopened OR i.settled_on >= plus_days(i.due_on, {past_due}))"
# Any other view: what was settled for good before it entered is left out by its own allocations.
_ITEM_OTHER = """
  AND i.id NOT IN (
    SELECT al.instalment_id FROM customers_allocation al JOIN customers_instalment x ON x.id = al.instalment_id
    WHERE seen(al) AND scope(al.account_id) AND al.instalment_id IS NOT NULL
    GROUP BY al.instalment_id, x.amount
    HAVING MIN(al.amount) > 0
      AND SUM(CASE WHEN al.effective_on < plus_days(x.due_on, {past_due}) THEN al.amount ELSE 0 END) >= x.amount
  )
"""
_MOVED_ON = "CASE WHEN al.kind = 'inferred' AND al.amount > 0 THEN plus_days(al.settled_after, 1) ELSE al.effective_on END"
# What happens to an item: it enters with all of its amount, and what was settled or disputed before counts then.
_MOVE = f"""
SELECT id, account_id, currency, entry AS day, amount AS owed, 0 AS disputed FROM item
UNION ALL
SELECT t.id, t.account_id, t.currency, greatest(t.entry, {_MOVED_ON}), -al.amount, 0
FROM item t JOIN customers_allocation al ON al.instalment_id = t.id
WHERE seen(al) AND {_MOVED_ON} <= %(until)s
UNION ALL
SELECT t.id, t.account_id, t.currency, greatest(t.entry, dp.effective_on), 0, di.amount
FROM item t JOIN customers_disputeitem di ON di.instalment_id = t.id JOIN customers_dispute dp ON dp.id = di.dispute_id
WHERE seen(dp) AND dp.effective_on <= %(until)s
UNION ALL
SELECT t.id, t.account_id, t.currency, greatest(t.entry, dp.effective_on, dp.closed_on), 0, -di.amount
FROM item t JOIN customers_disputeitem di ON di.instalment_id = t.id JOIN customers_dispute dp ON dp.id = di.dispute_id
WHERE seen(dp) AND dp.effective_on <= %(until)s AND NOT dispute_open(dp)
"""
_STEP = "SELECT id, account_id, currency, day, SUM(owed) AS owed, SUM(disputed) AS disputed FROM move GROUP BY 1, 2, 3, 4"
_LEVEL = """
SELECT id, account_id, currency, day, SUM(owed) OVER item_days AS owed, SUM(disputed) OVER item_days AS disputed
FROM step WINDOW item_days AS (PARTITION BY id ORDER BY day)
"""
_CLEAN = "SELECT id, account_id, currency, day, CASE WHEN owed > disputed THEN owed - disputed ELSE 0 END AS clean FROM level"
_FLOW = """
SELECT account_id, currency, day, clean - COALESCE(LAG(clean) OVER (PARTITION BY id ORDER BY day), 0) AS minor
FROM clean
UNION ALL
SELECT p.account_id, p.currency, p.effective_on, -p.amount
FROM customers_payment p
WHERE seen(p) AND p.effective_on <= %(until)s AND p.account_id IN (SELECT account_id FROM item)
UNION ALL
SELECT p.account_id, p.currency, al.effective_on, al.amount
FROM customers_payment p JOIN customers_allocation al ON al.payment_id = p.id
WHERE seen(p) AND seen(al) AND p.effective_on <= %(until)s AND al.effective_on <= %(until)s
  AND p.account_id IN (SELECT account_id FROM item)
"""
_BY_DAY = "SELECT account_id, currency, day, SUM(minor) AS minor FROM flow GROUP BY 1, 2, 3"
_RESIDUE = """
SELECT account_id, currency, day, SUM(minor) OVER (PARTITION BY account_id, currency ORDER BY day) AS residue
FROM by_day
"""
_FLAGGED = "SELECT account_id, currency, day, residue, {above} AS bad FROM residue"
_CHANGED = """
SELECT account_id, currency, day, residue, bad,
  COALESCE(LAG(bad) OVER (PARTITION BY account_id, currency ORDER BY day), 0) AS was
FROM flagged
"""
_RESIDUES = "SELECT account_id, currency, day, residue, bad FROM changed WHERE bad <> was ORDER BY 1, 2, 3"

# The debt given up per account, currency and day, and the first day on which all of it had been taken back.
_WRITTEN_OFF = """
SELECT al.account_id, al.currency, al.effective_on, SUM(al.amount),
  CASE WHEN COUNT(*) = COUNT(r.id) THEN MAX(r.effective_on) END
FROM customers_allocation al
JOIN customers_writeoff w ON w.id = al.write_off_id AND NOT w.is_small
LEFT JOIN customers_allocation r ON r.reverses_id = al.id AND r.reverses_id IS NOT NULL AND seen(r)
  AND r.effective_on <= %(until)s
WHERE seen(al) AND scope(al.account_id) AND al.kind = 'write_off' AND al.amount > 0
  AND al.effective_on <= %(until)s AND (r.id IS NULL OR r.effective_on > al.effective_on)
GROUP BY 1, 2, 3
"""
# A status lasts to the next change; a customer without any recorded change keeps the one it was given.
_INSOLVENT = """
SELECT a.id, le.effective_on, le.ended_on
FROM customers_legalevent le JOIN customers_creditaccount a ON a.customer_id = le.customer_id
WHERE seen(le) AND scope(a.id) AND le.effective_on <= %(until)s AND le.kind IN ('insolvency', 'struck_off')
  AND (le.ended_on IS NULL OR le.ended_on > le.effective_on)
UNION ALL
SELECT a.id, st.began_on, st.ended_on FROM (
  SELECT sc.customer_id, sc.status, sc.effective_on AS began_on,
    LEAD(sc.effective_on) OVER (PARTITION BY sc.customer_id ORDER BY sc.effective_on, sc.id) AS ended_on
  FROM customers_statuschange sc WHERE seen(sc) AND sc.effective_on <= %(until)s
) st JOIN customers_creditaccount a ON a.customer_id = st.customer_id
WHERE scope(a.id) AND st.status = 'insolvent' AND (st.ended_on IS NULL OR st.ended_on > st.began_on)
UNION ALL
SELECT a.id, {always}, NULL
FROM customers_creditaccount a JOIN customers_customer cu ON cu.id = a.customer_id
WHERE scope(a.id) AND cu.status = 'insolvent'
  AND NOT EXISTS (SELECT 1 FROM customers_statuschange sc WHERE sc.customer_id = cu.id)
"""
_CTES = (
    ("move", _MOVE),
    ("step", _STEP),
    ("level", _LEVEL),
    ("clean", _CLEAN),
    ("flow", _FLOW),
    ("by_day", _BY_DAY),
    ("residue", _RESIDUE),
)
_SCOPES = {
    "all": "TRUE",
    "range": "{x} BETWEEN %(low)s AND %(high)s",
    "ids": "isin({x}, %(accounts)s)",
    "one": "{x} = %(account)s",
}


def _limit_names(count: int) -> list[str]:
    return [f"limit_{n}" for n in range(count)]


@lru_cache(maxsize=32)
def _statements(using: str, view: str, shape: str, limits: int) -> tuple[str, str, str]:
    """The three statements (residues, write-offs, insolvencies) for a view and a shape of scope."""
    speech = dialect(using)
    whens = " ".join(
        f"WHEN residue > %({name})s AND currency = %({name}_code)s THEN 1" for name in _limit_names(limits)
    )
    above = f"CASE {whens} ELSE 0 END" if whens else "0"
    item = (_ITEM + (_ITEM_CURRENT if view == "current" else _ITEM_OTHER)).format(past_due=DAYS_PAST_DUE + 1)
    ctes = [("item", item), *_CTES, ("flagged", _FLAGGED.format(above=above)), ("changed", _CHANGED)]

    def written(text: str) -> str:
        return _expand(speech, text, view, shape)

    clauses = ", ".join(f"{name} AS {speech.materialized}({written(text)})" for name, text in ctes)
    always = "DATE '1900-01-01'" if connections[using].vendor == "postgresql" else "'1900-01-01'"
    return (
        f"WITH {clauses} {_RESIDUES}",
        written(_WRITTEN_OFF),
        written(_INSOLVENT.format(always=always)),
    )


def _expand(speech: Dialect, text: str, view: str, shape: str) -> str:
    words = {
        "seen": lambda x: WHERE_SEEN[view].format(x=x),
        "dispute_open": lambda x: DISPUTE_OPEN[view].format(x=x, as_of="%(until)s"),
        "scope": lambda x: _SCOPES[shape].format(x=x),
    }
    for name, write in words.items():
        parts = text.split(f"{name}(")
        text = parts[0]
        for part in parts[1:]:
            argument, rest = part.split(")", 1)
            text += write(argument) + rest
    return speech.expand(text)
