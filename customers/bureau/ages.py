"""The age rule: how old the newest answer of each agency is, and until when no new one is bought."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from creditdesk.core.dates import months_before
from creditdesk.core.facts import View
from customers.models import BureauProvider, BureauPull, BureauReport

ANSWERED = (BureauPull.Outcome.RATED, BureauPull.Outcome.UNRATED, BureauPull.Outcome.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest answer of an agency: on is the later of the day it speaks of and the day we asked last."""

    on: date
    is_rated: bool


def newest_answers(customers: Any, as_of: date) -> dict[tuple[int, str], Newest]:
    """{(customer, agency): newest answer known on the day}; customers: ids, or a queryset of them. Two queries.

    That an agency was asked lately counts although its assessment is older: it would say the same again. What was asked
    about a duplicate counts for the customer it was merged into.
    """
    rows = BureauReport.objects.at(as_of, View(known_at=as_of)).filter(customer__in=customers)
    found: dict[tuple[int, str], Newest] = {}
    columns = ("customer_id", "provider", "effective_on", "outcome")
    for customer, agency, on, outcome in (
        rows.order_by("effective_on", "pk").values_list(*columns).iterator(5000)
    ):
        found[customer, agency] = Newest(on, outcome == BureauReport.Outcome.RATED)
    asked = (
        BureauPull.objects.filter(
            Q(customer__in=customers) | Q(customer__merged_into__in=customers),
            outcome__in=ANSWERED,
            asked_on__lte=as_of,
        )
        .order_by()
        .values_list(Coalesce("customer__merged_into", "customer"), "provider__slug")
        .annotate(last=Max("asked_on"))
    )
    for customer, agency, last in asked:
        said = found.get((customer, agency))
        found[customer, agency] = Newest(max(last, said.on) if said else last, bool(said and said.is_rated))
    return found


def is_young(answer: Newest | None, provider: BureauProvider, as_of: date) -> bool:
    """Whether the age rule of the agency forbids a new report on the day."""
    return answer is not None and answer.on > months_before(as_of, provider.max_age_months)


def free_on(answer: Newest, provider: BureauProvider) -> date:
    """The first day on which the age rule allows a new report."""
    day = months_before(answer.on, -provider.max_age_months)
    # Short months: 31 August and six months is 28 February, when the answer is still young.
    while is_young(answer, provider, day):
        day = date.fromordinal(day.toordinal() + 1)
    return day


def asked_today(customer: int, providers: Iterable[BureauProvider], as_of: date) -> dict[int, BureauPull]:
    """{agency: the question of this business date that is answered or under way}; one query."""
    rows = BureauPull.objects.filter(
        customer=customer,
        provider__in=[one.pk for one in providers],
        asked_on=as_of,
        outcome__in=[*ANSWERED, BureauPull.Outcome.ASKED],
    )
    return {row.provider_id: row for row in rows}


def usable(
    customer: int,
    answers: dict[tuple[int, str], Newest],
    providers: Collection[BureauProvider],
    as_of: date,
) -> tuple[BureauProvider, Newest] | None:
    """A rated answer still young by its own agency's rule: while there is one, nobody is asked."""
    for provider in providers:
        answer = answers.get((customer, provider.slug))
        if answer is not None and answer.is_rated and is_young(answer, provider, as_of):
            return provider, answer
    return None
