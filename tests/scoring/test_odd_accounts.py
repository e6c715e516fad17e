"""Annual accounts as they really come: figures left out, another currency, consolidated beside single, absurd sizes."""

from __future__ import annotations

from datetime import date

import pytest

from customers.evidence.ratios import ratios_of
from customers.models import FinancialStatement
from scoring.engine import compute
from scoring.statement import Scope
from scoring.stored import values_of
from tests.factories import make_account, make_company

pytestmark = pytest.mark.django_db
AS_OF = date(2026, 11, 20)
FIGURES = {
    "total_assets": 1000_00,
    "current_assets": 600_00,
    "current_liabilities": 300_00,
    "equity": 400_00,
    "retained_earnings": 200_00,
    "ebit": 100_00,
    "net_income": 60_00,
    "revenue": 2000_00,
}


def publish(account, closed: date, *, currency: str = "EUR", months: int = 12, source: str = "", **figures):
    return FinancialStatement.objects.create(
        customer=account.customer,
        currency=currency,
        months=months,
        source=source,
        effective_on=closed,
        known_on=date(2026, 6, 1),
        **{**FIGURES, **figures},
    )


def signals(account) -> dict:
    return values_of(next(iter(compute(AS_OF, Scope.of([account.pk])))))


def test_liabilities_that_are_not_stated_follow_from_assets_and_equity():
    """On the page they always did: its Altman Z'' and the signal are one figure."""
    account = make_account(make_company())
    stated = publish(account, date(2025, 12, 31))
    found = signals(account)
    assert found["altman_z"] == pytest.approx(ratios_of(stated).z, abs=2e-6)
    assert found["debt_ratio"] == pytest.approx(0.6)


def test_changes_compare_like_with_like():
    company = make_company()
    moved, group = make_account(company), make_account(company)
    publish(moved, date(2024, 12, 31), currency="ITL", revenue=4_000_000_00)
    publish(moved, date(2025, 12, 31))
    assert signals(moved)["revenue_growth"] is None, "lire against euros is no growth"
    assert signals(moved)["equity_ratio_change"] == 0
    for year in (2024, 2025):
        publish(group, date(year, 12, 31), source="single", revenue=(year - 2000) * 100_00)
        publish(group, date(year, 12, 31), source="consolidated", revenue=(year - 2000) * 10_000_00)
    # Accounts of another kind lie nearer than its own of the year before.
    publish(group, date(2025, 3, 31), months=3, source="single", revenue=900_00)
    assert signals(group)["revenue_growth"] == pytest.approx(25 / 24 - 1, abs=1e-6)
    FinancialStatement.objects.filter(customer=group.customer, source="consolidated").update(
        superseded_at="2026-07-01T00:00Z"
    )
    publish(group, date(2025, 12, 31), source="consolidated", revenue=250_000_00)
    assert signals(group)["revenue_growth"] == 10, "of another source, capped, where there is no other year"


@pytest.mark.parametrize(
    "figures",
    [
        {"equity": -500_00},
        {"revenue": 0, "ebit": 0, "net_income": 0},
        {"total_assets": 0, "current_assets": 0, "current_liabilities": 0, "equity": 0},
        {
            "current_liabilities": 1,
            "total_liabilities": 1,
            "total_assets": 10**15,
            "current_assets": 10**15,
        },
        dict.fromkeys(FIGURES, 10**15),
        dict.fromkeys(FIGURES),
    ],
)
def test_rare_figures_give_figures_or_nothing(figures):
    account = make_account(make_company())
    publish(account, date(2025, 12, 31), months=3, **figures)
    publish(account, date(2024, 12, 31), months=18, **figures)
    found = signals(account)
    assert all(
        value is None or abs(value) < 1e18
        for name, value in found.items()
        if name.startswith(("altman", "equity"))
    )
