"""The signals: one module per family, each signal one database expression.

An expression is SQL over the families of scoring/families (`b` billed, `l` lateness, `o` open debt, `p` promises,
`d` disputes, `m` other ledger moves, `c` customer facts, ...) and over the placeholders {as_of}, {judged}, {thin}
and {thin_recent}. It is valid on SQLite and PostgreSQL; `ratio(...)`, `days(...)` and `least(...)` are written by
scoring/dialect.py. Nothing else in the product computes a signal, except the brute-force reference in
tests/scoring/reference.py that holds these expressions to account.
"""

from __future__ import annotations

from . import accounts, bank, bureau, disputes, group, legal, payment, relationship, sector, weak
from .base import (
    BETTER,
    FAMILIES,
    RECENT_DAYS,
    WINDOW_DAYS,
    WORSE,
    WRITE_OFF_DAYS,
    Family,
    Signal,
    Unit,
)

SIGNALS: tuple[Signal, ...] = (
    *payment.SIGNALS,
    *disputes.SIGNALS,
    *relationship.SIGNALS,
    *legal.SIGNALS,
    *accounts.SIGNALS,
    *bank.SIGNALS,
    *bureau.SIGNALS,
    *group.SIGNALS,
    *sector.SIGNALS,
    *weak.SIGNALS,
)
BY_NAME = {signal.name: signal for signal in SIGNALS}

__all__ = [
    "BETTER",
    "BY_NAME",
    "FAMILIES",
    "RECENT_DAYS",
    "SIGNALS",
    "WINDOW_DAYS",
    "WORSE",
    "WRITE_OFF_DAYS",
    "Family",
    "Signal",
    "Unit",
]
