"""What an account may owe, on which terms, and why: answered from stored data and kept as it was given.

In this order:
1. insolvent or closed: declined; on hold, without a score of the last month, or with one that does not add up: a
   person decides;
2. the recommendation of the score, or of the override in its place (scoring/decision.py, scoring/overrides.py);
   without payment history a person decides, unless accounts, bank flows and registers speak for a small amount
   (scoring/prospects.py);
3. the limit by the limit policy (scoring/limit_policy.py). Where nothing was bought yet the amount asked for stands
   in for the need, below every other cap; where the caps leave nothing a person decides;
4. payment terms and guarantees by the terms policy;
5. whatever is adverse to a natural person goes to a named human instead (GDPR art. 22).

A decision moves no limit: that takes a LimitChange. A fixed number of queries however many accounts are asked for;
a company's receivables are the figures of the night (scoring/book_figures.py), never added up here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_DOWN
from typing import TYPE_CHECKING, Any, TypedDict

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.compiled import asked_for
from creditdesk.core.money import Money, round_minor, to_minor
from customers.limit_reasons import money_param
from customers.models import Cover, CreditAccount, CreditApplication, CreditHold, Customer
from customers.rates import MissingRate, RateTable
from scoring.card import Card
from scoring.decision_book import Terms, shared_at
from scoring.history import keep_for_decision
from scoring.limit_inputs import SCORE_MAX_AGE, gather, inputs_of
from scoring.limit_policy import LimitRecommendation, recommend_limit
from scoring.models import (
    AccountScore,
    Decision,
    Depth,
    Recommendation,
    ScoreOverride,
)
from scoring.overrides import effective, is_insolvent
from scoring.prospects import obstacles, outcome_of
from scoring.stored import card_of, points_of, values_of

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

HURTING, HELPING = 4, 3
"""How many signals a decision names as its reasons, each way."""


class DecisionError(ValueError):
    """A decision that cannot be made; the text says why. code: unknown_account, joined, currency, amount."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. amount: in the account's currency; None: whatever the rules allow."""

    amount: Money | None = None
    terms_days: int | None = None
    application: CreditApplication | None = None


@dataclass(slots=True)
class Advice:
    """What the rules say of one account, before the question who may say it."""

    outcome: str
    limit: Money | None = None
    terms_days: int | None = None
    guarantees: dict[str, Any] = field(default_factory=dict)
    reasons: list[dict[str, Any]] = field(default_factory=list)

    def because(self, code: str, **params: Any) -> None:
        self.reasons.append({"code": code, "params": params})

    def as_json(self) -> dict[str, Any]:
        return {
            "limit": None if self.limit is None else money_param(self.limit),
            "terms_days": self.terms_days,
            "guarantees": self.guarantees,
        }


class Found(TypedDict):
    """What `_account_rows` reads beside the account."""

    held_for: str | None
    kept_before: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What one decision stands on. score: None when there is none of the last month that adds up."""

    account: WithAnnotations[CreditAccount, Found]
    as_of: date
    request: Request
    score: AccountScore | None
    card: Card | None
    override: ScoreOverride | None
    limit: LimitRecommendation | None
    terms: Terms | None
    trouble: tuple[tuple[str, dict[str, Any]], ...]
    by_rule_up_to: Money | None = None
    """What a prospect without history may be given by rule, in the account's currency; None: nothing."""

    @property
    def by_rule(self) -> list[str] | None:
        """What keeps the rules from approving a prospect without history; None: they are not asked about it."""
        score, card, terms = self.score, self.card, self.terms
        if score is None or card is None or terms is None or self.by_rule_up_to is None:
            return None
        if score.depth != Depth.NONE or self.override or self.account.customer.is_natural_person:
            return None
        asked = self.request.amount
        over = [] if asked is not None and asked <= self.by_rule_up_to else ["amount"]
        return over + obstacles(score, card, terms[0])

    @property
    def grade(self) -> str:
        return effective(self.score, self.override)[0]

    @property
    def cover(self) -> Money:
        """Guarantees on file, after the share covered and the haircut."""
        secured = self.limit.inputs.secured if self.limit else None
        return secured or Money.zero(self.account.currency)


def decide(
    account: CreditAccount | int,
    as_of: date,
    *,
    asked_by: Actor,
    requested: Money | None = None,
    terms_days: int | None = None,
    application: CreditApplication | None = None,
) -> Decision:
    """Decide on one account and keep the decision. Raises DecisionError."""
    pk = account if isinstance(account, int) else account.pk
    request = Request(requested, terms_days, application)
    return decide_many([pk], as_of, asked_by=asked_by, requests={pk: request})[0]


