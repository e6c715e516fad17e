"""Altman's Z'' and the ratios beside it, against the worked example and what is left out when a part is missing."""

from __future__ import annotations

import pytest

from customers.evidence.ratios import ratios_of, zone_of
from customers.models import FinancialStatement

WHOLE = {
    "currency": "EUR",
    "total_assets": 1000,
    "current_assets": 400,
    "current_liabilities": 250,
    "retained_earnings": 200,
    "ebit": 80,
    "equity": 400,
    "total_liabilities": 600,
}


def test_the_published_example():
    found = ratios_of(FinancialStatement(**WHOLE))
    assert (found.z, found.zone) == (2.8736, "safe")
    assert (found.equity_ratio, found.current_ratio, found.debt_to_equity) == (0.4, 1.6, 1.5)


@pytest.mark.parametrize("missing", ["total_assets", "retained_earnings", "ebit", "current_assets"])
def test_a_part_that_is_not_stated_leaves_z_out(missing):
    found = ratios_of(FinancialStatement(**(WHOLE | {missing: None})))
    assert (found.z, found.zone) == (None, "")


def test_liabilities_follow_from_assets_and_equity_and_short_years_are_brought_to_twelve_months():
    assert ratios_of(FinancialStatement(**(WHOLE | {"total_liabilities": None}))).z == 2.8736
    assert ratios_of(FinancialStatement(**(WHOLE | {"ebit": 40, "months": 6}))).z == 2.8736


@pytest.mark.parametrize(("z", "zone"), [(1.09, "distress"), (1.1, "grey"), (2.6, "grey"), (2.61, "safe")])
def test_zones(z, zone):
    assert zone_of(z) == zone
