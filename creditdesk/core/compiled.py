"""Queries about one row whose SQL is worked out once: Django takes longer to compile them than a server to answer.

A decision while somebody waits asks some forty small questions about one account. The query is compiled with
stand-ins for the id and the day, kept, and sent with the real ones. It is compiled with three pairs of stand-ins first:
unless all give the same SQL, and the parameters of the others follow from those of the first, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.query import get_related_populators

Build = Callable[[Any, date], QuerySet[Any, Any]]

# No id and no business date; days of a query may lie up to 400 days from the one asked for.
# One and three months before the first two days lie 31 and 92 days, before the third 28 and 90; a year before the
# first lie 366 days. So what counts in months or years is seen not to follow from the day.
_IDS = (-987_654_321, -987_654_322, -987_654_323)
_DAYS = (date(4712, 6, 15), date(4715, 2, 3), date(4717, 3, 20))
_NEAR = 400
_ID = object()


@dataclass(frozen=True, slots=True)
class _Kept:
    """compiler: of the stand-in query, for the converters of its columns. places: what stands at each parameter."""

    compiler: Any
    sql: str
    places: tuple[tuple[Any, Any], ...]

    def parameters(self, pk: int, day: date) -> list[Any]:
        found: list[Any] = []
        for kind, value in self.places:
            if kind is _ID:
                found.append(pk)
            elif kind is date or kind is str:
                moved = day + timedelta(days=value)
                found.append(moved if kind is date else moved.isoformat())
            else:
                found.append(value)
        return found


_kept: dict[Hashable, _Kept | None] = {}


def asked(
    name: Hashable | None, build: Build, scope: Any, day: date, *, using: str = "default"
) -> Iterable[tuple[Any, ...]]:
    """The rows of `build(scope, day)`, a values_list; compiled once where `scope` is one id.

    name: of the query, unique, with everything in it that changes its SQL or its other parameters; None: nothing is
    kept. The query may depend on `scope` and `day` in no other way than through them. scope: ids, or a queryset.
    """
    kept = _kept_for(name, build, scope, using)
    if kept is None:
        return build(scope, day).iterator(chunk_size=5000)
    return kept.compiler.results_iter([_fetched(kept, scope, day, using)], tuple_expected=True)


def asked_for(
    name: Hashable | None, build: Build, scope: Any, day: date, *, using: str = "default"
) -> list[Any]:
    """The same of a queryset of model rows, with what it selects beside them (select_related, annotations).

    Nothing prefetched: that is the caller's (`prefetch_related_objects`).
    """
    kept = _kept_for(name, build, scope, using)
    if kept is None:
        return list(build(scope, day))
    # As Django's ModelIterable does, from a compiler that has done its part before.
    compiler = kept.compiler
    own = compiler.klass_info["select_fields"]
    start, end = own[0], own[-1] + 1
    names = [column[0].target.attname for column in compiler.select[start:end]]
    related = get_related_populators(compiler.klass_info, compiler.select, using)  # type: ignore[call-arg]
    found = []
    for row in compiler.results_iter([_fetched(kept, scope, day, using)]):
        made = compiler.klass_info["model"].from_db(using, names, row[start:end])
        for populator in related:
            populator.populate(row, made)
        for attribute, place in compiler.annotation_col_map.items():
            setattr(made, attribute, row[place])
        found.append(made)
    return found


def _kept_for(name: Hashable | None, build: Build, scope: Any, using: str) -> _Kept | None:
    if name is None or isinstance(scope, QuerySet) or len(scope) != 1:
        return None
    key = (name, using)
    if key not in _kept:
        _kept[key] = _compiled(build, using)
    return _kept[key]


def _fetched(kept: _Kept, scope: Any, day: date, using: str) -> list[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(kept.sql, kept.parameters(next(iter(scope)), day))
        return cursor.fetchall()


def _compiled(build: Build, using: str) -> _Kept | None:
    made = []
    for pk, day in zip(_IDS, _DAYS, strict=True):
        compiler = build([pk], day).query.get_compiler(using)
        sql, params = compiler.as_sql()
        made.append((compiler, sql, list(params)))
    compiler, sql, params = made[0]
    kept = _Kept(compiler, sql, tuple(_place(value) for value in params))
    same = all(
        other_sql == sql and _plain(kept.parameters(pk, day)) == _plain(other_params)
        for pk, day, (_other, other_sql, other_params) in zip(_IDS, _DAYS, made, strict=True)
    )
    return kept if same else None


def _plain(params: Sequence[Any]) -> list[str]:
    return [f"{type(value).__name__} {value}" for value in params]


def _place(value: Any) -> tuple[Any, Any]:
    if value == _IDS[0] and isinstance(value, int):
        return _ID, None
    if isinstance(value, date) and not isinstance(value, datetime):
        offset = (value - _DAYS[0]).days
        return (date, offset) if abs(offset) <= _NEAR else (None, value)
    if isinstance(value, str) and len(value) == 10 and value[:3] == "471":
        try:
            offset = (date.fromisoformat(value) - _DAYS[0]).days
        except ValueError:
            return None, value
        return (str, offset) if abs(offset) <= _NEAR else (None, value)
    return None, value
