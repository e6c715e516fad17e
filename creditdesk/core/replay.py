"""Querysets compiled once and asked again for another row: for what must answer while somebody waits.

Django takes longer to compile a query of several nested sums than PostgreSQL to answer it for one account. The SQL of
a queryset depends on nothing but the code that builds it, so it is compiled once, with stand-ins for the account and
the day, and asked again with the real ones: the same statement by construction, no second query to keep in step. On
SQLite, and for more than one account, the queryset itself is used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import date, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

STAND_IN_ID = -987_654_321
STAND_IN_DAY = date(1104, 6, 15)
FARTHEST = timedelta(days=20_000)
"""A date this near to the stand-in was reckoned from it."""

Build = Callable[[Any, date], QuerySet]
Row = tuple[Any, ...]
_compiled: dict[Hashable, tuple[Any, str, tuple[Any, ...]]] = {}


def asked(name: Hashable, build: Build, scope: Any, day: date) -> Iterable[Row]:
    """The rows of `build(scope, day)`, a queryset of values_list.

    name: names the code that builds it, with everything else its SQL depends on (None: nothing is kept). scope: ids,
    or a queryset of them.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    single = name is not None and isinstance(scope, list) and len(scope) == 1
    if not single or connection.vendor != "postgresql":
        return build(scope, day).iterator(chunk_size=5000)
    found = _compiled.get(name)
    if found is None:
        compiler = build([STAND_IN_ID], STAND_IN_DAY).query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        found = _compiled[name] = (compiler, sql, tuple(params))
    compiler, sql, params = found
    with connection.cursor() as cursor:
        cursor.execute(sql, [_real(param, scope[0], day) for param in params])
        rows = cursor.fetchall()
    return compiler.results_iter([rows], tuple_expected=True)


def _real(param: Any, pk: int, day: date) -> Any:
    """The parameter itself, or what stands in its place in this call."""
    if isinstance(param, int) and param == STAND_IN_ID:
        return pk
    if type(param) is date and abs(param - STAND_IN_DAY) < FARTHEST:
        return day + (param - STAND_IN_DAY)
    return param
