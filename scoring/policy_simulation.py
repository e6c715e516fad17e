"""A limit policy on the whole book before anybody publishes it: who is cut, raised, blocked, and what that is worth.

Three states of the same accounts on the same facts: limits as they are, as the policy in use would set them tonight, and
as the draft would. Assumed, and said on the page: a customer pays down what is owed above a cut limit and gets nothing
new; a raised limit is used as much as the limit is today; a customer without a score has no expected loss.

    expected loss = probability of default x exposure no cover secures x the policy's share lost

Nothing is stored but the report (scoring.models.PolicyReport); figures are JSON, money in minor units per currency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from heapq import nlargest
from typing import Any

from django.db.models import QuerySet

from creditdesk.core.money import Money
from customers.models import CreditAccount
from customers.rates import MissingRate
from scoring.book_figures import figures_for
from scoring.causes import find_causes
from scoring.limit_inputs import CHUNK, Book, gather, inputs_of, stored_scores
from scoring.limit_policy import LimitInputs, LimitRecommendation, PolicyTerms, recommend_limit
from scoring.models import LimitPolicy
from scoring.policies import terms_of
from scoring.policy_publishing import LIFE
from scoring.segment_policies import LAST, accounts_decided_by

MOVERS = 50
STATES = ("now", "in_use", "draft")


@dataclass(slots=True)
class _Tally:
    accounts: int = 0
    unscored: int = 0
    no_rate: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {state: Counter() for state in STATES})
    kept: dict[str, Counter[str]] = field(default_factory=lambda: {state: Counter() for state in STATES})
    bound_by: dict[str, Counter[str]] = field(default_factory=lambda: {state: Counter() for state in STATES})
    causes: dict[str, Counter[str]] = field(default_factory=lambda: {state: Counter() for state in STATES})
    held: dict[str, Counter[str]] = field(default_factory=lambda: {state: Counter() for state in STATES})
    money: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    movers: list[dict[str, Any]] = field(default_factory=list)


def simulate(policy: LimitPolicy, as_of: date, low: int = 0, high: int = LAST) -> dict[str, Any]:
    """Figures of a version against what is in use, for the accounts `low` to `high` it would decide on, at a date.

    The whole book at once counts today's receivables; a range those kept for all ranges alike.

    counts: per state raised, at_once (of the raised), first, cut, to_zero (of the cut), kept, blocked (exposure at or
    above the limit, or a limit of zero). money: per currency and state the sums of limits, target (where the steps
    end), exposure and expected_loss. causes, held: accounts a cause would cut, or hold, tonight.
    """
    rows = accounts_decided_by(policy, as_of).filter(pk__range=(low, high))
    draft, tally = terms_of(policy), _Tally()
    kept = None if (low, high) == (0, LAST) else figures_for(list(_companies(rows)), as_of).receivables
    book = Book(as_of, kept)
    asks_of_groups = book.asks_of_groups or draft.group_ceiling is not None
    asks_agencies = book.asks_agencies or bool(draft.agency_percent)
    for ids in _chunks(rows):
        accounts = list(
            CreditAccount.objects.filter(pk__in=ids).select_related("customer", "company").order_by("pk")
        )
        facts = gather(accounts, as_of, groups=asks_of_groups, agencies=asks_agencies)
        scores = stored_scores(ids, as_of)
        for account in accounts:
            in_use = book.policy(account.segment_id)
            try:
                pair = [
                    recommend_limit(
                        inputs_of(account, as_of, book, terms, scores.get(account.pk), facts), terms
                    )
                    for terms in (in_use, draft)
                ]
            except MissingRate:
                tally.no_rate += 1
                continue
            _count(tally, account, *pair)
        natural = {account.pk for account in accounts if account.customer.is_natural_person}
        _count_causes(tally, "in_use", as_of, ids, natural, None)
        _count_causes(tally, "draft", as_of, ids, natural, {policy.segment_id: draft})
        tally.movers = nlargest(MOVERS, tally.movers, key=lambda m: (m["weight"], -m["account"]))
    return {
        "against": book.policy(policy.segment_id or 0).policy_id,
        "accounts": tally.accounts,
        "unscored": tally.unscored,
        "no_rate": tally.no_rate,
        "loss_percent": draft.loss_percent,
        **{
            name: {state: dict(sorted(counter.items())) for state, counter in getattr(tally, name).items()}
            for name in ("counts", "kept", "bound_by", "causes", "held")
        },
        "money": tally.money,
        "movers": tally.movers,
    }


keep_simulation = LIFE.keep_simulation


def _companies(rows: QuerySet[CreditAccount]) -> QuerySet[CreditAccount, int]:
    return rows.order_by().values_list("company", flat=True).distinct()


def _chunks(rows: QuerySet[CreditAccount]) -> Iterator[list[int]]:
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _count(
    tally: _Tally, account: CreditAccount, in_use: LimitRecommendation, draft: LimitRecommendation
) -> None:
    inputs, now = draft.inputs, draft.inputs.current
    tally.accounts += 1
    tally.unscored += inputs.score is None
    sums = tally.money.setdefault(
        account.currency,
        {
            state: {"limits": 0, "target": 0, "exposure": 0, "at_risk": 0, "expected_loss": 0}
            for state in STATES
        },
    )
    loss = draft.policy.loss_percent
    for state, limit, target in (
        ("now", now, now),
        ("in_use", in_use.amount, _goal(in_use)),
        ("draft", draft.amount, _goal(draft)),
    ):
        _add(sums[state], tally.counts[state], inputs, limit, target, loss)
    for state, found in (("in_use", in_use), ("draft", draft)):
        _count_move(tally.counts[state], found)
        if found.keep:
            tally.kept[state][found.keep] += 1
        if found.bound_by:
            tally.bound_by[state][found.bound_by] += 1
    if in_use.amount != draft.amount or now != draft.amount:
        tally.movers.append(_mover(account, in_use, draft))


def _goal(found: LimitRecommendation) -> Money | None:
    """Where the steps end while the facts stay: the target of a limit that moves or only waits for a gate."""
    return found.target if found.moves or (found.gates and found.target is not None) else found.amount


def _add(
    sums: dict[str, int],
    counts: Counter[str],
    inputs: LimitInputs,
    limit: Money | None,
    target: Money | None,
    loss_percent: int,
) -> None:
    owed = max(inputs.exposure.minor, 0) if inputs.exposure else 0
    risk = inputs.at_risk.minor if inputs.at_risk else 0
    before = inputs.current.minor if inputs.current else None
    after = owed if limit is None else _owed_under(limit.minor, before, owed)
    at_risk = max(after - max(owed - risk, 0), 0)
    sums["limits"] += limit.minor if limit else 0
    sums["target"] += target.minor if target else 0
    sums["exposure"] += after
    sums["at_risk"] += at_risk
    if inputs.pd is not None:
        sums["expected_loss"] += int(Decimal(at_risk) * inputs.pd * loss_percent / 100)
    if limit is not None and (not limit.minor or owed >= limit.minor):
        counts["blocked"] += 1


def _owed_under(limit: int, before: int | None, owed: int) -> int:
    """What is owed once a limit has had its effect: at most a cut one, a raised one used as the old one was."""
    if before is None or limit == before:
        return owed
    if limit < before:
        return min(owed, limit)
    used = min(owed, before)
    return owed + (used * (limit - before) // before if before else 0)


def _count_move(counts: Counter[str], found: LimitRecommendation) -> None:
    current, amount = found.inputs.current, found.amount
    if not found.moves or amount is None:
        counts["kept"] += 1
    elif current is None:
        counts["first"] += 1
    elif amount > current:
        counts["raised"] += 1
        counts["at_once"] += found.is_automatic
    else:
        counts["cut"] += 1
        counts["to_zero"] += not amount.minor


def _count_causes(
    tally: _Tally,
    state: str,
    as_of: date,
    ids: Sequence[int],
    natural: set[int],
    instead: dict[int | None, PolicyTerms] | None,
) -> None:
    for found in find_causes(as_of, ids, instead):
        tally.causes[state][found.kind] += 1
        tally.held[state][found.kind] += found.account_id in natural and found.terms.is_immediate


def _mover(account: CreditAccount, in_use: LimitRecommendation, draft: LimitRecommendation) -> dict[str, Any]:
    """One account that moves. weight: how far the draft is from today's limit and from the policy in use."""

    def minor(money: Money | None) -> int | None:
        return None if money is None else money.minor

    now = minor(draft.inputs.current)
    apart = [abs((minor(draft.amount) or 0) - (one or 0)) for one in (now, minor(in_use.amount))]
    return {
        "account": account.pk,
        "currency": account.currency,
        "grade": draft.inputs.grade,
        "score": draft.inputs.score,
        "now": now,
        "in_use": minor(in_use.amount),
        "draft": minor(draft.amount),
        "exposure": minor(draft.inputs.exposure),
        "bound_by": draft.bound_by,
        "weight": max(apart),
    }
