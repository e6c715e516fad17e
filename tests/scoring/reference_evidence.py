"""By brute force: legal events, annual accounts, the group, the sector and other weak signals."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.models import (
    CreditAccount,
    Customer,
    FinancialStatement,
    GroupMembership,
    Instalment,
    LegalEvent,
)
from scoring.models import PeerFigure, ScoreHistory
from tests.scoring.reference_facts import ratio, round6, seen

YEAR = timedelta(days=365)


def signals_of(
    account: CreditAccount, instalments: list[Instalment], as_of: date, view: View
) -> dict[str, Any]:
    return {
        **_legal(account.customer, as_of, view),
        **_accounts(account, as_of, view),
        **_group(account, as_of, view),
        **_peers(account, instalments, as_of, view),
    }


def _legal(customer: Customer, as_of: date, view: View) -> dict[str, Any]:
    events = seen(LegalEvent.objects.filter(customer=customer), view, as_of)

    def count(kind: str, days: int = 730) -> int:
        return sum(e.kind == kind and e.effective_on > as_of - timedelta(days=days) for e in events)

    pledged = any(
        lien.kind == "lien"
        and lien.effective_on > as_of - timedelta(days=730)
        and new.kind == "director_change"
        and timedelta(0) <= lien.effective_on - new.effective_on <= timedelta(days=180)
        for lien in events
        for new in events
    )
    over = {e.pk for e in events if e.ended_on is not None and e.ended_on <= as_of}
    born = customer.founded_on if customer.founded_on and customer.founded_on <= as_of else None
    return {
        "protests_24m": count("protest"),
        "liens_24m": count("lien"),
        "litigation_24m": count("litigation"),
        "director_changes_18m": count("director_change", 548),
        "address_changes_24m": count("address_change"),
        "pledge_after_director": int(pledged),
        "struck_off": int(any(e.kind == "struck_off" and e.pk not in over for e in events)),
        "insolvency_over": int(any(e.kind == "insolvency" and e.pk in over for e in events)),
        "company_age_months": (as_of - born).days * 12 // 365 if born else None,
    }


def altman(s: FinancialStatement) -> float | None:
    """Z'' by its textbook form, terms rounded as stored: X1 to X3 together, X4 apart."""
    figures = (s.total_assets, s.current_assets, s.current_liabilities, s.retained_earnings, s.ebit, s.equity)
    if any(f is None for f in figures):
        return None
    debts = _liabilities(s)
    if s.total_assets.minor <= 0 or debts.minor <= 0:
        return None
    assets = Decimal(s.total_assets.minor)
    working = Decimal(s.current_assets.minor - s.current_liabilities.minor)
    year_ebit = Decimal(s.ebit.minor) * 12 / s.months
    first = Decimal("6.56") * working / assets + Decimal("3.26") * s.retained_earnings.minor / assets
    first += Decimal("6.72") * year_ebit / assets
    return round6(round6(first) + round6(Decimal("1.05") * s.equity.minor / debts.minor))


def _liabilities(s: FinancialStatement) -> Any:
    """As stated, else what assets and equity leave."""
    if s.total_liabilities is None and None not in (s.total_assets, s.equity):
        return Money(s.total_assets.minor - s.equity.minor, s.currency)
    return s.total_liabilities


def _latest(customer: Customer, as_of: date, view: View) -> tuple[Any, Any]:
    known = seen(FinancialStatement.objects.filter(customer=customer), view, as_of)
    known = [s for s in known if s.effective_on > as_of - timedelta(days=1826)]
    known.sort(key=lambda s: (s.effective_on, s.months, s.pk), reverse=True)
    if not known or (as_of - known[0].effective_on).days > 913:
        return None, None
    earlier = [s for s in known if (known[0].effective_on - s.effective_on).days >= 270]
    # The year before of the same source, where it has one.
    earlier.sort(key=lambda s: (s.source == known[0].source, s.effective_on), reverse=True)
    return known[0], (earlier[0] if earlier else None)


def _quotient(a: Any, b: Any, factor: int = 1, divisor: int = 1) -> float | None:
    if a is None or b is None or b.minor <= 0:
        return None
    return ratio(a.minor * factor, b.minor * divisor)


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else round6(a - b)


def _accounts(account: CreditAccount, as_of: date, view: View) -> dict[str, Any]:
    s, before = _latest(account.customer, as_of, view)
    names = (
        "current_ratio working_capital_share equity_ratio debt_ratio net_margin ebit_margin return_on_assets "
        "asset_turnover altman_z altman_z_gap altman_z_change equity_ratio_change ebit_margin_change revenue_growth "
        "negative_equity statement_age_months"
    ).split()
    if s is None:
        return dict.fromkeys(names)
    working = None
    if None not in (s.current_assets, s.current_liabilities, s.total_assets) and s.total_assets.minor > 0:
        working = ratio(s.current_assets.minor - s.current_liabilities.minor, s.total_assets.minor)
    z, growth = altman(s), None
    if (
        before
        and before.currency == s.currency
        and s.revenue is not None
        and before.revenue is not None
        and before.revenue.minor > 0
    ):
        by_year = s.revenue.minor * before.months, before.revenue.minor * s.months
        growth = min(10.0, round6(ratio(*by_year) - 1))
    sector = _figure(account, as_of, view, account.customer.sector[:2]) if account.customer.sector else None
    return {
        "current_ratio": _quotient(s.current_assets, s.current_liabilities),
        "working_capital_share": working,
        "equity_ratio": _quotient(s.equity, s.total_assets),
        "debt_ratio": _quotient(_liabilities(s), s.total_assets),
        "net_margin": _quotient(s.net_income, s.revenue),
        "ebit_margin": _quotient(s.ebit, s.revenue),
        "return_on_assets": _quotient(s.ebit, s.total_assets, 12, s.months),
        "asset_turnover": _quotient(s.revenue, s.total_assets, 12, s.months),
        "altman_z": z,
        "altman_z_gap": _minus(z, sector.z_median if sector else None),
        "altman_z_change": _minus(z, altman(before) if before else None),
        "equity_ratio_change": _minus(
            _quotient(s.equity, s.total_assets),
            _quotient(before.equity, before.total_assets) if before else None,
        ),
        "ebit_margin_change": _minus(
            _quotient(s.ebit, s.revenue), _quotient(before.ebit, before.revenue) if before else None
        ),
        "revenue_growth": growth,
        "negative_equity": None if s.equity is None else int(s.equity.minor < 0),
        "statement_age_months": (as_of - s.effective_on).days * 12 // 365,
    }


def _head(customer: Customer, as_of: date, view: View) -> int:
    every = list(GroupMembership.objects.filter(customer=customer))
    known = sorted(seen(every, view, as_of), key=lambda g: (g.effective_on, g.pk))
    parent = known[-1].parent_id if known else None if every else customer.parent_id
    return parent or customer.pk


def _group(account: CreditAccount, as_of: date, view: View) -> dict[str, Any]:
    head = _head(account.customer, as_of, view)
    others = [c for c in Customer.objects.exclude(pk=account.customer_id) if _head(c, as_of, view) == head]
    kept = []
    for other in CreditAccount.objects.filter(customer__in=others):
        rows = ScoreHistory.objects.filter(account=other, as_of__lt=as_of)
        if view.recorded_by:
            rows = rows.filter(recorded_at__lte=view.recorded_by)
        if row := rows.order_by("-as_of", "-pk").first():
            kept.append(row)

    def average(name: str) -> float | None:
        have = [(k.exposure + 1, getattr(k, name)) for k in kept if getattr(k, name) is not None]
        weight = sum(w for w, _v in have)
        return ratio(sum(w * Decimal(str(v)) for w, v in have), weight) if weight else None  # type: ignore[arg-type]

    return {
        "group_score": average("score"),
        "group_days_late": average("days_late_12m"),
        "group_overdue_share": average("overdue_share"),
        "group_insolvent": sum(k.insolvent for k in kept),
    }


def _figure(account: CreditAccount, as_of: date, view: View, sector: str) -> PeerFigure | None:
    rows = PeerFigure.objects.filter(
        company=account.company_id, sector=sector, as_of__lt=as_of, as_of__gt=as_of - YEAR
    )
    if view.recorded_by:
        rows = rows.filter(recorded_at__lte=view.recorded_by)
    return rows.order_by("-as_of", "-pk").first()


def _peers(account: CreditAccount, instalments: list[Instalment], as_of: date, view: View) -> dict[str, Any]:
    whole = _figure(account, as_of, view, "")
    sector = _figure(account, as_of, view, account.customer.sector[:2]) if account.customer.sector else None
    mine = sum(
        i.account_amount.minor for i in instalments if i.kind == "invoice" and i.effective_on > as_of - YEAR
    )
    share = None
    if whole and whole.invoiced and whole.currency == account.currency:
        share = min(1.0, ratio(mine, whole.invoiced))
    return {
        "revenue_share": share,
        "sector_late_share": sector.late_share if sector else None,
        "sector_days_late": sector.days_late if sector else None,
    }


def peer_figures_of(rows: list[tuple[str, float | None, float | None, float | None]]) -> dict[str, Any]:
    """Averages and median of (division, late share, days late, Z'') rows, as scoring.peers stores them."""
    found: dict[str, Any] = {}
    for name in {"", *(r[0] for r in rows)} - {None}:
        mine = [r for r in rows if not name or r[0] == name]
        columns = [[r[n] for r in mine if r[n] is not None] for n in (1, 2, 3)]
        found[name] = tuple(
            round6(of(c)) if len(c) >= 5 else None  # type: ignore[operator]
            for c, of in zip(columns, (_mean, _mean, median), strict=True)
        )
    return found


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
