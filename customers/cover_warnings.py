"""What is about to happen to cover, and by when somebody has to act: expiry, notices to insurers, cover that stops."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from creditdesk.core.facts import CURRENT
from creditdesk.core.money import Money
from customers.cover_terms import CoverPart
from customers.exposure import Rates, exposures
from customers.models import Cover, CoverNotice, CreditAccount
from customers.open_items import Item

EXPIRES, NOTIFY, STOPS, STOPPED, WITHDRAWN = "expires", "notify", "stops", "stopped", "withdrawn"
DAYS_AHEAD = 60
# A notice is a matter of days; what was missed stays on the list this long.
NOTICE_AHEAD, MISSED_FOR = 21, 30


@dataclass(frozen=True, slots=True)
class CoverWarning:
    """kind: one of the constants above. on: the day it happens or by which to act. amount: what is at stake.

    due_through: for a notice, the due day up to which invoices are to be told. Money in the account's currency.
    """

    kind: str
    on: date
    account: CreditAccount
    cover: Cover
    amount: Money
    due_through: date | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """How much of what an insurer pays in all under one policy is called for by today's exposures."""

    provider: str
    policy: str
    limit: Money
    used: Money
    accounts: int

    @property
    def share(self) -> float:
        return self.used.minor / self.limit.minor


def cover_watch(
    accounts: QuerySet[CreditAccount], as_of: date, days: int = DAYS_AHEAD
) -> tuple[list[CoverWarning], list[PolicyUse]]:
    """Warnings of the accounts' covers, the most urgent first, and the use of policies with a maximum.

    accounts: with customer loaded. A constant number of queries. Raises MissingRate.
    """
    live = Cover.objects.filter(
        Q(expires_on__isnull=True) | Q(expires_on__gte=as_of),
        superseded_at__isnull=True,
        effective_on__lte=as_of,
        account__in=accounts.order_by().values("pk"),
    )
    covered = accounts.filter(pk__in=live.values("account"))
    found = {account.pk: account for account in covered}
    rows_of: dict[int, list[Item]] = {pk: [] for pk in found}
    owed = exposures(covered, as_of, rows_of=rows_of)
    notices: dict[int, list[CoverNotice]] = defaultdict(list)
    told = CoverNotice.objects.filter(superseded_at__isnull=True, effective_on__lte=as_of)
    for notice in told.filter(account__in=covered.order_by().values("pk")):
        notices[notice.account_id].append(notice)
    rates = Rates(as_of, CURRENT)
    warnings: list[CoverWarning] = []
    uses: dict[tuple[str, str, str], tuple[int, Money, set[int]]] = {}
    for pk, exposure in owed.items():
        for part in exposure.standing.parts if exposure.standing else ():
            if part.why_not:
                continue
            warnings += _of_part(part, found[pk], rows_of[pk], notices.get(pk, ()), as_of, days, rates)
            _use(part, uses, rates)
    warnings.sort(key=lambda one: (one.on, -one.amount.minor, one.account.pk))
    policies = [
        PolicyUse(provider, policy, Money(limit, currency), used, len(whose))
        for (provider, policy, currency), (limit, used, whose) in sorted(uses.items())
    ]
    return warnings, policies


def _of_part(
    part: CoverPart,
    account: CreditAccount,
    items: list[Item],
    notices: Any,
    as_of: date,
    days: int,
    rates: Rates,
) -> list[CoverWarning]:
    cover = part.cover
    found = []
    if cover.expires_on is not None and cover.expires_on <= as_of + timedelta(days=days):
        found.append(CoverWarning(EXPIRES, cover.expires_on, account, cover, part.secured))
    if cover.withdrawn_on is not None and cover.withdrawn_on <= as_of and part.secured.minor:
        found.append(CoverWarning(WITHDRAWN, cover.withdrawn_on, account, cover, part.secured))
    invoices = [item for item in items if item.part == "open_invoices" and item.due_on is not None]

    def sum_of(rows: list[Item]) -> Money:
        zero = Money.zero(account.currency)
        return sum((rates.convert(Money(one.minor, one.currency), account.currency) for one in rows), zero)

    if cover.max_extension_days is not None and invoices and cover.withdrawn_on is None:
        stops = min(item.due_on for item in invoices) + timedelta(days=cover.max_extension_days)  # type: ignore[type-var,operator]
        if stops < as_of:
            found.append(CoverWarning(STOPPED, stops, account, cover, part.limit - part.base))
        elif stops <= as_of + timedelta(days=NOTICE_AHEAD):
            found.append(CoverWarning(STOPS, stops, account, cover, part.limit - part.base))
    if cover.notify_days is not None:
        found += _notices(part, account, invoices, notices, as_of, sum_of)
    return found


def _notices(
    part: CoverPart, account: CreditAccount, invoices: list[Item], notices: Any, as_of: date, sum_of: Any
) -> list[CoverWarning]:
    """Overdue invoices that the insurer has not been told of: those still in time, and those just missed."""
    cover = part.cover
    wait = timedelta(days=cover.notify_days or 0)
    told = [n for n in notices if not n.policy or n.policy == cover.policy]
    late: dict[bool, list[Item]] = {True: [], False: []}
    for item in invoices:
        deadline = item.due_on + wait  # type: ignore[operator]
        if item.due_on >= as_of or any(  # type: ignore[operator]
            n.due_through >= item.due_on and n.effective_on <= deadline for n in told
        ):
            continue
        if as_of - timedelta(days=MISSED_FOR) <= deadline <= as_of + timedelta(days=NOTICE_AHEAD):
            late[deadline < as_of].append(item)
    return [
        CoverWarning(
            NOTIFY,
            min(item.due_on for item in rows) + wait,  # type: ignore[type-var,operator]
            account,
            cover,
            sum_of(rows),
            due_through=max(item.due_on for item in rows),  # type: ignore[type-var]
            missed=missed,
        )
        for missed, rows in late.items()
        if rows
    ]


def _use(
    part: CoverPart, uses: dict[tuple[str, str, str], tuple[int, Money, set[int]]], rates: Rates
) -> None:
    cover = part.cover
    if cover.policy_limit is None:
        return
    key = (cover.provider, cover.policy, cover.currency)
    limit, used, whose = uses.get(key, (0, Money.zero(cover.currency), set()))
    used += rates.convert(part.secured, cover.currency)
    uses[key] = (max(limit, cover.policy_limit.minor), used, whose | {cover.account_id})
