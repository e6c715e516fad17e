"""Splitting the book into ranges of account ids that take about the same time to score."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count

from customers.models import CreditAccount, Instalment

# An account's rows lie scattered over the tables, so every range reads most pages: few ranges, a second or two each.
LEAST, MOST = 1000, 20_000
INSTALMENTS = 400_000


def account_ranges() -> list[tuple[int, int]]:
    """Inclusive (low, high) id ranges of 1,000 to 20,000 accounts, closed at about 400,000 instalments."""
    return list(_ranges())


def _ranges() -> Iterator[tuple[int, int]]:
    weights = dict(
        Instalment.objects.order_by()
        .values("account_id")
        .annotate(n=Count("pk"))
        .values_list("account_id", "n")
        .iterator(chunk_size=20_000)
    )
    low, last, accounts, instalments = 0, 0, 0, 0
    for pk in CreditAccount.objects.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=20_000):
        low = low or pk
        last, accounts, instalments = pk, accounts + 1, instalments + weights.get(pk, 0)
        if accounts >= MOST or (accounts >= LEAST and instalments >= INSTALMENTS):
            yield low, last
            low, accounts, instalments = 0, 0, 0
    if accounts:
        yield low, last
