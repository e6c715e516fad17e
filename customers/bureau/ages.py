"""The age rule: how old the newest answer of each agency is, and until when no new one is bought."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from creditdesk.core.dates import months_before
from creditdesk.core.facts import View
from customers.models import BureauProvider, BureauPull, BureauReport

ANSWERED = (BureauPull.Outcome.RATED, BureauPull.Outcome.UNRATED, BureauPull.Outcome.NOT_FOUND)
# Paid, and no report came of it.
IN_VAIN = (BureauPull.Outcome.BAD_ANSWER, BureauPull.Outcome.DOUBT)
PAID_IN_VAIN = Q(outcome__in=IN_VAIN, charged__gt=0)
# So long nobody pays again by itself where the last question was paid in vain: a person looks at it first.
IN_VAIN_DAYS = 30


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest answer of an agency: on is the later of the day it speaks of and the day we asked last.

    in_vain: the day of a later question that was paid without an answer; on None: there are only such ones.
    """

    on: date | None
    is_rated: bool
    in_vain: date | None = None


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
            Q(outcome__in=ANSWERED) | PAID_IN_VAIN,
            asked_on__lte=as_of,
        )
        .order_by()
        .values_list(Coalesce("customer__merged_into", "customer"), "provider__slug")
        .annotate(
            last=Max("asked_on", filter=Q(outcome__in=ANSWERED)), in_vain=Max("asked_on", filter=PAID_IN_VAIN)
        )
    )
    for customer, agency, last, in_vain in asked:
        said = found.get((customer, agency))
        on = max((day for day in (last, said and said.on) if day), default=None)
        if in_vain and last and last >= in_vain:
            in_vain = None
        found[customer, agency] = Newest(on, bool(said and said.is_rated), in_vain)
    return found


def is_young(answer: Newest | None, provider: BureauProvider, as_of: date) -> bool:
    """Whether the age rule of the agency forbids a new report on the day."""
    return (
        answer is not None
        and answer.on is not None
        and answer.on > months_before(as_of, provider.max_age_months)
    )


def was_in_vain(answer: Newest | None, as_of: date) -> bool:
    """Whether the last question was paid lately and brought no answer: only a person has it asked again."""
    return (
        answer is not None
        and answer.in_vain is not None
        and answer.in_vain > as_of - timedelta(days=IN_VAIN_DAYS)
    )


def free_on(answer: Newest, provider: BureauProvider) -> date:
    """The first day on which the age rule allows a new report."""
    assert answer.on is not None
    day = months_before(answer.on, -provider.max_age_months)
    # Short months: 31 August and six months is 28 February, when the answer is still young.
    while is_young(answer, provider, day):
        day = date.fromordinal(day.toordinal() + 1)
    return day


def asked_today(customer: int, providers: Iterable[BureauProvider], as_of: date) -> dict[int, BureauPull]:
    """{agency: the question that is open, of whatever day, or that of this day which was answered or paid}; one query."""
    rows = BureauPull.objects.filter(
        Q(outcome=BureauPull.Outcome.ASKED) | Q(Q(outcome__in=ANSWERED) | PAID_IN_VAIN, asked_on=as_of),
        customer=customer,
        provider__in=[one.pk for one in providers],
    )
    # An open one before an answer, and that before what was paid in vain.
    weight = {BureauPull.Outcome.ASKED.value: 2, **dict.fromkeys(IN_VAIN, 0)}
    return {
        row.provider_id: row for row in sorted(rows, key=lambda row: (weight.get(row.outcome, 1), row.pk))
    }


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