@transaction.atomic
def decide_many(
    account_ids: Sequence[int],
    as_of: date,
    *,
    asked_by: Actor,
    requests: Mapping[int, Request] | None = None,
) -> list[Decision]:
    """Decide on accounts, in their order, and keep each decision with the score it used. Raises DecisionError."""
    accounts = _accounts(account_ids, as_of)
    facts = _gather([accounts[pk] for pk in account_ids], as_of, requests or {})
    return Decision.objects.bulk_create([_made(known, _advise(known), asked_by) for known in facts])


def _account_rows(ids: Any, as_of: date) -> QuerySet[CreditAccount, Any]:
    open_holds = CreditHold.objects.filter(
        Q(released_on__isnull=True) | Q(released_on__gt=as_of), account=OuterRef("pk"), placed_on__lte=as_of
    )
    same_score = Decision.objects.filter(account=OuterRef("pk"), score_pass=OuterRef("score_row__pass_id"))
    return (
        CreditAccount.objects.filter(pk__in=ids)
        .select_related("customer", "company", "score_row")
        .annotate(
            held_for=Subquery(open_holds.order_by("pk").values("reason_code")[:1]),
            kept_before=Subquery(same_score.order_by("-pk").values("kept")[:1]),
        )
    )


def _accounts(ids: Collection[int], as_of: date) -> dict[int, Any]:
    found = {row.pk: row for row in asked_for("decisions: accounts", _account_rows, list(ids), as_of)}
    for pk in ids:
        if pk not in found:
            raise DecisionError("unknown_account", _("There is no account %s.") % pk)
        if found[pk].joined_into_id is not None:
            raise DecisionError(
                "joined", _("The customer was merged into another one: ask for the account it joined.")
            )
    return found


def _gather(accounts: list[Any], as_of: date, requests: Mapping[int, Request]) -> list[Facts]:
    shared = shared_at(as_of)
    book = shared.book(as_of, {account.company_id for account in accounts})
    ids = [account.pk for account in accounts]
    scores: dict[int, AccountScore] = {}
    cards: dict[int, Card] = {}
    trouble: dict[int, list[tuple[str, dict[str, Any]]]] = {pk: [] for pk in ids}
    for account in accounts:
        row = getattr(account, "score_row", None)
        if row is None:
            trouble[account.pk].append(("no_score", {}))
        elif not as_of - SCORE_MAX_AGE <= row.as_of <= as_of:
            trouble[account.pk].append(("score_of_another_day", {"on": row.as_of.isoformat()}))
        elif (card := card_of(row)).base_points + sum(points_of(row, card).values()) != row.score:
            trouble[account.pk].append(("score_does_not_add_up", {}))
        else:
            scores[account.pk], cards[account.pk] = row, card
    gathered = gather(accounts, as_of, groups=book.asks_of_groups, agencies=book.asks_agencies)
    overrides, limits = gathered["overrides"], {}
    for account in accounts:
        policy = book.policy(account.segment_id)
        with suppress(MissingRate):
            inputs = inputs_of(account, as_of, book, policy, scores.get(account.pk), gathered)
            limits[account.pk] = recommend_limit(inputs, policy)
    return [
        Facts(
            account=account,
            as_of=as_of,
            request=_checked(account, requests.get(account.pk, Request())),
            score=scores.get(account.pk),
            card=cards.get(account.pk),
            override=overrides.get(account.pk),
            limit=limits.get(account.pk),
            terms=(terms := shared.terms.get(account.segment_id) or shared.terms.get(None)),
            trouble=tuple(trouble[account.pk]),
            by_rule_up_to=_by_rule_up_to(terms, account, shared.rates),
        )
        for account in accounts
    ]


def _by_rule_up_to(terms: Terms | None, account: CreditAccount, rates: RateTable) -> Money | None:
    amount = terms[0].prospect_amount if terms else None
    if amount is None:
        return None
    try:
        return rates.convert(amount, account.currency)
    except MissingRate:
        return None


def _checked(account: CreditAccount, request: Request) -> Request:
    if request.amount is not None and request.amount.currency != account.currency:
        raise DecisionError(
            "currency", _("Amounts of this account are in %(currency)s.") % {"currency": account.currency}
        )
    if request.amount is not None and request.amount.minor <= 0:
        raise DecisionError("amount", _("The amount asked for is more than zero."))
    return request


