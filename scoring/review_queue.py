"""The rows of the review queue: contests by their deadline, then the most exposure first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from customers.exposure import Exposure, exposures
from customers.models import CreditAccount
from customers.rates import MissingRate, RateTable
from scoring.models import AccountScore, ScoreReview
from scoring.reviews_of_scores import contest_of, open_contests, why, with_contests


@dataclass(frozen=True, slots=True)
class Ranked:
    """Accounts in the order of the queue. exposures: empty where a rate is missing, which `missing_rate` names."""

    ids: list[int]
    exposures: Mapping[int, Exposure]
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
    rows = accounts.order_by().values_list("pk", "company__currency", "score_row__score")
    found = list(rows)
    contests = open_contests().filter(account__in=accounts.order_by().values("pk"))
    deadlines = dict(contests.order_by("-valid_until").values_list("account", "valid_until"))
    missing, exposed, weights = "", {}, {pk: 0.0 for pk, *_rest in found}
    try:
        exposed = exposures(accounts, as_of)
        rates = RateTable.at(as_of)
        for pk, home, _score in found:
            weights[pk] = float(rates.convert(exposed[pk].total, home).amount)
    except MissingRate as error:
        missing = str(error)
        weights = dict.fromkeys(weights, 0.0)
    order = sorted(found, key=lambda r: (deadlines.get(r[0], date.max), -weights[r[0]], r[2] or 0, r[0]))
    return Ranked([row[0] for row in order], exposed, missing)


def rows(ids: Sequence[int], as_of: date, exposed: Mapping[int, Exposure]) -> list[Row]:
    """The rows of a page, in the order of `ids`; two queries."""
    loaded = {row.pk: row for row in with_contests(CreditAccount.objects.filter(pk__in=ids))}
    made = []
    for account in (loaded[pk] for pk in ids if pk in loaded):
        contest = contest_of(account)
        left = (contest.valid_until - as_of).days if contest else None
        made.append(
            Row(account, account.score_row, exposed.get(account.pk), contest, why(account, contest), left)
        )
    return made
