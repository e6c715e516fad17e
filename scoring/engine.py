"""Scoring: run the one statement for some accounts at a date, and store or return what it gives.

No clock here: `as_of` is given. Lateness is judged on min(as_of, day the company's ledger is complete to);
companies that share that day are scored together.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connections, transaction
from django.db.models import CharField, Func, QuerySet, Subquery, Value
from django.utils.translation import gettext as _

from creditdesk.core.audit import AuditEntry
from creditdesk.core.dates import is_month_end
from creditdesk.core.facts import CURRENT, View
from customers.completeness import latest_days, oldest_of_latest
from customers.models import Company, CreditAccount
from scoring.bygone import Bygone, Told, bygone
from scoring.card import Card, Cards, NoActiveCard, active_cards, as_card, card_by_id, cards_in_use
from scoring.dialect import Dialect, dialect
from scoring.models import AccountScore, Scorecard
from scoring.statement import (
    COPIED,
    Scope,
    compile_history,
    compile_select,
    compile_upsert,
    parameters,
    view_name,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Companies judged on one day. `companies` empty: all there are."""

    judged_on: date | None
    companies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass did. scored: rows written (a newer row is left alone); kept: history rows added."""

    scored: int = 0
    kept: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.scored + other.scored, self.kept + other.kept)


def context(as_of: date, view: View, scope: Scope, using: str) -> tuple[Cards, list[Group]]:
    """The active cards and the groups of companies, in one query. Raises NoActiveCard."""
    if scope.shape == "one" and view.is_current and connections[using].vendor == "postgresql":
        sql, params = _context_of_one(using)
        given = {_NOBODY: scope.ids[0], _NEVER: as_of}
        with connections[using].cursor() as cursor:
            cursor.execute(sql, [given.get(value, value) for value in params])
            rows = cursor.fetchall()
    else:
        rows = list(_context_rows(as_of, view, scope, using))
    if not rows:
        return active_cards(using, as_of), []
    full, full_since, thin, thin_since = rows[0][2:6]
    if full is None:
        raise NoActiveCard(_("No scorecard is active: activate one in the admin."))
    cards = Cards(card_by_id(full, full_since, using), card_by_id(thin, thin_since, using) if thin else None)
    groups: dict[date | None, list[int]] = defaultdict(list)
    for company_id, day in oldest_of_latest((pk, day) for pk, day, *_rest in rows).items():
        groups[min(as_of, day) if day else None].append(company_id)
    if len(groups) == 1:
        return cards, [Group(next(iter(groups)), ())]
    return cards, [Group(day, tuple(ids)) for day, ids in groups.items()]


def groups_of(as_of: date, scope: Scope, using: str = "default") -> list[Group]:
    """The groups of companies of these accounts."""
    return context(as_of, CURRENT, scope, using)[1]


def _context_rows(as_of: date, view: View, scope: Scope, using: str) -> QuerySet[Company, tuple[Any, ...]]:
    """(company, a source's latest complete day, active full card, its activation, the thin one's, ...) per source."""
    used = cards_in_use(as_of)
    companies: QuerySet[Company] = latest_days(view.recorded_by).using(using)
    if scope.ids:
        companies = companies.filter(
            pk__in=CreditAccount.objects.filter(pk__in=scope.ids).values("company_id")
        )
    names = ["pk", "day"]
    for kind in Scorecard.Kind.values:
        card = used.filter(kind=kind)
        companies = companies.annotate(
            **{
                kind: Subquery(card.values("pk")[:1]),
                f"{kind}_since": Subquery(card.values("since")[:1]),
            }
        )
        names += [kind, f"{kind}_since"]
    if connections[using].vendor == "postgresql":
        names += ["jit", "plan"]
        # Until commit: no compiling to machine code, which takes longer than the statement itself (measured),
        # and the plan the server keeps for one account serves every account.
        companies = companies.annotate(
            jit=_set("jit", "off"), plan=_set("plan_cache_mode", "force_generic_plan")
        )
    return companies.values_list(*names)


_NOBODY, _NEVER = -987_654_321, date(1, 1, 2)


@lru_cache
def _context_of_one(using: str) -> tuple[str, tuple[Any, ...]]:
    """The same query for one account as SQL, and its parameters with stand-ins for the account and the day.

    Django takes longer to compile it than PostgreSQL to score the account.
    """
    query = _context_rows(_NEVER, CURRENT, Scope.of([_NOBODY]), using).query
    sql, params = query.get_compiler(using).as_sql()
    return sql, tuple(params)


def _set(name: str, value: str) -> Func:
    """A PostgreSQL setting for the rest of the transaction, without a query of its own."""
    return Func(Value(name), Value(value), Value(True), function="set_config", output_field=CharField())


def rescore(
    as_of: date,
    scope: Scope | None = None,
    *,
    entry: AuditEntry | None = None,
    keep_history: bool = True,
    go_back: bool = False,
    using: str = "default",
) -> Outcome:
    """Score accounts at `as_of` and store the current rows; keep history where points changed and at month-end.

    A row computed from a newer ledger or for a later date stays, unless `go_back` allows an earlier date.
    Running it again changes nothing but stamps. One account of one company: three queries.
    """
    scope = scope or Scope.everyone()
    if scope.shape == "ids" and not scope.ids:
        return Outcome()
    speech, outcome = dialect(using), Outcome()
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cards, groups = context(as_of, CURRENT, scope, using)
        pass_id = secrets.randbits(62)
        for group in groups:
            values = parameters(
                speech,
                as_of,
                group.judged_on,
                scope=scope,
                companies=group.companies,
                judged_on_or_null=speech.moment(group.judged_on) if group.judged_on else None,
                pass_id=pass_id,
                go_back=int(go_back),
            )
            sql = compile_upsert(using, cards, scope.shape, bool(group.companies))
            with bulk_plan(using, scope):
                execute(speech, cursor, scope, sql, values)
                outcome += Outcome(scored=max(cursor.rowcount, 0))
        if keep_history:
            values = scope.parameters(speech) | {
                "pass_id": pass_id,
                "month_end": int(is_month_end(as_of)),
                "entry": entry and entry.pk,
            }
            sql = compile_history(using, scope.shape)
            execute(speech, cursor, scope, sql, values)
            outcome += Outcome(kept=max(cursor.rowcount, 0))
    return outcome


FEW = 200
"""Accounts for which the plan that serves any number of them is good: index by index, account by account."""


def is_kept(scope: Scope, sql: str) -> bool:
    """Whether the server keeps the plan of this statement. Large scopes are planned for what they are."""
    return not scope.is_bulk and len(scope.ids) <= FEW


def execute(speech: Dialect, cursor: Any, scope: Scope, sql: str, values: dict[str, Any]) -> None:
    """Run one of the scoring statements; its rows are the cursor's."""
    if is_kept(scope, sql):
        speech.keep(cursor, sql, values)
    else:
        cursor.execute(sql, values)