def _advise(facts: Facts) -> Advice:
    """The rules' answer, with its reasons in the order in which they counted."""
    advice = Advice(_outcome_by_score(facts))
    _explain_outcome(facts, advice)
    if advice.outcome == Recommendation.DECLINED:
        advice.limit = Money.zero(facts.account.currency)
    else:
        _set_limit(facts, advice)
        _set_terms(facts, advice)
        _ask_guarantees(facts, advice)
    _name_signals(facts, advice)
    return advice


def _is_over(facts: Facts) -> str:
    """Why no business is done any more: "insolvent", "closed" or ""."""
    status = facts.account.customer.status
    if status == Customer.Status.INSOLVENT or (facts.score is not None and is_insolvent(facts.score)):
        return "insolvent"
    return "closed" if status == Customer.Status.CLOSED else ""


def _outcome_by_score(facts: Facts) -> str:
    if _is_over(facts):
        return Recommendation.DECLINED
    on_hold = facts.account.held_for or facts.account.customer.status == Customer.Status.ON_HOLD
    if on_hold or facts.score is None or facts.limit is None:
        return Recommendation.REVIEW
    if facts.by_rule == [] and facts.card is not None:
        return outcome_of(facts.score, facts.card)
    return effective(facts.score, facts.override)[1]


def _explain_outcome(facts: Facts, advice: Advice) -> None:
    if over := _is_over(facts):
        advice.because(over)
        return
    for code, params in facts.trouble:
        advice.because(code, **params)
    if facts.account.held_for or facts.account.customer.status == Customer.Status.ON_HOLD:
        advice.because("on_hold", reason=facts.account.held_for or "")
    if facts.limit is None:
        advice.because("no_rate")
    score, card = facts.score, facts.card
    if score is None or card is None:
        return
    if facts.override is not None:
        advice.because(
            "override", grade=facts.override.grade, instead=score.grade, reason=facts.override.reason_code
        )
    elif score.depth == Depth.NONE:
        missing = facts.by_rule
        if missing == [] and facts.by_rule_up_to is not None:
            advice.because("prospect_by_rule", up_to=money_param(facts.by_rule_up_to), score=score.score)
            return
        advice.because("no_history")
        if missing and facts.by_rule_up_to is not None:
            advice.because("prospect_for_person", up_to=money_param(facts.by_rule_up_to), missing=missing)
    elif score.depth == Depth.THIN:
        advice.because("thin_history")
    elif score.recommendation == Recommendation.REVIEW:
        advice.because("grey_zone", score=score.score, low=card.review_from, high=card.review_to)
    else:
        advice.because("score", score=score.score, grade=score.grade)


def _set_limit(facts: Facts, advice: Advice) -> None:
    """The limit: by the policy, as if a person had said yes where one is to decide."""
    if facts.limit is None:
        return
    found, asked = facts.limit, facts.request.amount
    if facts.limit.keep == "review":
        found = recommend_limit(
            replace(facts.limit.inputs, recommendation=Recommendation.GUARANTEES), facts.limit.policy
        )
    caps = {cap.code: cap.amount for cap in found.caps if cap.amount is not None}
    current = found.inputs.current
    if found.keep == "no_purchases" and not current:
        if asked is None or not caps:
            advice.because("need_unknown")
            return
        bound_by = min(caps, key=lambda code: caps[code].minor)
        most = min(asked, _floor(caps[bound_by], found.policy.step))
    else:
        most, bound_by = (found.amount if found.moves else current), found.bound_by
    if most is None:
        return
    if asked is not None and most < asked:
        if found.keep and found.keep != "no_purchases":
            advice.because(
                "rise_held",
                keep=found.keep,
                cool_down=found.policy.cool_down_days,
                late=found.policy.rise_max_days_past_due,
            )
        advice.because("less_than_asked", cap=bound_by, limit=money_param(most), asked=money_param(asked))
    elif asked is not None:
        most = asked
    elif bound_by:
        advice.because("limit", cap=bound_by, limit=money_param(most))
    if not most and advice.outcome != Recommendation.REVIEW:
        advice.outcome = Recommendation.REVIEW
        advice.because("nothing_left")
    advice.limit = most


