"""A customer's annual accounts told one by one (a register's feed, a portal), not as a file: the same rules.

The same balance-sheet day from the same source is one fact: told again as it stands it stores nothing, told otherwise it
is a correction, known from that day on, and the earlier version stays as what was known before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money, MoneyField
from customers.bank.feeds import announce
from customers.evidence.imports import KEYS, close_versions, says_the_same
from customers.evidence.mapping import Layout
from customers.models import Customer, FinancialStatement

# The figures of a year, and what they are called.
LABELS = {
    f.name: f.verbose_name for f in FinancialStatement._meta.concrete_fields if isinstance(f, MoneyField)
}
FIGURES = tuple(LABELS)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it: the version that stands now, and whether it is new or corrects an earlier one."""

    statement: FinancialStatement
    is_new: bool = False
    corrected: FinancialStatement | None = None


@transaction.atomic
def record_statement(
    customer: Customer,
    *,
    effective_on: date,
    known_on: date,
    currency: str,
    figures: dict[str, int | None],
    actor: Actor,
    today: date,
    months: int = 12,
    source: str = "",
) -> Told:
    """Store a year's figures (minor units by name of FIGURES; what is missing or None was not stated).

    known_on: from `effective_on` to `today`; a correction is known from `today` on whatever it says. Raises ValueError
    for other days, for figures of another name, and when no figure is given.
    """
    unknown = sorted(set(figures) - set(FIGURES))
    if unknown or all(value is None for value in figures.values()):
        raise ValueError(f"figures: {', '.join(unknown) or 'none given'}; known are {', '.join(FIGURES)}")
    if not effective_on <= known_on <= today:
        raise ValueError("known_on: from the balance-sheet day to today")
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    values = {
        **dict.fromkeys(FIGURES, None),
        **figures,
        "effective_on": effective_on,
        "currency": currency,
        "months": months,
        "source": source,
    }
    key = {name: values[name] for name in KEYS[Layout.ACCOUNTS]}
    stored = FinancialStatement.objects.filter(customer=customer, superseded_at__isnull=True, **key)
    old = stored.order_by("-pk").first()
    if old is not None and says_the_same(old, values):
        return Told(old)
    now = timezone.now()
    if old is not None:
        close_versions([old], now, today)
        known_on = max(today, old.known_on)
    new = FinancialStatement.objects.create(customer=customer, known_on=known_on, recorded_at=now, **values)
    record_act(
        "statement.correct" if old else "statement.record",
        actor=actor,
        subject=customer,
        business_date=today,
        changes=[Change.of(new, _facts(old) if old else None, _facts(new))],
    )
    announce({customer.pk})
    new.refresh_from_db()
    return Told(new, is_new=True, corrected=old)


def _facts(row: FinancialStatement) -> dict[str, Any]:
    stated = {name: row.__dict__[name] for name in FIGURES if row.__dict__[name] is not None}
    stated = {name: value.minor if isinstance(value, Money) else value for name, value in stated.items()}
    return {"effective_on": row.effective_on, "currency": row.currency, "source": row.source, **stated}
