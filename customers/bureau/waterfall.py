"""Which agencies would be asked about a customer, in which order, at what price, or why not. Nothing is asked here.

The agencies in use stand in the order of their place. One is passed over where it does not answer for the country or
the legal kind, was asked lately (age rule), was asked today, or has no budget left. Nobody is asked while a rated answer
of any agency is young, or while a natural person has no legal basis on record. The first rated answer ends the walk;
an agency that does not know the customer, gives no rating, or is not available hands on to the next.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from creditdesk.core.money import Money
from customers.bureau.adapters import AgencyError, adapter_named
from customers.bureau.ages import (
    IN_VAIN,
    Newest,
    asked_today,
    free_on,
    is_young,
    newest_answers,
    usable,
    was_in_vain,
)
from customers.bureau.bases import lacks_basis
from customers.bureau.budget import Budget, budgets
from customers.models import BureauProvider, BureauPull, Customer

Cause = BureauPull.Cause


class Verdict(TextChoices):
    """What would become of one agency in the walk."""

    ASK = "ask", _("is asked")
    AGAIN = "again", _("is asked again: the question was lost")
    TOO_YOUNG = "too_young", _("its newest answer is young enough")
    TODAY = "today", _("was asked today")
    UNDER_WAY = "under_way", _("is being asked")
    DOUBT = "doubt", _("asked lately, no readable answer: it may have been charged")
    NO_COUNTRY = "no_country", _("does not answer for the country")
    NO_KIND = "no_kind", _("does not answer for this legal kind")
    NO_BUDGET = "no_budget", _("the month's budget is used")
    BROKEN = "broken", _("its adapter is missing")


class Refusal(TextChoices):
    """Why nobody is asked at all."""

    NONE = "", ""
    NO_BASIS = "no_basis", _("no legal basis is on record for this person")
    USABLE = "usable", _("a rating is young enough")
    NO_AGENCY = "no_agency", _("no agency can be asked")
    CLOSED = "closed", _("the customer is closed or was merged into another")


ASKABLE = (Verdict.ASK, Verdict.AGAIN)


@dataclass(frozen=True, slots=True)
class Step:
    """One agency of the walk. newest: its newest answer; free_on: when its age rule ends; lost: the question to repeat."""

    provider: BureauProvider
    verdict: Verdict
    budget: Budget
    newest: Newest | None = None
    free_on: date | None = None
    lost: BureauPull | None = None

    @property
    def is_asked(self) -> bool:
        return self.verdict in ASKABLE


@dataclass(frozen=True, slots=True)
class PullPlan:
    """The walk as it would go. refusal: why nobody is asked; usable: the agency whose answer is young enough."""

    customer: Customer
    as_of: date
    cause: str
    in_spite_of_age: bool
    steps: Sequence[Step] = ()
    refusal: Refusal = Refusal.NONE
    usable: tuple[BureauProvider, Newest] | None = None
    askable: Sequence[Step] = field(default=())

    @property
    def first_price(self) -> Money | None:
        return self.askable[0].provider.price if self.askable else None

    @property
    def most(self) -> dict[str, Money]:
        """What it costs at most, per currency: when nobody but the last one gives a rating, and all charge."""
        found: dict[str, Money] = {}
        for step in self.askable:
            price = step.provider.price
            found[price.currency] = found.get(price.currency, Money.zero(price.currency)) + price
        return found

    @property
    def may_override(self) -> bool:
        """Whether a person with a reason could have somebody asked in spite of the age rule."""
        if self.in_spite_of_age or self.refusal not in (Refusal.USABLE, Refusal.NO_AGENCY):
            return False
        return any(step.verdict in (Verdict.TOO_YOUNG, Verdict.DOUBT) for step in self.steps)


def providers_for(cause: str, among: Collection[int] | None = None) -> list[BureauProvider]:
    """The agencies in use for a cause, in their order. among: only these (the nightly plan has chosen them)."""
    rows = BureauProvider.objects.filter(is_on=True).order_by("position", "slug")
    if cause == Cause.NIGHT:
        rows = rows.filter(ask_above__isnull=False)
    if cause == Cause.ONBOARDING:
        rows = rows.filter(ask_at_onboarding=True)
    if cause == Cause.REVIEW:
        rows = rows.filter(ask_at_review=True)
    return list(rows if among is None else rows.filter(pk__in=among))


def answers_for(provider: BureauProvider, customer: Customer) -> Verdict | None:
    """None where the agency answers for customers like this one."""
    countries = country_list(provider.countries)
    if countries and customer.country not in countries:
        return Verdict.NO_COUNTRY
    if not (provider.answers_sole_traders if customer.is_natural_person else provider.answers_companies):
        return Verdict.NO_KIND
    return None


def repeats(provider: BureauProvider) -> bool:
    """Whether a lost question may be sent to the agency again with its own key, and is paid once."""
    try:
        return adapter_named(provider.adapter).repeats(provider.settings)
    except AgencyError:
        return False


def country_list(text: str) -> list[str]:
    return [part.strip().upper() for part in text.split(",") if part.strip()]


def plan_pull(
    customer: Customer,
    as_of: date,
    cause: str,
    *,
    now: datetime,
    in_spite_of_age: bool = False,
    among: Collection[int] | None = None,
) -> PullPlan:
    """The plan for a customer; at most six queries. now: the instant, for questions that are just under way."""
    base: dict[str, Any] = {
        "customer": customer,
        "as_of": as_of,
        "cause": cause,
        "in_spite_of_age": in_spite_of_age,
    }
    if customer.merged_into_id is not None or customer.status == Customer.Status.CLOSED:
        return PullPlan(**base, refusal=Refusal.CLOSED)
    everyone = list(BureauProvider.objects.order_by("position", "slug"))
    wanted = (
        {one.pk for one in providers_for(cause, among)} if cause not in (Cause.PERSON, Cause.API) else None
    )
    chosen = [one for one in everyone if one.is_on and (wanted is None or one.pk in wanted)]
    if not chosen:
        return PullPlan(**base, refusal=Refusal.NO_AGENCY)
    answers = newest_answers([customer.pk], as_of)
    months, today = budgets(chosen, as_of), asked_today(customer.pk, chosen, as_of)
    steps = []
    for one in chosen:
        answer = answers.get((customer.pk, one.slug))
        verdict, lost = _verdict(
            one, customer, answer, today.get(one.pk), months[one.pk], as_of, now, in_spite_of_age
        )
        until = free_on(answer, one) if answer and verdict == Verdict.TOO_YOUNG else None
        steps.append(Step(one, verdict, months[one.pk], answer, until, lost))
    refusal, young = Refusal.NONE, None
    if lacks_basis(customer, as_of):
        refusal = Refusal.NO_BASIS
    elif not in_spite_of_age and (young := usable(customer.pk, answers, everyone, as_of)):
        refusal = Refusal.USABLE
    askable = [] if refusal else [step for step in steps if step.is_asked]
    if not refusal and not askable:
        refusal = Refusal.NO_AGENCY
    return PullPlan(**base, steps=steps, refusal=refusal, usable=young, askable=askable)


def _verdict(
    provider: BureauProvider,
    customer: Customer,
    answer: Newest | None,
    today: BureauPull | None,
    month: Budget,
    as_of: date,
    now: datetime,
    in_spite_of_age: bool,
) -> tuple[Verdict, BureauPull | None]:
    foreign = answers_for(provider, customer)
    if foreign is not None:
        return foreign, None
    try:
        adapter = adapter_named(provider.adapter)
    except AgencyError:
        return Verdict.BROKEN, None
    if today is not None and today.outcome == BureauPull.Outcome.ASKED:
        if today.claimed_until is not None and today.claimed_until > now:
            return Verdict.UNDER_WAY, None
        # Its price is reserved already: the budget is not asked again.
        if adapter.repeats(provider.settings):
            return Verdict.AGAIN, today
        return (Verdict.AGAIN if in_spite_of_age else Verdict.DOUBT), today
    if today is not None and today.outcome not in IN_VAIN:
        return Verdict.TODAY, None
    if (today is not None or was_in_vain(answer, as_of)) and not in_spite_of_age:
        return Verdict.DOUBT, None
    if is_young(answer, provider, as_of) and not in_spite_of_age:
        return Verdict.TOO_YOUNG, None
    return (Verdict.ASK if month.allows(provider.price) else Verdict.NO_BUDGET), None
