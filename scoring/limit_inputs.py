"""Gathering what limit recommendations need, for many accounts in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from creditdesk.core.dates import Days
from creditdesk.core.money import Money
from customers.exposure import Exposure, exposures, instalments_open_at
from customers.limits import Limit, limits_at
from customers.models import CreditAccount, CreditLimit, DocumentKind, FinancialStatement, Instalment
from customers.rates import MissingRate, RateTable
from scoring.limit_policy import (
    QUARTER_DAYS,
    GradeTerms,
    LimitInputs,
    LimitRecommendation,
    PolicyTerms,
    recommend_limit,
)
from scoring.models import AccountScore, LimitPolicy
from scoring.overrides import effective, overrides_at

Receivables = dict[int, list[tuple[Money, int]]]
CHUNK = 1000
QUARTERS = range(4)
DEFAULT_TERMS = 30
# A score of another month says nothing about the day asked for.
SCORE_MAX_AGE = timedelta(days=31)


class Book:
    """What is the same for every account at a date: policies, rates, receivables per company.

    receivables: as `receivables_at` gives them, where they are known already; else they are added up.
    """

    def __init__(self, as_of: date, receivables: Receivables | None = None) -> None:
        self.as_of = as_of
        self.rates = RateTable.at(as_of)
        self._policies = _policies(as_of)
        self._receivables = receivables_at(as_of) if receivables is None else receivables

    def policy(self, segment_id: int) -> PolicyTerms:
        return self._policies.get(segment_id) or self._policies[None]

    def receivables(self, company_id: int, currency: str) -> tuple[Money, int]:
        """Open invoices of a company in a currency, and how many accounts owe them."""
        total, owing = Money.zero(currency), 0
        for money, accounts in self._receivables.get(company_id, []):
            total, owing = total + self.convert(money, currency), owing + accounts
        return total, owing

    def convert(self, money: Money, currency: str) -> Money:
        return self.rates.convert(money, currency)


def recommendations(
    accounts: Sequence[CreditAccount],
    as_of: date,
    book: Book | None = None,
    *,
    scores: Mapping[int, AccountScore] | None = None,
) -> dict[int, LimitRecommendation]:
    """The recommendation for each account. Accounts need `customer` loaded; MissingRate leaves an account out.

    scores: to be used in place of the stored ones, where a card is only being tried.
    """
    book = book or Book(as_of)
    ids = [account.pk for account in accounts]
    scores = _stored_scores(ids, as_of) if scores is None else scores
    facts = {
        "limits": limits_at(ids, as_of),
        "exposures": exposures(accounts, as_of),
        "purchases": _purchases(ids, as_of),
        "rises": _last_rises(ids, as_of),
        "equity": _equity(accounts, as_of),
        "overrides": overrides_at(ids, as_of),
    }
    found = {}
    for account in accounts:
        policy = book.policy(account.segment_id)
        try:
            inputs = _inputs(account, as_of, book, policy, scores.get(account.pk), facts)
        except MissingRate:
            continue
        found[account.pk] = recommend_limit(inputs, policy)
    return found


def recommendations_of_book(
    as_of: date, account_ids: Sequence[int] | None = None
) -> Iterator[dict[int, LimitRecommendation]]:
    """The same for the whole book (or some accounts), in chunks, so that memory stays flat."""
    book = Book(as_of)
    rows = CreditAccount.objects.order_by("pk")
    if account_ids is not None:
        rows = rows.filter(pk__in=account_ids)
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        chunk = CreditAccount.objects.filter(pk__in=ids[start : start + CHUNK]).select_related("customer")
        yield recommendations(list(chunk), as_of, book)


def _stored_scores(ids: Sequence[int], as_of: date) -> dict[int, AccountScore]:
    rows = AccountScore.objects.filter(account__in=ids, as_of__lte=as_of, as_of__gte=as_of - SCORE_MAX_AGE)
    return {row.account_id: row for row in rows}


def _inputs(
    account: CreditAccount,
    as_of: date,
    book: Book,
    policy: PolicyTerms,
    score: AccountScore | None,
    facts: dict[str, Any],
) -> LimitInputs:
    limit: Limit = facts["limits"][account.pk]
    grade, recommendation = effective(score, facts["overrides"].get(account.pk))
    exposure: Exposure = facts["exposures"][account.pk]
    peak, observed_terms = facts["purchases"].get(account.pk, (0, None))
    equity: Money | None = facts["equity"].get(account.customer_id)
    receivables, owing = book.receivables(account.company_id, account.currency)
    return LimitInputs(
        account_id=account.pk,
        currency=account.currency,
        as_of=as_of,
        current=limit.base,
        score=score.score if score else None,
        grade=grade,
        recommendation=recommendation,
        customer_status=account.customer.status,
        peak_quarter=Money(peak, account.currency),
        terms_days=_first_known(account.customer.terms_days, observed_terms, DEFAULT_TERMS),
        oldest_days_past_due=exposure.oldest_days_past_due,
        equity=None if equity is None else book.convert(equity, account.currency),
        receivables=receivables,
        owing=owing,
        last_rise_on=facts["rises"].get(account.pk),
        rate=book.rates.rate(policy.currency, account.currency)
        if policy.currency != account.currency
        else Decimal(1),
    )


def _first_known(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _purchases(ids: Sequence[int], as_of: date) -> dict[int, tuple[int, int | None]]:
    """Per account: minor units billed in the strongest 91-day quarter, and the terms its invoices had."""
    first = as_of - timedelta(days=QUARTER_DAYS * len(QUARTERS))
    quarters = {
        f"quarter_{n}": Coalesce(
            Sum(
                "account_amount",
                filter=Q(
                    effective_on__gt=as_of - timedelta(days=QUARTER_DAYS * (n + 1)),
                    effective_on__lte=as_of - timedelta(days=QUARTER_DAYS * n),
                ),
            ),
            0,
        )
        for n in QUARTERS
    }
    rows = (
        Instalment.objects.filter(
            account__in=ids,
            kind=DocumentKind.INVOICE,
            superseded_at__isnull=True,
            effective_on__gt=first,
            effective_on__lte=as_of,
        )
        .order_by()
        .values("account")
        .annotate(
            **quarters,
            billed=Sum("account_amount"),
            weighted=Sum(F("account_amount") * Days(F("due_on"), F("effective_on"))),
        )
    )
    return {
        row["account"]: (
            max(int(row[name]) for name in quarters),
            round(Decimal(row["weighted"]) / Decimal(row["billed"])) if row["billed"] else None,
        )
        for row in rows
    }


def _last_rises(ids: Sequence[int], as_of: date) -> dict[int, date]:
    rows = (
        CreditLimit.objects.filter(
            account__in=ids,
            kind="base",
            valid_from__lte=as_of,
            change__old_amount__isnull=False,
            amount__gt=F("change__old_amount"),
        )
        .order_by()
        .values("account")
        .annotate(day=Max("valid_from"))
    )
    return dict(rows.values_list("account", "day"))


def _equity(accounts: Sequence[CreditAccount], as_of: date) -> dict[int, Money]:
    """Equity of each customer by the newest annual accounts known at the date."""
    customers = {account.customer_id for account in accounts}
    known = FinancialStatement.objects.filter(
        superseded_at__isnull=True, known_on__lte=as_of, equity__isnull=False
    )
    newest = known.filter(customer=OuterRef("customer")).order_by("-effective_on", "-pk")
    rows = known.filter(customer__in=customers, pk=Subquery(newest.values("pk")[:1]))
    return {
        pk: Money(equity, currency)
        for pk, equity, currency in rows.values_list("customer", "equity", "currency")
    }


def receivables_at(as_of: date, company_ids: Sequence[int] | None = None) -> Receivables:
    """Per company and currency: its open invoices and how many accounts owe them. A pass over the open ledger."""
    due = instalments_open_at(as_of).filter(kind=DocumentKind.INVOICE)
    if company_ids is not None:
        due = due.filter(company__in=company_ids)
    rows = (
        due.order_by()
        .values("company", "currency")
        .annotate(total=Sum("open_then"), owing=Count("account", distinct=True))
    )
    found: Receivables = {}
    for row in rows:
        found.setdefault(row["company"], []).append((Money(int(row["total"]), row["currency"]), row["owing"]))
    return found


def _policies(as_of: date) -> dict[int | None, PolicyTerms]:
    """The version in force per segment; under None the one for every other segment."""
    rows = LimitPolicy.objects.filter(valid_from__lte=as_of).order_by("valid_from", "version")
    latest = {row.segment_id: row for row in rows.prefetch_related("grades")}
    if None not in latest:
        raise LookupError(
            "No limit policy is in force: run `manage.py migrate`, which installs the shipped one"
        )
    return {segment_id: _terms(row) for segment_id, row in latest.items()}


def _terms(row: LimitPolicy) -> PolicyTerms:
    names = (
        *("version", "currency", "buffer_days", "capacity_percent", "concentration_percent"),
        *("concentration_from_customers", "step", "max_rise_percent", "cool_down_days"),
        *("rise_max_days_past_due", "material_percent"),
    )
    grades = {grade.grade: GradeTerms(grade.ceiling.minor, grade.need_percent) for grade in row.grades.all()}
    return PolicyTerms(
        policy_id=row.pk,
        material_amount=row.material_amount.minor,
        grades=grades,
        **{name: getattr(row, name) for name in names},
    )
