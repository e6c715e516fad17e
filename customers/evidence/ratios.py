"""Ratios of annual accounts and Altman's Z'' for private non-manufacturers and emerging markets, as pure functions.

Z'' = 6.56 X1 + 3.26 X2 + 6.72 X3 + 1.05 X4 (Altman 1995): working capital, retained earnings and EBIT over total
assets; book equity over total liabilities. Below 1.1 distress, above 2.6 safe. Amounts are minor units of one currency;
a ratio one of whose parts is not stated is None. Flows of a year that is none are brought to twelve months.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

DISTRESS, SAFE = 1.1, 2.6


@dataclass(frozen=True, slots=True)
class Ratios:
    """Shares and multiples as floats rounded to 6 decimals."""

    z: float | None
    zone: str
    equity_ratio: float | None
    current_ratio: float | None
    ebit_margin: float | None
    net_margin: float | None
    return_on_assets: float | None
    interest_cover: float | None
    debt_to_equity: float | None


def ratios_of(statement: Any) -> Ratios:
    """The ratios of a FinancialStatement."""
    yearly = Fraction(12, statement.months or 12)

    def part(name: str) -> Fraction | None:
        money = getattr(statement, name)
        return None if money is None else Fraction(money.minor)

    def over(top: Fraction | None, bottom: Fraction | None) -> Fraction | None:
        return top / bottom if top is not None and bottom is not None and bottom > 0 else None

    assets, equity, debts = part("total_assets"), part("equity"), part("total_liabilities")
    if debts is None and assets is not None and equity is not None:
        debts = assets - equity
    current, short = part("current_assets"), part("current_liabilities")
    ebit, revenue, net = part("ebit"), part("revenue"), part("net_income")
    working = current - short if current is not None and short is not None else None
    year_ebit = None if ebit is None else ebit * yearly
    year_net = None if net is None else net * yearly
    parts = (over(working, assets), over(part("retained_earnings"), assets), over(year_ebit, assets))
    solidity = over(equity, debts)
    z = None
    if None not in parts and solidity is not None:
        weights = (Fraction("6.56"), Fraction("3.26"), Fraction("6.72"))
        z = sum((w * x for w, x in zip(weights, parts, strict=True) if x is not None), Fraction(0))
        z += Fraction("1.05") * solidity
    return Ratios(
        z=_round(z),
        zone=zone_of(_round(z)),
        equity_ratio=_round(over(equity, assets)),
        current_ratio=_round(over(current, short)),
        ebit_margin=_round(over(ebit, revenue)),
        net_margin=_round(over(net, revenue)),
        return_on_assets=_round(over(year_net, assets)),
        interest_cover=_round(over(ebit, part("interest_expense"))),
        debt_to_equity=_round(over(debts, equity)),
    )


def zone_of(z: float | None) -> str:
    """ "distress" below 1.1, "safe" above 2.6, "grey" between, "" when Z'' is not known."""
    if z is None:
        return ""
    return "distress" if z < DISTRESS else "safe" if z > SAFE else "grey"


def _round(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), 6)