@contextmanager
def bulk_plan(using: str, scope: Scope) -> Iterator[None]:
    """Room to sort and hash a range in memory, and a plan that does not trust missing statistics.

    The planner is left alone otherwise: forbidding scans or joins lost (measured at 100,000 accounts). But a ledger
    just loaded looks empty until it is analysed, and nested loops over what seems to be nothing took minutes.
    """
    connection = connections[using]
    if not scope.is_bulk or connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_LOOKS_EMPTY, [list(_LEDGER)])
        settings = {"work_mem": "64MB"}
        if not connection.in_atomic_block:
            settings["jit"] = "off"  # within one, `context` has done so until its end
        if cursor.fetchone()[0]:
            settings["enable_nestloop"] = "off"
        # Outside a transaction SET LOCAL would last for nothing.
        local = "LOCAL " if connection.in_atomic_block else ""
        cursor.execute("; ".join(f"SET {local}{name} = '{value}'" for name, value in settings.items()))
        try:
            yield
        finally:
            if connection.is_usable() and not connection.needs_rollback:
                cursor.execute("; ".join(f"SET {local}{name} TO DEFAULT" for name in settings))


_LEDGER = ("customers_instalment", "customers_allocation")
_LOOKS_EMPTY = (
    "SELECT COALESCE(MIN(reltuples), 0) < 1000 FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r'"
)


def compute(
    as_of: date,
    scope: Scope | None = None,
    view: View = CURRENT,
    *,
    card: Card | Scorecard | None = None,
    past: bool | None = None,
    told: Told | None = None,
    using: str = "default",
) -> Iterator[AccountScore]:
    """The scores at any date and view, as unsaved AccountScore rows in account order; stores nothing.

    card: score with this card, a draft too, in the place of the active one of its kind. past: also compute what other
    customers' passes would have stored by then, where none ran (scoring/bygone.py); by default where only what was
    known on a day counts. told: figures of those, shared by a run over many days.
    """
    scope = scope or Scope.everyone()
    if scope.shape == "ids" and not scope.ids:
        return
    cards, groups = context(as_of, view, scope, using)
    if card is not None:
        cards = cards.with_draft(card if isinstance(card, Card) else as_card(card, list(card.bins.all())))
    given = None
    if past if past is not None else view.known_at is not None:
        given = bygone(as_of, scope, view, cards, told=told, using=using)
    yield from _scores(as_of, scope, view, cards, groups, given, using)


def scores(
    as_of: date, scope: Scope, view: View, *, cards: Cards, given: Bygone | None, using: str = "default"
) -> Iterator[AccountScore]:
    """`compute` with these cards and stand-ins."""
    _active, groups = context(as_of, view, scope, using)
    yield from _scores(as_of, scope, view, cards, groups, given, using)


def _scores(
    as_of: date,
    scope: Scope,
    view: View,
    cards: Cards,
    groups: Sequence[Group],
    given: Bygone | None,
    using: str,
) -> Iterator[AccountScore]:
    speech, more = dialect(using), given.parameters if given else {}
    for group in groups:
        values = parameters(
            speech, as_of, group.judged_on, view=view, scope=scope, companies=group.companies, **more
        )
        with connections[using].cursor() as cursor:
            with bulk_plan(using, scope):
                sql = compile_select(
                    using, cards, view_name(view), scope.shape, bool(group.companies), bool(given)
                )
                execute(speech, cursor, scope, sql, values)
            while rows := cursor.fetchmany(2000):
                for row in rows:
                    yield _unsaved(row, as_of, group.judged_on)


def _unsaved(row: Sequence[Any], as_of: date, judged_on: date | None) -> AccountScore:
    values = dict(zip(COPIED, row[1:], strict=True))
    values["pd"] = Decimal(str(values["pd"])).quantize(Decimal("0.0001"))
    return AccountScore(account_id=row[0], as_of=as_of, judged_on=judged_on, **values)
