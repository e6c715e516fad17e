"""The rows of the review queue: contests by their deadline, then the most exposure first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet

from creditdesk.core.money import Money
from customers.exposure import Exposure, exposures, totals_now
from customers.models import CreditAccount
from customers.rates import MissingRate, RateTable
from scoring.models import AccountScore, ScoreReview
from scoring.reviews_of_scores import contest_of, open_contests, why, with_contests

LISTED = 10_000
"""Up to here ids travel as a list; beyond, the condition itself does (SQLite bounds the variables of a query)."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Accounts in the order of the queue. missing_rate: which rate the order wants, "" when none."""

    ids: list[int]
    missing_rate: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One waiting account as the queue shows it."""

    account: CreditAccount
    score: AccountScore
    exposure: Exposure | None
    contest: ScoreReview | None
    why: str
    days_left: int | None


def ranked(accounts: QuerySet[CreditAccount], as_of: date) -> Ranked:
    """The queue in its order; a fixed number of queries however many wait.

    Amounts are weighed in their company's currency. Without a rate the worst score comes first instead.
    """
    found = list(accounts.order_by().values_list("pk", "company__currency", "score_row__score"))
    homes = {pk: home for pk, home, _score in found}
    scope = list(homes) if len(homes) <= LISTED else accounts.order_by().values("pk")
    contests = open_contests().filter(account__in=scope).order_by("-valid_until")
    deadlines = dict(contests.values_list("account", "valid_until"))
    weights, missing = dict.fromkeys(homes, Decimal(0)), ""
    try:
        rates = RateTable.at(as_of)
        for (pk, currency), minor in totals_now(scope, as_of).items():
            weights[pk] += rates.convert(Money(minor, currency), homes[pk]).amount
    except MissingRate as error:
        weights, missing = dict.fromkeys(homes, Decimal(0)), str(error)
    order = sorted(found, key=lambda r: (deadlines.get(r[0], date.max), -weights[r[0]], r[2] or 0, r[0]))
    return Ranked([pk for pk, *_rest in order], missing)


def rows(ids: Sequence[int], as_of: date) -> list[Row]:
    """The rows of a page, in the order of `ids`, in a constant number of queries."""
    loaded = {row.pk: row for row in with_contests(CreditAccount.objects.filter(pk__in=ids))}
    try:
        exposed = exposures(loaded.values(), as_of)
    except MissingRate:  # the page names the rate; every customer's own page shows its amounts as they are
        exposed = {}
    made = []
    for account in (loaded[pk] for pk in ids if pk in loaded):
        contest = contest_of(account)
        left = (contest.valid_until - as_of).days if contest else None
        made.append(
            Row(account, account.score_row, exposed.get(account.pk), contest, why(account, contest), left)
        )
    return made
