"""How long a change may wait: reminders, overdue, expiry; by the terms of its company, on business dates.

The clock of a change starts on the business date of its proposal (`as_of`). Reminders and overdue count business days
of the company's country, expiry counts calendar days. Never expired are changes an event proposed or an open hold
waits for: a person has to decide those. A change somebody approved as the first of two expires like any other: an
approval is an answer to the facts of its day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from creditdesk.core.audit import Actor
from creditdesk.core.models import Notice
from creditdesk.core.notices import tell_all
from customers.approval import ApprovalError, expire_limit_change
from customers.calendars import add_business_days, is_business_day
from customers.models import ApprovalTerms, Company, CreditHold, LimitChange, LimitReminder
from customers.notices import tell_of_beginning, tell_proposer, tell_waiting

CLOCK = Actor.job("approval clock")
NO_END = "period_over"
TOO_LATE = "not_decided_in_time"
# Business days before a change expires on which its proposer is told.
WARN_BEFORE = 3


@dataclass(slots=True)
class Outcome:
    """What a run did, in numbers of changes."""

    waiting: int = 0
    reminded: int = 0
    overdue: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a waiting change stands on a day. `step`: reminders due so far; expires_on None: never."""

    waiting_days: int
    step: int
    is_overdue: bool
    overdue_on: date | None
    expires_on: date | None

    def days_left(self, on: date) -> int | None:
        return None if self.expires_on is None else (self.expires_on - on).days


def terms_of(companies: Iterable[Company]) -> dict[int, ApprovalTerms]:
    """The terms of each company, the defaults where nobody set any; one query."""
    rows = {company.pk: company for company in companies}
    found = {terms.company_id: terms for terms in ApprovalTerms.objects.filter(company__in=rows)}
    return {
        pk: found.get(pk) or ApprovalTerms(company=company, currency=company.currency)
        for pk, company in rows.items()
    }


def clock_of(change: LimitChange, terms: ApprovalTerms, on: date) -> Clock:
    """Where a change with `account.company` loaded stands on a day; needs no query."""
    country = change.account.company.country
    overdue_on = (
        None
        if terms.escalate_after_days is None
        else _business_day(change.as_of, terms.escalate_after_days, country)
    )
    return Clock(
        waiting_days=max((on - change.as_of).days, 0),
        step=_step(change.as_of, terms, on, country),
        is_overdue=overdue_on is not None and on >= overdue_on,
        overdue_on=overdue_on,
        expires_on=_expires_on(change, terms),
    )


def run_clock(company: Company, as_of: date) -> Outcome:
    """Remind of and expire what waits in a company, as of a day. Running it again does nothing more.

    Each expiry is a transaction of its own when the caller holds none. A missed night is made up with one reminder,
    not with several.
    """
    terms = terms_of([company])[company.pk]
    held = CreditHold.objects.filter(change=OuterRef("pk"), released_on__isnull=True)
    rows = (
        LimitChange.objects.filter(account__company=company, status=LimitChange.Status.PROPOSED)
        .select_related("account__company")
        .defer("evidence")
        .annotate(is_held=Exists(held), last_step=Max("reminders__step"))
        .order_by("account_id", "pk")
    )
    outcome, reminders = Outcome(), []
    warned: list[Notice] = []
    for change in rows:
        outcome.waiting += 1
        clock = clock_of(change, terms, as_of)
        if not change.is_held and _expire(change, clock, as_of):  # type: ignore[attr-defined]
            outcome.expired += 1
            continue
        if not change.is_held and _expires_soon(change, clock, as_of):  # type: ignore[attr-defined]
            warned.append(tell_proposer(change, "expiring", as_of, clock.expires_on))
        if clock.step > (change.last_step or 0):  # type: ignore[attr-defined]
            reminders.append(
                LimitReminder(change=change, kind=LimitReminder.Kind.REMIND, step=clock.step, due_on=as_of)
            )
        if clock.is_overdue:
            reminders.append(
                LimitReminder(
                    change=change,
                    kind=LimitReminder.Kind.OVERDUE,
                    step=1,
                    due_on=clock.overdue_on,
                )
            )
    outcome.reminded, outcome.overdue = _keep(reminders, warned, as_of)
    tell_of_beginning(company, as_of)
    return outcome


def _expires_soon(change: LimitChange, clock: Clock, as_of: date) -> bool:
    if change.proposer_id is None or clock.expires_on is None:
        return False
    return _business_days_between(as_of, clock.expires_on, change.account.company.country) <= WARN_BEFORE


@transaction.atomic
def _keep(reminders: list[LimitReminder], warned: list[Notice], as_of: date) -> tuple[int, int]:
    """Store what is not there yet and tell people; returns how many reminders and how many overdue notes are new."""
    known = set(
        LimitReminder.objects.filter(change__in={one.change_id for one in reminders}).values_list(
            "change_id", "kind", "step"
        )
    )
    new = [one for one in reminders if (one.change_id, one.kind, one.step) not in known]
    # Two runs at once: the second one's rows are there already.
    LimitReminder.objects.bulk_create(new, batch_size=1000, ignore_conflicts=True)
    tell_all([*(tell_waiting(one.change, one.kind, one.step, as_of) for one in new), *warned])
    overdue = sum(one.kind == LimitReminder.Kind.OVERDUE for one in new)
    return len(new) - overdue, overdue


def _expire(change: LimitChange, clock: Clock, as_of: date) -> bool:
    if clock.expires_on is None or as_of < clock.expires_on:
        return False
    over = change.valid_until is not None and change.valid_until < as_of
    try:
        with transaction.atomic():
            expire_limit_change(change, actor=CLOCK, on=as_of, reason_code=NO_END if over else TOO_LATE)
            if change.proposer_id is not None:
                tell_all([tell_proposer(change, "expired", as_of)])
    except ApprovalError:  # decided by a person in the meantime
        return False
    return True


def _expires_on(change: LimitChange, terms: ApprovalTerms) -> date | None:
    """The first day on which the change is closed if nobody decided it.

    Never on a day on which nobody works: what would end on a Saturday may still be decided on the next business day.
    """
    if change.proposer_kind == LimitChange.ProposerKind.EVENT:
        return None
    days = terms.expire_rise_after_days if change.is_rise else terms.expire_cut_after_days
    ends = []
    if days is not None:
        country = change.account.company.country
        last = add_business_days(change.as_of + timedelta(days=days - 1), 0, country)
        ends.append(last + timedelta(days=1))
    if change.valid_until is not None:
        ends.append(change.valid_until + timedelta(days=1))
    return min(ends, default=None)


def _step(since: date, terms: ApprovalTerms, on: date, country: str) -> int:
    """How many reminders are due by a day: one after `remind_after_days`, then one every `remind_every_days`."""
    if terms.remind_after_days is None:
        return 0
    waited = _business_days_between(since, on, country) - terms.remind_after_days
    return 0 if waited < 0 else 1 + waited // terms.remind_every_days


@lru_cache(maxsize=4096)
def _business_days_between(since: date, on: date, country: str) -> int:
    """Business days after `since` up to and including `on`."""
    days = (since + timedelta(days=n) for n in range(1, (on - since).days + 1))
    return sum(is_business_day(day, country) for day in days)


@lru_cache(maxsize=4096)
def _business_day(since: date, days: int, country: str) -> date:
    """The day by which so many business days have passed since another: counted as reminders are, from a weekend too."""
    while days > 0:
        since += timedelta(days=1)
        days -= is_business_day(since, country)
    return since
