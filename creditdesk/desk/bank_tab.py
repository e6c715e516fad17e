"""The tab "Bank flows" of the customer page. Opening it is a read of bank data, and is logged as one."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from creditdesk.core import charts
from creditdesk.core.audit import Actor
from creditdesk.core.flow_charts import signed_bars
from creditdesk.core.money import to_decimal
from creditdesk.core.pages import paged
from creditdesk.core.wording import day, number
from creditdesk.desk.bank_sentences import sentences, table
from customers.bank.access import read_lines
from customers.bank.consents import BALANCES, consent_of, scope_label, scope_of
from customers.models import BankConsent, BankDataAccess, BankTransaction, CreditAccount
from scoring.bank_flows import bank_values
from scoring.statement import Scope

SHOWN_DAYS, SHOWN_WEEKS = 400, 30


def bank(request: HttpRequest, account: CreditAccount, as_of: date) -> dict[str, Any]:
    customer = account.customer
    consent = consent_of(customer, as_of)
    latest = consent or BankConsent.objects.filter(customer=customer).order_by("-expires_on", "-pk").first()
    context: dict[str, Any] = {"consent": consent, "latest": latest, "why_not": _why_not(latest, as_of)}
    if consent is None:
        return context
    number_of_page = request.GET.get("page", "1")
    lines = read_lines(
        customer,
        reader=Actor.person(request.user),
        what=BankDataAccess.What.PAGE,
        on=as_of,
        purpose=consent.purpose,
        page=number_of_page[:6],
    )
    page = paged(request, lines)
    reads_balances = BALANCES in scope_of(consent)
    for line in page:
        line.shown_balance = line.balance if reads_balances else None
    values = bank_values(as_of, Scope.of([account.pk])).get(account.pk)
    said = sentences(values, account.currency) if values else []
    reads = BankDataAccess.objects.filter(customer=customer).order_by("-at", "-pk")
    return context | {
        "page": page,
        "scope": scope_label(consent),
        "values": values,
        "worrying": [one for one in said if one.tone == "bad"],
        "reassuring": [one for one in said if one.tone != "bad"],
        "signals": table(values, account.currency) if values else [],
        "charts": _charts(lines, as_of, reads_balances) if page.paginator.count else None,
        "reads": reads.select_related("user")[:5],
    }


def _why_not(latest: BankConsent | None, as_of: date) -> str:
    """Why there is nothing to read, and what to do."""
    if latest is None:
        return _("The customer has not consented to its bank data being read.")
    if latest.revoked_on:
        return _("The consent was revoked on %(day)s; the bank data is deleted.") % {
            "day": day(latest.revoked_on)
        }
    if latest.expires_on < as_of:
        return _("The consent expired on %(day)s: the bank data is neither read nor scored any more.") % {
            "day": day(latest.expires_on)
        }
    if latest.effective_on > as_of:
        return _("The consent begins on %(day)s.") % {"day": day(latest.effective_on)}
    return ""


def _charts(lines: QuerySet[BankTransaction], as_of: date, reads_balances: bool) -> dict[str, Any]:
    """Balance by day with incidents on it, and the net flow by week; of the currency most lines are in."""
    rows = list(
        lines.filter(effective_on__gt=as_of - timedelta(days=SHOWN_DAYS))
        .order_by("effective_on", "pk")
        .values_list(
            *("effective_on", "amount", "balance", "is_rejected", "category"),
            *("bank_account", "bank_account__currency"),
        )
    )
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row[6]] += 1
    currency = max(counts, key=lambda name: (counts[name], name)) if counts else ""
    rows = [row for row in rows if row[6] == currency]
    title = _("Balance at the end of the day, %(currency)s") % {"currency": currency}
    balance = charts.line_chart(
        [charts.Series(_("balance"), _balance_points(rows, currency, as_of) if reads_balances else [])],
        title=title,
        events=_incidents(rows),
        fmt=lambda value: number(round(value)),
    )
    newest = rows[-1][0] if rows else None
    return {"currency": currency, "balance": balance, "weeks": _weekly(rows, currency), "newest": newest}


def _balance_points(rows: list[Any], currency: str, as_of: date) -> list[tuple[date, float | None]]:
    """The accounts' balances together, on every day on which one moved; steps are drawn as steps."""
    of_account: dict[int, int] = {}
    by_day: dict[date, int | None] = {}
    for on, _amount, balance, _rejected, _category, account, _currency in rows:
        if balance is None:
            return []
        of_account[account] = balance
        by_day[on] = sum(of_account.values())
    points: list[tuple[date, float | None]] = []
    for on, total in sorted(by_day.items()):
        value = None if total is None else float(to_decimal(total, currency))
        if points and (on - points[-1][0]).days > 1:
            points.append((on - timedelta(days=1), points[-1][1]))
        points.append((on, value))
    return points


def _incidents(rows: list[Any]) -> list[charts.Event]:
    by_day: dict[date, int] = defaultdict(int)
    for on, _amount, _balance, rejected, _category, _account, _currency in rows:
        by_day[on] += rejected
    return [
        charts.Event(
            on,
            ngettext(
                "%(n)s payment returned, refused or sanctioned",
                "%(n)s payments returned, refused or sanctioned",
                n,
            )
            % {"n": n},
            "bad",
        )
        for on, n in sorted(by_day.items())
        if n
    ]


def _weekly(rows: list[Any], currency: str) -> charts.Chart | None:
    if not rows:
        return None
    last = max(row[0] for row in rows)
    first = min(row[0] for row in rows)
    weeks = min(SHOWN_WEEKS, (last - first).days // 7 + 1)
    net = [0] * weeks
    for row in rows:
        place = (last - row[0]).days // 7
        if place < weeks:
            net[place] += row[1]
    ends = [last - timedelta(days=7 * n) for n in range(weeks)]
    return signed_bars(
        [day(end) for end in reversed(ends)],
        [round(float(to_decimal(value, currency))) for value in reversed(net)],
        title=_("Net flow by week, %(currency)s") % {"currency": currency},
        label=_("inflow less outflow"),
        fmt=lambda value: number(round(value)),
    )
