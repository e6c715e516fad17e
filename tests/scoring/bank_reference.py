"""The bank-flow signals by brute force: day by day and line by line in plain Python, from the stored facts."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from fractions import Fraction
from statistics import median

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import exponent
from customers.models import BankConsent, BankTransaction, CreditAccount, ExchangeRate, SupplierPaymentDays
from scoring.signals import SIGNALS, Family

MOST = 24


def _seen(row, view: View) -> bool:
    if view.known_at:
        return row.known_on <= view.known_at and (row.known_until is None or row.known_until > view.known_at)
    if view.recorded_by:
        return row.recorded_at <= view.recorded_by and (
            row.superseded_at is None or row.superseded_at > view.recorded_by
        )
    return row.superseded_at is None


def _cents(currency: str, as_of: date) -> Fraction | None:
    """EUR cents in one minor unit."""
    scale = Fraction(10) ** (2 - exponent(currency))
    if currency == "EUR":
        return Fraction(1)
    rows = [r for r in ExchangeRate.objects.filter(on__lte=as_of) if {r.base, r.quote} == {"EUR", currency}]
    if not rows:
        return None
    newest = max(rows, key=lambda r: (r.on, r.pk))
    rate = Fraction(newest.rate)
    return scale / rate if newest.base == "EUR" else scale * rate


def _clip(value, low, high):
    return None if value is None else max(low, min(high, value))


def values(account: CreditAccount, as_of: date, view: View = CURRENT) -> dict[str, object] | None:
    customer = account.customer_id
    consents = [c for c in BankConsent.objects.filter(customer=customer) if _seen(c, view)]
    if not any(
        c.effective_on <= as_of <= c.expires_on and (c.revoked_on is None or c.revoked_on > as_of)
        for c in consents
    ):
        return None
    rows = [
        t
        for t in BankTransaction.objects.filter(bank_account__customer=customer).select_related(
            "batch", "bank_account"
        )
        if _seen(t, view) and t.effective_on <= as_of
    ]
    if not rows:
        return None
    currencies = {t.bank_account.currency for t in rows}
    unit = currencies.pop() if len(currencies) == 1 else "EUR"

    def convert(minor: int | None, currency: str) -> int | None:
        if minor is None or currency == unit:
            return minor
        rate = _cents(currency, as_of)
        return None if rate is None else round(minor * rate)

    through = max(
        _told_to([t for t in rows if t.bank_account_id == one], as_of)
        for one in {t.bank_account_id for t in rows}
    )
    first = min(t.effective_on for t in rows)
    days = (through - first).days + 1
    age = (as_of - through).days
    lines = [
        (
            (through - t.effective_on).days,
            convert(t.__dict__["amount"], t.bank_account.currency),
            t,
        )
        for t in rows
        if t.effective_on <= through
    ]
    if age > 60 or any(amount is None for _ago, amount, _t in lines):
        return None
    found: dict[str, object] = {"history_days": days, "data_age": age}
    found |= _balances(lines, days, through, convert)
    found |= _flows(lines, days)
    found |= _weeks(lines, days)
    scale = 10 ** exponent(account.currency)
    factor = Fraction(1)
    if unit != account.currency:
        own, other = _cents(unit, as_of), _cents(account.currency, as_of)
        factor = own / other if own is not None and other is not None else None
    for name in ("balance_now", "balance_low", "inflow_month", "outflow_month"):
        value = found[name]
        found[name] = None if value is None or factor is None else Fraction(value) * factor / scale
    return {f"bank_{name}": value for name, value in found.items()}


def _told_to(rows, as_of: date) -> date:
    """To the end of the file that holds the account's lines, unless it was silent for 35 days before."""
    last = max(t.effective_on for t in rows)
    ends = [min(as_of, t.batch.complete_through) for t in rows if t.batch and t.batch.complete_through]
    return max(ends) if ends and 0 <= (max(ends) - last).days <= 35 else last


def _balances(lines, days, through, convert) -> dict[str, object]:
    by_account = defaultdict(list)
    for ago, _amount, t in lines:
        by_account[t.bank_account_id].append(
            (ago, t.pk, convert(t.__dict__["balance"], t.bank_account.currency))
        )
    known = all(balance is not None for rows in by_account.values() for _a, _p, balance in rows)
    ending = {}
    for ago in range(days):
        total = 0
        for rows in by_account.values():
            past = [(-a, pk, balance) for a, pk, balance in rows if a >= ago]
            if past and known:
                total += max(past)[2]
        ending[ago] = total
    out = {w: sum(-a for ago, a, _t in lines if a < 0 and ago < w) for w in (90, 180)}
    inflow = sum(a for ago, a, _t in lines if a > 0 and ago < 90)
    found: dict[str, object] = {}
    for window, minimum, of in ((30, 30, 90), (90, 60, 90), (180, 120, 180)):
        some = [ending[ago] for ago in range(min(window, days))]
        ok = known and days >= minimum
        month = Fraction(out[of] * 30, min(days, of))
        with_out = ok and out[of] > 0
        average = Fraction(sum(some), len(some))
        found[f"avg_balance_{window}"] = _clip(average / month, -MOST, MOST) if with_out else None
        found[f"low_balance_{window}"] = _clip(Fraction(min(some)) / month, -MOST, MOST) if with_out else None
        if window > 30:
            found[f"days_below_zero_{window}"] = sum(b < 0 for b in some) if ok else None
    now = ending[0] if known else None
    if not known or days < 60:
        found["runway"] = None
    elif now <= 0:
        found["runway"] = 0
    elif out[90] <= inflow:
        found["runway"] = MOST
    else:
        found["runway"] = min(MOST, Fraction(now) / Fraction((out[90] - inflow) * 30, min(days, 90)))
    found["balance_now"] = now
    found["balance_low"] = min(ending[a] for a in range(min(90, days))) if known and days >= 60 else None
    return found


