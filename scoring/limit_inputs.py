"""Gathering what limit recommendations need, for many accounts in a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from creditdesk.core.money import Money
from customers.exposure import Exposure, exposures, instalments_open_at
from customers.limits import Limit, limits_at
from customers.models import CreditAccount, Customer, DocumentKind
from customers.rates import MissingRate, RateTable
from scoring import limit_facts
from scoring.agency_words import agency_limits
from scoring.limit_groups import limits_of_others
from scoring.limit_policy import LimitInputs, LimitRecommendation, PolicyTerms, recommend_limit
from scoring.limit_terms import AgencyLimit
from scoring.models import AccountScore
from scoring.overrides import effective, overrides_at
from scoring.policies import policies_at

Receivables = dict[int, list[tuple[Money, int]]]
CHUNK = 1000
DEFAULT_TERMS = 30
# A score of another month says nothing about the day asked for.
SCORE_MAX_AGE = timedelta(days=31)


class Book:
    """What is the same for every account at a date: policies, rates, receivables per company.

    receivables: as `receivables_at` gives them, where they are known already; else they are added up.
    instead: the policies of some segments (None: of all without one of their own) in place of those in force.
    rates, in_force: where they are known already.
    """

    def __init__(
        self,
        as_of: date,
        receivables: Receivables | None = None,
        *,
        instead: Mapping[int | None, PolicyTerms] | None = None,
        rates: RateTable | None = None,
        in_force: Mapping[int | None, PolicyTerms] | None = None,
    ) -> None:
        self.as_of = as_of
        self.rates = rates or RateTable.at(as_of)
        self._policies = {**(in_force or policies_at(as_of, causes=False)), **(instead or {})}
        self._receivables = receivables_at(as_of) if receivables is None else receivables

    def policy(self, segment_id: int) -> PolicyTerms:
        return self._policies.get(segment_id) or self._policies[None]

    @property
    def asks_of_groups(self) -> bool:
        """Some policy caps groups: only then their members' limits are read."""
        return any(policy.group_ceiling is not None for policy in self._policies.values())

    @property
    def asks_agencies(self) -> bool:
        """Some policy caps by what agencies recommend: only then their reports are read."""
        return any(policy.agency_percent for policy in self._policies.values())

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
    scores = stored_scores(ids, as_of) if scores is None else scores
    found = {}
    facts = gather(accounts, as_of, groups=book.asks_of_groups, agencies=book.asks_agencies)
    for account in accounts:
        policy = book.policy(account.segment_id)
        try:
            inputs = inputs_of(account, as_of, book, policy, scores.get(account.pk), facts)
        except MissingRate:
            continue
        found[account.pk] = recommend_limit(inputs, policy)
    return found


def gather(
    accounts: Sequence[CreditAccount], as_of: date, *, groups: bool, agencies: bool = False
) -> dict[str, Any]:
    """The facts of some accounts by name, each {account id: ...} (equity by customer).

    groups: also the limits of the other members of their groups. agencies: also the limits that agencies recommend.
    """
    ids = [account.pk for account in accounts]
    customers = sorted({account.customer_id for account in accounts})
    return {
        "limits": limits_at(ids, as_of),
        "exposures": exposures(accounts, as_of),
        "purchases": limit_facts.purchases(ids, as_of),
        "moves": limit_facts.moves_of_a_year(ids, as_of),
        "equity": limit_facts.equity(customers, as_of),
        "gates": limit_facts.gate_facts(ids, as_of),
        "others": limits_of_others(accounts, as_of) if groups else {},
        "overrides": overrides_at(ids, as_of),
        "agencies": agency_limits(customers, as_of) if agencies else {},
    }


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


def stored_scores(ids: Sequence[int], as_of: date) -> dict[int, AccountScore]:
    """The current score of each account, where it speaks of about that day."""
    rows = AccountScore.objects.filter(account__in=ids, as_of__lte=as_of, as_of__gte=as_of - SCORE_MAX_AGE)
    return {row.account_id: row for row in rows}


def inputs_of(
    account: CreditAccount,
    as_of: date,
    book: Book,
    policy: PolicyTerms,
    score: AccountScore | None,
    facts: dict[str, Any],
) -> LimitInputs:
    """The inputs of one account from what `gather` found. Raises MissingRate."""
    limit: Limit = facts["limits"][account.pk]
    grade, recommendation = effective(score, facts["overrides"].get(account.pk))
    exposure: Exposure = facts["exposures"][account.pk]
    peak, observed_terms = facts["purchases"].get(account.pk, (0, None))
    equity: Money | None = facts["equity"].get(account.customer_id)
    receivables, owing = book.receivables(account.company_id, account.currency)
    moves = facts["moves"].get(account.pk, limit_facts.NO_MOVES)
    asked: limit_facts.GateFacts = facts["gates"].get(account.pk, limit_facts.NO_GATE_FACTS)
    others: list[Money] | None = facts["others"].get(account.pk)
    told = facts["agencies"].get(account.customer_id, ()) if policy.agency_percent else ()
    agency, left_out = _lowest(told, account.currency, book)
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
        last_rise_on=moves.last_rise_on,
        rate=book.rates.rate(policy.currency, account.currency)
        if policy.currency != account.currency
        else Decimal(1),
        bank_inflow=_bank_inflow(account, score),
        agency=agency,
        agencies_left_out=left_out,
        secured=limit_facts.most_secured(exposure),
        group_others=None if others is None else _total(others, account.currency, book),
        group_size=len(others or ()),
        limit_year_ago=None if moves.limit_then is None else Money(moves.limit_then, account.currency),
        rises_in_year=moves.rises,
        promise_broken_on=asked.promise_broken_on,
        event_on=asked.event_on,
        score_before=asked.best_score,
        exposure=exposure.total,
        on_hold=asked.on_hold or account.customer.status == Customer.Status.ON_HOLD,
        pd=score.pd if score else None,
        at_risk=exposure.at_risk,
    )


def _bank_inflow(account: CreditAccount, score: AccountScore | None) -> Money | None:
    """From the stored score: it was read there under a consent in force, and logged."""
    # A column per signal, made from the catalogue: unknown to type checkers.
    inflow = getattr(score, "bank_inflow_month", None)
    return None if inflow is None else Money.of(round(Decimal(str(inflow))), account.currency)


def _lowest(
    said: Iterable[tuple[str, date, Money]], currency: str, book: Book
) -> tuple[AgencyLimit | None, tuple[str, ...]]:
    """The lowest of what agencies recommend, and the currencies of those left out because no rate converts them."""
    found, left_out = [], set()
    for agency, on, stated in said:
        try:
            rate = book.rates.rate(stated.currency, currency)
            found.append(AgencyLimit(agency, on, stated, book.convert(stated, currency), rate))
        except MissingRate:
            left_out.add(stated.currency)
    return min(found, key=lambda one: (one.converted, one.agency), default=None), tuple(sorted(left_out))


def _total(amounts: Iterable[Money], currency: str, book: Book) -> Money:
    return sum((book.convert(money, currency) for money in amounts), Money.zero(currency))


def _first_known(*values: int | None) -> int:
    return next(value for value in values if value is not None)


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