def _set_terms(facts: Facts, advice: Advice) -> None:
    if facts.terms is None:
        return
    policy, grades = facts.terms
    asked = facts.request.terms_days
    wanted = next(
        days for days in (asked, facts.account.customer.terms_days, policy.usual_days) if days is not None
    )
    row = grades.get(facts.grade)
    if row is None:
        return
    advice.terms_days = min(wanted, row.longest_days)
    if advice.terms_days < wanted:
        advice.because("shorter_terms", days=advice.terms_days, asked=wanted, grade=facts.grade)


def _ask_guarantees(facts: Facts, advice: Advice) -> None:
    """Guarantees where the score asks for them; to a person who decides they are suggested."""
    if advice.outcome == Recommendation.APPROVED or not advice.limit or facts.terms is None:
        return
    row = facts.terms[1].get(facts.grade)
    if row is None:
        return
    currency = facts.account.currency
    wanted = Money(round_minor(advice.limit.amount * row.guarantee_percent / 100, currency), currency)
    advice.guarantees = {
        "percent": row.guarantee_percent,
        "amount": money_param(wanted),
        "held": money_param(facts.cover),
        "kinds": list(Cover.Kind.values),
    }
    if advice.outcome == Recommendation.GUARANTEES:
        advice.because(
            "guarantees",
            percent=row.guarantee_percent,
            amount=money_param(wanted),
            held=money_param(facts.cover),
        )


def _name_signals(facts: Facts, advice: Advice) -> None:
    if facts.score is None or facts.card is None:
        return
    points, values = points_of(facts.score, facts.card), values_of(facts.score)
    ranked = sorted(points.items(), key=lambda item: (-abs(item[1]), item[0]))
    for sign, most in ((-1, HURTING), (1, HELPING)):
        # What nobody knows may count against an account, but is no reason for it.
        known = [item for item in ranked if sign < 0 or values.get(item[0]) is not None]
        for name, worth in [item for item in known if item[1] * sign > 0][:most]:
            advice.because("signal", signal=name, value=values.get(name), points=worth)


def _is_adverse(facts: Facts, advice: Advice) -> bool:
    """Less than was asked for, or than there was: what a natural person must hear from a named human.

    Who asks for no terms keeps those they have.
    """
    asked, current = facts.request, facts.limit.inputs.current if facts.limit else None
    if advice.outcome in (Recommendation.DECLINED, Recommendation.GUARANTEES):
        return True
    if asked.amount is not None and (advice.limit is None or advice.limit < asked.amount):
        return True
    had = asked.terms_days if asked.terms_days is not None else facts.account.customer.terms_days
    if had is not None and (advice.terms_days is None or advice.terms_days < had):
        return True
    return current is not None and asked.amount is None and (advice.limit is None or advice.limit < current)


def _made(facts: Facts, advice: Advice, asked_by: Actor) -> Decision:
    account, score, found = facts.account, facts.score, facts.limit
    natural = account.customer.is_natural_person
    outcome = advice.outcome
    if natural and outcome != Recommendation.REVIEW and _is_adverse(facts, advice):
        outcome = Recommendation.REVIEW
        advice.reasons.insert(0, {"code": "natural_person", "params": {}})
    settled = outcome != Recommendation.REVIEW
    kept = account.kept_before if score is not None else None
    if score is not None and kept is None:
        kept = keep_for_decision(score).pk
    return Decision(
        account=account,
        application=facts.request.application,
        as_of=facts.as_of,
        outcome=outcome,
        advised=advice.outcome,
        score=score.score if score else None,
        grade=facts.grade,
        pd=score.pd if score else None,
        depth=score.depth if score else "",
        scored_as_of=score.as_of if score else None,
        kept_id=kept,
        score_pass=score.pass_id if score else None,
        card_id=score.card_id if score else None,
        limit_policy_id=found.policy.policy_id if found else None,
        terms_policy=facts.terms[0] if facts.terms else None,
        currency=account.currency,
        requested=facts.request.amount,
        current=found.inputs.current if found else None,
        limit=advice.limit if settled else None,
        terms_days=advice.terms_days if settled else None,
        guarantees=advice.guarantees if outcome == Recommendation.GUARANTEES else {},
        advice=advice.as_json(),
        reasons=advice.reasons,
        inputs={
            "requested_terms_days": facts.request.terms_days,
            "cover": money_param(facts.cover),
            "limit": found.as_json() if found else None,
        },
        is_natural_person=natural,
        asked_by=asked_by.name,
        by_kind=Decision.By.RULES,
    )


def _floor(money: Money, step: int) -> Money:
    units = (money.amount / step).to_integral_value(rounding=ROUND_DOWN)
    return Money(to_minor(units * step, money.currency), money.currency)
