"""Scores that a named person must decide on, and customers who contest a score.

Who waits: accounts whose card leaves it to a person (the grey zone, thin histories), and natural persons whom it
would decline (GDPR art. 22: nothing adverse about them stands on automated processing alone). A decision takes the
account off the queue until it expires or the grade changes; so does an override while it is in force. A contest
puts it back, with a month to answer it, and is answered by somebody else than decided before.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.dates import months_before
from creditdesk.core.models import User
from creditdesk.core.wording import day
from customers.access import visible_accounts
from customers.models import CreditAccount, Customer
from scoring.history import keep_for_decision
from scoring.models import AccountScore, Depth, Recommendation, ScoreOverride, ScoreReview
from scoring.overrides import in_force, is_insolvent, override_score, overrides_at

DECIDE, CONTEST = "scoring.review_score", "scoring.contest_score"
LONGEST = timedelta(days=366)
MONTHS_TO_ANSWER = 1
"""GDPR art. 12 (3): within one month of the request."""

Outcome = ScoreReview.Outcome
NATURAL = Q(customer__kind=Customer.Kind.SOLE_TRADER)


class ReviewError(ValueError):
    """A decision or contest that cannot be recorded; the text says why.

    code: not_allowed, out_of_scope, no_score, moved, not_waiting, same_person, no_reason, dates, not_natural, open.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def open_contests() -> QuerySet[ScoreReview]:
    return ScoreReview.objects.filter(outcome=Outcome.CONTESTED, answer__isnull=True)


def is_for_a_person() -> Q:
    """Condition on accounts: the card itself leaves the score to a person, or may not decide it alone."""
    return Q(score_row__recommendation=Recommendation.REVIEW) | NATURAL & Q(
        score_row__recommendation=Recommendation.DECLINED
    )


def _standing(as_of: date) -> QuerySet[ScoreReview]:
    """Decisions that hold on a day as long as the grade stays, and that nobody contested since."""
    made = ScoreReview.objects.exclude(outcome=Outcome.CONTESTED)
    return made.filter(on__lte=as_of, valid_until__gte=as_of, contested_in=None)


def waiting(accounts: QuerySet[CreditAccount], as_of: date) -> QuerySet[CreditAccount]:
    """Those of `accounts` on which a named person has yet to decide. One condition, no query of its own."""
    mine = {"account": OuterRef("pk")}
    decided = _standing(as_of).filter(**mine, grade=OuterRef("score_row__grade"))
    overridden = ScoreOverride.objects.filter(in_force(as_of), **mine)
    # An insolvency that opened since is a fact that no override speaks of.
    overruled = Exists(overridden) & Q(score_row__pd__lt=1)
    undecided = is_for_a_person() & ~Exists(decided) & ~overruled
    in_business = ~Q(customer__status=Customer.Status.CLOSED)
    return accounts.filter(
        undecided & in_business | Exists(open_contests().filter(**mine)), joined_into__isnull=True
    )


def awaited(
    account: CreditAccount,
    row: AccountScore,
    contest: ScoreReview | None,
    override: ScoreOverride | None,
    as_of: date,
) -> tuple[str, ScoreReview | None]:
    """`waiting` for one account that is loaded: (why a person has yet to decide, or ""; the decision that stands)."""
    if contest:
        return why(account, contest, row), None
    declined = account.customer.is_natural_person and row.recommendation == Recommendation.DECLINED
    if row.recommendation != Recommendation.REVIEW and not declined:
        return "", None
    if account.joined_into_id or account.customer.status == Customer.Status.CLOSED:
        return "", None
    if override and not is_insolvent(row):
        return "", None
    found = _standing(as_of).filter(account=account, grade=row.grade).select_related("by")
    stands = found.order_by("-pk").first()
    return ("", stands) if stands else (why(account, None, row), None)


def waiting_for(user: User, as_of: date) -> QuerySet[CreditAccount]:
    """What waits in the user's portfolio, less the contests of their own decisions: those wait for others."""
    own = open_contests().filter(account=OuterRef("pk"), first_by=user)
    return waiting(visible_accounts(user), as_of).exclude(Exists(own))


