"""The condition of a View on a fact table as SQL, for statements that are written by hand."""

from __future__ import annotations

from typing import Any

from django.db import connections, router

from creditdesk.core.facts import View
from customers.models import CreditAccount


def view_sql(view: View, alias: str) -> tuple[str, list[Any]]:
    """SQL and parameters of `view.q()` on the table called `alias`."""
    if view.known_at is not None:
        known = f"{alias}.known_on <= %s AND ({alias}.known_until IS NULL OR {alias}.known_until > %s)"
        return known, [view.known_at, view.known_at]
    if view.recorded_by is not None:
        stored = (
            f"{alias}.recorded_at <= %s AND ({alias}.superseded_at IS NULL OR {alias}.superseded_at > %s)"
        )
        operations = connections[router.db_for_read(CreditAccount)].ops
        stamp = operations.adapt_datetimefield_value(view.recorded_by)
        return stored, [stamp, stamp]
    return f"{alias}.superseded_at IS NULL", []