def _flows(lines, days) -> dict[str, object]:
    def total(low, high, sign):
        return sum(abs(a) for ago, a, _t in lines if low <= ago <= high and a * sign > 0)

    def trend(sign):
        before = total(90, 179, sign)
        if days < 150 or not before:
            return None
        return min(10, Fraction(total(0, 89, sign), 90) / Fraction(before, min(days, 180) - 90))

    in90, out90, in180, out180 = total(0, 89, 1), total(0, 89, -1), total(0, 179, 1), total(0, 179, -1)
    d60, d120 = days >= 60, days >= 120
    sources = defaultdict(int)
    for ago, a, t in lines:
        if a > 0 and ago < 180 and t.counterparty:
            sources[t.counterparty] += a
    named = sum(sources.values())
    cash = sum(abs(a) for ago, a, t in lines if t.category == "cash" and ago < 180)
    outs = [-a for ago, a, _t in lines if a < 0 and ago < 90]
    ins = [ago for ago, a, _t in lines if a > 0]
    months = [total(30 * n, 30 * n + 29, 1) for n in range(6)]
    if not d60 or not in90 + out90:
        largest = None
    elif not outs:
        largest = 0
    else:
        largest = min(10, Fraction(max(outs), in90)) if in90 else 10
    return {
        "inflow_trend": trend(1),
        "outflow_trend": trend(-1),
        "net_flow_90": Fraction(in90 - out90, in90 + out90) if d60 and in90 + out90 else None,
        "net_flow_180": Fraction(in180 - out180, in180 + out180) if d120 and in180 + out180 else None,
        "rejected_180": sum(t.is_rejected and t.category != "sanction" and ago < 180 for ago, _a, t in lines)
        if d60
        else None,
        "sanction_interest_180": sum(t.category == "sanction" and ago < 180 for ago, _a, t in lines)
        if d60
        else None,
        "top_source_share": Fraction(max(sources.values()), named)
        if d60 and named and named * 2 >= in180
        else None,
        "cash_share": Fraction(cash, in180 + out180) if d60 and in180 + out180 else None,
        "largest_outflow": largest,
        "days_since_inflow": (min(ins) if ins else days) if days >= 30 else None,
        "inflow_floor": Fraction(min(months) * 6, in180) if days >= 180 and in180 else None,
        "inflow_month": Fraction(in90 * 30, min(days, 90)) if d60 else None,
        "outflow_month": Fraction(out90 * 30, min(days, 90)) if d60 else None,
    }


def _weeks(lines, days) -> dict[str, object]:
    whole = min(days // 7, 30)
    net, inflow = [0] * whole, [0] * whole
    for ago, a, _t in lines:
        if ago // 7 < whole:
            net[ago // 7] += a
            inflow[ago // 7] += max(a, 0)

    def spread(some):
        mean = Fraction(sum(some), len(some))
        return sum((abs(x - mean) for x in some), Fraction(0)) / len(some)

    n26, i26 = net[:26], inflow[:26]
    enough = len(n26) >= 13
    mean_in = Fraction(sum(i26), len(i26)) if i26 else 0
    found: dict[str, object] = {
        "volatility": min(10, spread(n26) / mean_in) if enough and mean_in else None,
        "inflow_volatility": spread(i26) / mean_in if enough and mean_in else None,
        "inflow_weeks_share": Fraction(sum(x > 0 for x in i26), len(i26)) if enough else None,
        "sudden_change": None,
    }
    level = [Fraction(sum(net[n : n + 4])) for n in range(len(net) - 3)]
    history = level[4:]
    if len(history) >= 13:
        middle = median(history)
        mad = median(abs(x - middle) for x in history)
        if mad:
            found["sudden_change"] = _clip((level[0] - middle) / (Fraction("1.4826") * mad), -20, 20)
    return found


def signals_of(account: CreditAccount, as_of: date, view: View) -> dict[str, float | int | None]:
    """Bank flows and supplier days of one account, missing ones included."""
    found = values(account, as_of, view) or dict.fromkeys(
        (s.name for s in SIGNALS if s.family == Family.BANK), None
    )
    plain = {name: float(v) if isinstance(v, Fraction) else v for name, v in found.items()}
    return plain | _supplier_days(account, as_of, view)


def _supplier_days(account: CreditAccount, as_of: date, view: View) -> dict[str, int | None]:
    rows = [
        p
        for p in SupplierPaymentDays.objects.filter(customer=account.customer_id).order_by("pk")
        if _seen(p, view) and p.effective_on <= as_of
    ]
    periods = sorted({p.effective_on: p.days for p in rows}.items())
    found: dict[str, int | None] = dict.fromkeys(
        ("supplier_days", "supplier_days_rise", "supplier_days_slow"), None
    )
    if not periods or (as_of - periods[-1][0]).days > 270:
        return found
    newest, now = periods[-1]
    found["supplier_days"] = now
    back = [days for on, days in periods if 150 <= (newest - on).days <= 240]
    if back:
        found["supplier_days_rise"] = now - back[0]
    if len(periods) > 1 and (newest - periods[-2][0]).days <= 120:
        found["supplier_days_slow"] = int(now > 60 and periods[-2][1] > 60)
    return found