def with_contests(accounts: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """Accounts with their open contest and last decisions loaded (`contests_open`), and what `why` needs."""
    rows = open_contests().select_related("first_by", "contests").order_by("valid_until", "pk")
    return accounts.select_related("customer", "company", "score_row").prefetch_related(
        Prefetch("score_reviews", queryset=rows, to_attr="contests_open")
    )


def contest_of(account: Any) -> ScoreReview | None:
    """The open contest of an account, soonest deadline first."""
    loaded = getattr(account, "contests_open", None)
    if loaded is not None:
        return next(iter(loaded), None)
    rows = open_contests().filter(account=account).select_related("first_by", "contests")
    return rows.order_by("valid_until", "pk").first()


def reviews_of(account: CreditAccount, most: int = 20) -> QuerySet[ScoreReview]:
    """The last decisions and contests of an account, newest first."""
    found = ScoreReview.objects.filter(account=account).select_related("by", "override", "answers")
    return found.order_by("-pk")[:most]


def why(account: CreditAccount, contest: ScoreReview | None, row: AccountScore | None = None) -> str:
    """Why the account waits for a person, in one sentence. row: its score, where it is at hand."""
    row = row or account.score_row
    if contest:
        return _("The customer contested the score on %(on)s: answer by %(until)s.") % {
            "on": day(contest.on),
            "until": day(contest.valid_until),
        }
    if row.recommendation == Recommendation.DECLINED:
        return _("The card would decline a natural person: only a person may (GDPR art. 22).")
    if row.depth == Depth.NONE:
        return _("Nothing has fallen due in 12 months: the card cannot judge.")
    if row.depth == Depth.THIN:
        return _("Little has fallen due in 12 months: the card cannot judge alone.")
    return _("The score lies in the grey zone.")


@transaction.atomic
def decide(
    account: CreditAccount,
    *,
    by: User,
    note: str,
    valid_until: date,
    as_of: date,
    seen_grade: str,
    grade: str = "",
    reason_code: str = "",
) -> ScoreReview:
    """A named person's decision on the score: the card's grade confirmed, or `grade` set in its place.

    seen_grade: the card's grade the person read; another by now is refused. Another `grade` overrides the score
    with `reason_code` until `valid_until` (scoring.overrides, which may refuse: OverrideError). A waiting contest
    is answered by this. Raises ReviewError.
    """
    row = _locked(account, by, DECIDE)
    contest = contest_of(account)
    if contest and contest.first_by_id == by.pk:
        raise ReviewError("same_person", _("You decided this before: somebody else answers the contest."))
    if row.grade != seen_grade:
        raise ReviewError("moved", _("The grade is %s by now: look again before you decide.") % row.grade)
    if not waiting(CreditAccount.objects.filter(pk=account.pk), as_of).exists():
        raise ReviewError("not_waiting", _("This score does not wait for a person (any more)."))
    _check(note, valid_until, as_of)
    override = None
    if grade and grade != row.grade:
        override = override_score(
            account,
            grade,
            by=by,
            reason_code=reason_code,
            note=note,
            valid_until=valid_until,
            as_of=as_of,
        )
    made = _record(
        row,
        Outcome.OVERRIDDEN if override else Outcome.CONFIRMED,
        by=by,
        note=note,
        on=as_of,
        valid_until=valid_until,
        override=override,
        answers=contest,
    )
    after = {
        "outcome": made.outcome,
        "grade": override.grade if override else row.grade,
        "until": valid_until.isoformat(),
    }
    if contest:
        after["answers_contest_of"] = contest.on.isoformat()
    record_act(
        "score.reviewed",
        actor=Actor.person(by),
        subject=made.account,
        business_date=as_of,
        note=note,
        changes=[Change.of(made, {"grade": row.grade, "recommendation": row.recommendation}, after)],
    )
    return made


@transaction.atomic
def contest(account: CreditAccount, *, by: User, said: str, said_on: date, as_of: date) -> ScoreReview:
    """Record that a natural person contests the score or what was decided on it. Raises ReviewError.

    The month to answer runs from the day they said it, not from the day somebody wrote it down.
    """
    row = _locked(account, by, CONTEST)
    if not account.customer.is_natural_person:
        raise ReviewError("not_natural", _("Only a natural person can contest a score (GDPR art. 22)."))
    if contest_of(account):
        raise ReviewError("open", _("A contest of this account waits to be answered already."))
    if not said.strip():
        raise ReviewError("no_reason", _("Write down what the customer says."))
    if not as_of - timedelta(days=366) <= said_on <= as_of:
        raise ReviewError("dates", _("The day of the contest lies within the last year, not after today."))
    deadline = months_before(said_on, -MONTHS_TO_ANSWER)
    decided = (
        ScoreReview.objects.filter(account=account, on__lte=as_of)
        .exclude(outcome=Outcome.CONTESTED)
        .order_by("-pk")
        .first()
    )
    override = overrides_at([account.pk], as_of).get(account.pk)
    first = override.made_by if override else decided.by if decided else None
    made = _record(
        row,
        Outcome.CONTESTED,
        by=by,
        note=said,
        on=said_on,
        valid_until=deadline,
        contests=decided,
        first_by=first,
    )
    record_act(
        "score.contested",
        actor=Actor.person(by),
        subject=made.account,
        business_date=as_of,
        note=said,
        changes=[Change.of(made, None, {"on": said_on.isoformat(), "answer_by": deadline.isoformat()})],
    )
    return made


def _locked(account: CreditAccount, by: User, permission: str) -> AccountScore:
    """The account's score, with the account locked, after asking whether the person may. Raises ReviewError."""
    if not by.is_active or not by.has_perm(permission):
        raise ReviewError("not_allowed", _("Your role does not allow deciding on scores."))
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise ReviewError("out_of_scope", _("This account is not in your portfolio."))
    CreditAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    row = AccountScore.objects.filter(account=account).select_related("account").first()
    if row is None:
        raise ReviewError("no_score", _("The account has no score yet."))
    return row


def _check(note: str, valid_until: date, as_of: date) -> None:
    if not note.strip():
        raise ReviewError("no_reason", _("Say what you looked at and why you decide so."))
    if not as_of <= valid_until <= as_of + LONGEST:
        raise ReviewError("dates", _("A decision lasts from today to at most a year from now."))


def _record(row: AccountScore, outcome: str, *, note: str, **values: Any) -> ScoreReview:
    return ScoreReview.objects.create(
        account_id=row.account_id,
        outcome=outcome,
        score=row.score,
        grade=row.grade,
        recommendation=row.recommendation,
        kept=keep_for_decision(row),
        note=note.strip(),
        **values,
    )
