"""Whom to ask about tonight: customers above an agency's amount whose newest answer is past the age rule.

Who owes or may owe most comes first, and nobody is asked beyond what is left of the month's budget. Set-based: a fixed
number of queries for the whole book. What is chosen here is asked later, one task each, by the rules of the walk again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from creditdesk.core.audit import Actor
from creditdesk.core.money import Money
from customers.bureau.ages import is_young, newest_answers, usable, was_in_vain
from customers.bureau.bases import in_force
from customers.bureau.budget import budgets
from customers.bureau.pulling import put_in_doubt
from customers.bureau.waterfall import answers_for, providers_for, repeats
from customers.exposure import totals_now
from customers.limits import limits_at
from customers.models import BureauAnswer, BureauProvider, BureauPull, CreditAccount, Customer
from customers.rates import MissingRate, RateTable

ALIVE = (Customer.Status.PROSPECT, Customer.Status.ACTIVE, Customer.Status.ON_HOLD)
NIGHT_ACTOR = Actor.job("agency reports at night")
# So many questions in a row of which nothing came, and an agency is left alone for the night.
DOWN_AFTER = 5
# So long a lost question may still be sent with its own key.
REPEAT_DAYS = 7
_NOTHING_CAME = (
    *(BureauPull.Outcome.UNAVAILABLE, BureauPull.Outcome.REFUSED, BureauPull.Outcome.DOUBT),
    *(BureauPull.Outcome.ASKED, BureauPull.Outcome.BAD_ANSWER),
)
_NOT_ASKED = (BureauPull.Outcome.TOO_YOUNG, BureauPull.Outcome.NO_BUDGET, BureauPull.Outcome.NO_BASIS)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A customer to ask about, and the agencies that may be asked, in their order."""

    customer_id: int
    providers: tuple[int, ...]


@dataclass(slots=True)
class Night:
    """What the plan of a night found. over_budget: customers left out because the month's money is used."""

    chosen: list[Chosen]
    over_budget: int = 0
    no_rate: int = 0


def plan_night(as_of: date) -> Night:
    """Whom to ask about, the dearest first; at most ten queries, whatever the size of the book."""
    providers = providers_for(BureauPull.Cause.NIGHT)
    night = Night([])
    if not providers:
        return night
    accounts = CreditAccount.objects.filter(
        joined_into__isnull=True, customer__merged_into__isnull=True, customer__status__in=ALIVE
    )
    amounts, night.no_rate = _amounts(accounts, as_of, {one.currency for one in providers})
    everyone = list(BureauProvider.objects.order_by("position", "slug"))
    scope = accounts.order_by().values("customer")
    answers = newest_answers(scope, as_of)
    people = {one.pk: one for one in _askable(scope, as_of)}
    left = {
        pk: (None if month.left is None else month.left.minor)
        for pk, month in budgets(providers, as_of).items()
    }
    rank = providers[0].currency
    for customer_id in sorted(
        amounts, key=lambda pk: (-amounts[pk].get(rank, (0, 0))[0], -max(amounts[pk].get(rank, (0, 0))), pk)
    ):
        customer = people.get(customer_id)
        if customer is None or usable(customer_id, answers, everyone, as_of):
            continue
        able = [
            one
            for one in providers
            if one.ask_above is not None
            and max(amounts[customer_id].get(one.currency, (0, 0))) > one.ask_above.minor
            and answers_for(one, customer) is None
            and not is_young(answers.get((customer_id, one.slug)), one, as_of)
            and not was_in_vain(answers.get((customer_id, one.slug)), as_of)
        ]
        payer = next((one for one in able if left[one.pk] is None or left[one.pk] >= one.price.minor), None)
        if payer is not None:
            if left[payer.pk] is not None:
                left[payer.pk] -= payer.price.minor
            night.chosen.append(Chosen(customer_id, tuple(one.pk for one in able)))
        elif able:
            night.over_budget += 1
    return night


def _askable(scope: Any, as_of: date) -> QuerySet[Customer]:
    """Natural persons only with a basis on record."""
    company = Q(kind=Customer.Kind.COMPANY) | Q(pk__in=in_force(as_of).values("customer"))
    return Customer.objects.filter(company, pk__in=scope).only("pk", "country", "kind")


def _amounts(
    accounts: QuerySet[CreditAccount], as_of: date, currencies: set[str]
) -> tuple[dict[int, dict[str, tuple[int, int]]], int]:
    """{customer: {currency: (exposure, limit)}} in minor units, and how many accounts have no exchange rate."""
    owners = {
        pk: (customer, currency)
        for pk, customer, currency in accounts.values_list("pk", "customer_id", "currency")
    }
    money: dict[tuple[int, str, int], int] = defaultdict(int)
    for (pk, currency), minor in totals_now(accounts.order_by().values("pk"), as_of).items():
        money[owners[pk][0], currency, 0] += minor
    for pk, limit in limits_at(accounts.order_by(), as_of).items():
        if limit.in_force is not None:
            money[owners[pk][0], owners[pk][1], 1] += limit.in_force.minor
    rates = RateTable.at(as_of)
    found: dict[int, dict[str, list[int]]] = defaultdict(dict)
    missing = 0
    for (customer, currency, part), minor in money.items():
        for wanted in currencies:
            try:
                worth = rates.convert(Money(minor, currency), wanted).minor
            except MissingRate:
                missing += 1
                continue
            found[customer].setdefault(wanted, [0, 0])[part] += worth
    return {
        pk: {name: (both[0], both[1]) for name, both in own.items()} for pk, own in found.items()
    }, missing


def is_down(provider: int, as_of: date, now: datetime) -> bool:
    """Whether the last questions of the night to the agency all came to nothing; those on their way do not count."""
    last = BureauPull.objects.filter(provider=provider, asked_on=as_of, cause=BureauPull.Cause.NIGHT).exclude(
        Q(outcome__in=_NOT_ASKED) | Q(outcome=BureauPull.Outcome.ASKED, claimed_until__gt=now)
    )
    outcomes = list(last.order_by("-asked_at", "-pk").values_list("outcome", flat=True)[:DOWN_AFTER])
    return len(outcomes) == DOWN_AFTER and all(one in _NOTHING_CAME for one in outcomes)


def settle_lost(as_of: date, now: datetime) -> int:
    """Questions of earlier days of which nothing came back are put down as doubtful; returns how many.

    Where the agency repeats safely they wait some days for the next walk, which sends them with their own key.
    """
    repeating = [one.pk for one in BureauProvider.objects.filter(is_on=True) if repeats(one)]
    lost = BureauPull.objects.select_for_update(of=("self",)).filter(
        outcome=BureauPull.Outcome.ASKED, asked_on__lt=as_of, claimed_until__lt=now
    )
    lost = lost.exclude(provider__in=repeating, asked_on__gte=as_of - timedelta(days=REPEAT_DAYS))
    rows = list(lost.select_related("provider", "customer").order_by("pk")[:1000])
    for row in rows:
        put_in_doubt(row, now=now, actor=NIGHT_ACTOR)
    return len(rows)


def erase_answers(as_of: date) -> int:
    """Delete the raw answers whose time is over; the facts read from them stay."""
    return BureauAnswer.objects.filter(erase_on__lte=as_of).delete()[0]
