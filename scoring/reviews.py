"""Whose limit is due for a review: the riskier the grade, the sooner somebody looks again, by the limit policy.

A review is a decision on the base limit, whichever way it went (applied, or rejected: it stays), or a person's word
that it stays as it is (LimitReview). It counts from the day its evidence speaks of. Who has no limit, or one of zero,
has nothing to review.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Case, DateField, F, Max, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.dates import months_before
from creditdesk.core.models import User
from creditdesk.core.money import MoneyField
from customers.access import visible_accounts
from customers.approval import lock_account, waiting_change
from customers.approval_rules import DECIDE, PROPOSE
from customers.limits import limit_at
from customers.models import CreditAccount, CreditLimit, Customer, LimitChange, LimitKind
from scoring.limit_terms import PolicyTerms
from scoring.models import AccountScore, LimitReview
from scoring.policies import policies_at

ENDED = (Customer.Status.INSOLVENT, Customer.Status.CLOSED)
_NEVER = date(1900, 1, 1)


class ReviewError(ValueError):
    """A review that cannot be recorded; the text says why."""


def overdue_reviews(
    accounts: QuerySet[CreditAccount], today: date, *, until: date | None = None
) -> QuerySet[Any]:
    """Accounts whose limit was last reviewed longer ago than their policy allows, the longest overdue first.

    until: also those that will be by that day. Rows carry `reviewed_on` and `cutoff` (dates; a review before the cutoff
    is too old) and `limit_minor`.
    """
    decided = (
        LimitChange.objects.filter(
            account=OuterRef("pk"),
            kind=LimitKind.BASE,
            status__in=(LimitChange.Status.APPLIED, LimitChange.Status.REJECTED),
            as_of__lte=today,
        )
        .order_by()
        .values("account")
        .annotate(last=Max("as_of"))
        .values("last")
    )
    confirmed = (
        LimitReview.objects.filter(account=OuterRef("pk"), reviewed_on__lte=today)
        .order_by()
        .values("account")
        .annotate(last=Max("reviewed_on"))
        .values("last")
    )
    limits = CreditLimit.objects.filter(account=OuterRef("pk"), kind=LimitKind.BASE, valid_from__lte=today)
    never = Value(_NEVER, output_field=DateField())
    # With a limit there is a decision; NULL is spelled out because the two databases take a greatest of it apart.
    reviewed = Greatest(
        Coalesce(Subquery(decided, output_field=DateField()), never),
        Coalesce(Subquery(confirmed, output_field=DateField()), never),
    )
    return (
        accounts.filter(joined_into__isnull=True)
        .exclude(customer__status__in=ENDED)
        .annotate(
            reviewed_on=reviewed,
            limit_minor=Subquery(
                limits.order_by("-valid_from", "-pk").values("amount")[:1], output_field=MoneyField()
            ),
            cutoff=_cutoffs(until or today, policies_at(today, causes=False)),
        )
        .filter(limit_minor__gt=0, reviewed_on__lt=F("cutoff"))
        .order_by("reviewed_on", "pk")
    )


def _cutoffs(day: date, policies: dict[int | None, PolicyTerms]) -> Case:
    """Per segment and grade the day before which a review is too old on `day`."""

    def by_grade(policy: PolicyTerms, **segment: Any) -> list[When]:
        cases = [
            When(score_row__grade=grade, **segment, then=Value(months_before(day, terms.review_months)))
            for grade, terms in policy.grades.items()
        ]
        unscored = Value(months_before(day, policy.review_months_unscored))
        return [*cases, When(**segment, then=unscored)] if segment else cases

    own = [when for pk, policy in policies.items() if pk is not None for when in by_grade(policy, segment=pk)]
    default = months_before(day, policies[None].review_months_unscored)
    return Case(*own, *by_grade(policies[None]), default=Value(default), output_field=DateField())


def next_reviews(rows: Iterable[Any], today: date) -> dict[int, date]:
    """The day from which each row of `overdue_reviews` is due; rows need `score_row` loaded."""
    policies = policies_at(today, causes=False)
    found = {}
    for row in rows:
        policy = policies.get(row.segment_id) or policies[None]
        score = getattr(row, "score_row", None)
        terms = policy.grades.get(score.grade) if score else None
        months = terms.review_months if terms else policy.review_months_unscored
        found[row.pk] = months_before(row.reviewed_on, -months)
    return found


@transaction.atomic
def confirm_limit(account: CreditAccount, *, by: User, note: str, on: date) -> LimitReview:
    """A person looked at a limit and leaves it as it is; the next review counts from today. Raises ReviewError.

    It moves nothing, so one person is enough; who wants another limit proposes one.
    """
    if not by.is_active or not (by.has_perm(PROPOSE) or by.has_perm(DECIDE)):
        raise ReviewError(_("Your role does not review limits: ask a credit controller."))
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise ReviewError(_("This customer is not in your portfolio."))
    if not note.strip():
        raise ReviewError(_("Write down what you saw: the note stays with the review."))
    locked = lock_account(account.pk)
    limit = limit_at(locked, on).base
    if limit is None or not limit.minor:
        raise ReviewError(_("There is no limit to review."))
    waiting = waiting_change(locked)
    if waiting is not None:
        raise ReviewError(
            _("A change to %(amount)s is waiting: deciding it is the review.")
            % {"amount": waiting.new_amount}
        )
    score = AccountScore.objects.filter(account=locked).first()
    made = LimitReview.objects.create(
        account=locked,
        currency=locked.currency,
        limit=limit,
        reviewed_on=on,
        by=by,
        score=score.score if score else None,
        grade=score.grade if score else "",
        note=note.strip(),
    )
    record_act(
        "limit.review",
        actor=Actor.person(by),
        subject=locked,
        business_date=on,
        note=note.strip(),
        data={"review": made.pk},
        changes=[Change.of(made, None, {"limit": limit.minor, "reviewed_on": on})],
    )
    return made
