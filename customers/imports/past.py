"""No import makes a past day untrue: what it settles or corrects must fit into every day from its date on.

The rule is customers.ledger.timeline. Only what was taken back once, or used after the day a row speaks of, can
break it, so only those rows are looked at; all others are held by their open amounts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.db.models import Q

from customers.imports import staging
from customers.imports.matching import Target, iso, shown
from customers.imports.problems import WARNING, Problem
from customers.ledger.timeline import first_day_with, least_from, most_used
from customers.models import Allocation

CHUNK = 500
Uses = list[tuple[date, int]]


def _day(value: Any) -> date:
    return date.fromisoformat(iso(value))


def _parts(ids: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def uses_of(instalments: Iterable[int]) -> dict[int, Uses]:
    """What was taken from each instalment (invoice or credit note), signed, by day."""
    found: dict[int, Uses] = defaultdict(list)
    wanted = set(instalments)
    for part in _parts(wanted):
        rows = Allocation.objects.filter(
            Q(instalment__in=part) | Q(credit__in=part), superseded_at__isnull=True
        )
        # A credit note and its invoice may stand in different parts: each takes its own side only.
        mine = set(part)
        for invoice, credit, on, amount in rows.values_list(
            "instalment_id", "credit_id", "effective_on", "amount"
        ):
            for pk in {invoice, credit} & mine:
                found[pk].append((on, amount))
    return found


def most_in_use(instalments: Iterable[int]) -> dict[int, int]:
    """The most of each instalment that was ever in use: no correction may go below it."""
    return {pk: most_used(uses) for pk, uses in uses_of(instalments).items()}


def refuse_early_arrivals(target: Target) -> None:
    """A settlement for an instalment that was reopened: it must have been open from the settlement's day on."""
    column = target.spec.columns.get("settled_on", "settled_on")
    found = staging.rows(
        f"""SELECT d.row_no, d.number, d.settled_on, {staging.lesser_of("d.paid", "d.amount")}, d.currency,
            t.id, t.amount FROM import_match m
        JOIN import_good d ON d.number = m.number AND d.fiscal_year = m.fiscal_year AND d.kind = m.kind
        JOIN customers_instalment t ON t.invoice_id = m.invoice_id AND t.number = d.instalment
        WHERE m.state = 2 AND t.reopened ORDER BY d.row_no"""
    )
    uses = uses_of(row[5] for row in found)
    problems = []
    for row, number, day, needed, currency, pk, amount in found:
        on, past = _day(day), uses.get(pk, [])
        least = least_from(amount, past, on)
        if least < needed:
            since = first_day_with(amount, past, needed, on)
            params = {"document": number, "open": shown(max(least, 0), currency), "since": since or "-"}
            problems.append(Problem(row, column, iso(day), "not_open_then", params))
    staging.report(problems)


def refuse_moved_payments(target: Target) -> None:
    """A changed payment's uses move with its date; where some were taken back, they must fit on every day."""
    changed = {
        pk: (row, amount, _day(on), currency, _day(was))
        for pk, row, amount, on, currency, was in staging.rows(
            """SELECT m.payment_id, p.row_no, p.amount, p.received_on, p.currency, y.effective_on
            FROM import_paymatch m JOIN import_pay p ON p.row_no = m.row_no
            JOIN customers_payment y ON y.id = m.payment_id
            WHERE m.state = 1 AND (
                EXISTS (SELECT 1 FROM customers_allocation a WHERE a.payment_id = y.id AND a.amount < 0
                    AND a.superseded_at IS NULL)
                OR EXISTS (SELECT 1 FROM customers_allocation a JOIN customers_instalment t
                    ON t.id = a.instalment_id AND t.reopened
                    WHERE a.payment_id = y.id AND a.superseded_at IS NULL))"""
        )
    }
    if not changed:
        return
    column = target.spec.columns.get("amount", "amount")
    of_payment, reopened = _moved_uses(changed)
    refused: dict[int, Problem] = {}
    for pk, (row, amount, _on, currency, _was) in changed.items():
        most = most_used(of_payment[pk])
        if most > amount:
            refused[pk] = Problem(
                row, column, shown(amount, currency), "below_allocated", {"allocated": shown(most, currency)}
            )
    date_column = target.spec.columns.get("issued_on", "issued_on")
    for amount, uses, payments, number in reopened:
        if most_used(uses) <= amount:
            continue
        for pk in payments:
            row, _amount, on, *_rest = changed[pk]
            refused.setdefault(
                pk, Problem(row, date_column, on.isoformat(), "moved_into_the_past", {"document": number})
            )
    staging.report(refused.values())


def _moved_uses(changed: dict[int, Any]) -> tuple[dict[int, Uses], list[tuple[int, Uses, set[int], str]]]:
    """The uses as they will be once the payments are corrected: of each payment; of each reopened instalment
    they touch, with its amount, the changed payments on it, and its document's number."""
    touched: set[int] = set()
    for part in _parts(changed):
        rows = Allocation.objects.filter(payment__in=part, superseded_at__isnull=True)
        touched |= set(rows.filter(instalment__reopened=True).values_list("instalment_id", flat=True))
    allocations: dict[int, Allocation] = {}
    for field, ids in (("payment__in", changed), ("instalment__in", touched)):
        for part in _parts(ids):
            rows = Allocation.objects.filter(superseded_at__isnull=True, **{field: part})
            allocations.update((a.pk, a) for a in rows.select_related("instalment__invoice"))
    moved: dict[int, date] = {}
    of_payment: dict[int, Uses] = defaultdict(list)
    of_instalment: dict[int, tuple[int, Uses, set[int], str]] = {}
    # What takes back comes after what it takes back, whatever the order of their keys.
    for a in sorted(allocations.values(), key=lambda a: (a.reverses_id is not None, a.pk)):
        on = a.effective_on
        if a.payment_id in changed:
            _row, _amount, new, _currency, was = changed[a.payment_id]
            on = new if on == was else max(on, new)
            if a.instalment is not None:
                on = max(on, a.instalment.effective_on)
        moved[a.pk] = on = max(on, moved.get(a.reverses_id or 0, on))
        if a.payment_id in changed:
            of_payment[a.payment_id].append((on, a.amount.minor))
        if a.instalment_id in touched:
            t = a.instalment
            entry = of_instalment.setdefault(t.pk, (t.amount.minor, [], set(), t.invoice.number))
            entry[1].append((on, a.amount.minor))
            if a.payment_id in changed:
                entry[2].add(a.payment_id)
    return of_payment, list(of_instalment.values())


def used_since(day: str) -> str:
    """SQL (with `day` twice): per instalment id, the amount of its uses after a day on which it stood already."""
    parts = (
        f"""SELECT x.id, a.amount FROM customers_allocation a JOIN customers_instalment x ON x.id = a.{side}
        WHERE a.superseded_at IS NULL AND a.effective_on > {day} AND a.effective_on > x.effective_on"""
        for side in ("instalment_id", "credit_id")
    )
    return f"SELECT id, SUM(amount) AS amount FROM ({' UNION ALL '.join(parts)}) u GROUP BY id"


def hold_to_the_past(target: Target) -> None:
    """A snapshot older than what was posted since: what it shows as settled must have been open from its day on.

    A listed item that does not fit is refused; one that vanished stays as it is, with a warning.
    """
    assert target.snapshot_on is not None
    day = "CAST(%s AS date)" if staging.is_postgres() else "%s"
    found = staging.rows(
        f"""SELECT v.number, v.fiscal_year, v.kind, v.instalment, v.amount, t.id, t.amount, t.currency,
            (SELECT MIN(d.row_no) FROM import_good d WHERE d.number = v.number AND d.kind = v.kind
                AND d.fiscal_year = v.fiscal_year AND d.instalment = v.instalment),
            (SELECT MIN(d.amount) FROM import_write d WHERE d.old_id = i.id AND d.instalment = t.number)
        FROM import_vanish v JOIN customers_invoice i ON i.company_id = %s AND i.source_id = %s
            AND i.number = v.number AND i.fiscal_year = v.fiscal_year AND i.kind = v.kind
            AND i.superseded_at IS NULL
        JOIN customers_instalment t ON t.invoice_id = i.id AND t.number = v.instalment
        JOIN ({used_since(day)}) l ON l.id = t.id
        WHERE v.amount > 0 ORDER BY v.number, v.fiscal_year, v.kind, v.instalment""",
        [target.company_id, target.source_id, *[target.snapshot_on.isoformat()] * 2],
    )
    uses = uses_of(row[5] for row in found)
    problems, out = [], []
    column = target.spec.columns.get("open_amount", "open_amount")
    for number, year, kind, part, needed, pk, amount, currency, row, new_amount in found:
        least = least_from(new_amount or amount, uses.get(pk, []), target.snapshot_on)
        if least >= needed:
            continue
        params = {"document": number, "snapshot": target.snapshot_on.isoformat()}
        if row is not None:
            problems.append(Problem(row, column, shown(needed, currency), "used_since_snapshot", params))
        else:
            problems.append(Problem(0, column, number, "vanished_used_since", params, WARNING))
        out.append((number, year, kind, part))
    staging.report(problems)
    for key in out:
        staging.execute(
            "DELETE FROM import_vanish WHERE number = %s AND fiscal_year = %s AND kind = %s AND instalment = %s",
            key,
        )
