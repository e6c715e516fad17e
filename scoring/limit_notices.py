"""What people are told of limits: changes that wait, cuts at once, temporary limits that end, reviews. How: core/notices.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core import roles
from creditdesk.core.models import MailMode, Notice, User
from creditdesk.core.notices import Line, Topic, register, tell, tell_all
from creditdesk.core.wording import day
from customers.approval_rules import PROPOSE
from customers.limits import limits_at
from customers.mandates import deciders
from customers.models import Company, CreditAccount, LimitChange, LimitReminder
from customers.notices import EXPIRING, WAITING, accounts_of
from customers.people import name_of, responsible_for, seen_by, staff_with
from scoring.limit_warnings import ending_limits
from scoring.models import CreditCause
from scoring.overrides import grades_now
from scoring.reviews import next_reviews, overdue_reviews

CUT, ENDING, REVIEW = "limit_cut", "limit_ending", "limit_review"
VIEW = "customers.view_limitchange"
# A review nobody made is told of again after so many days.
REVIEW_AGAIN = 30


def tell_of_cause(cause: CreditCause) -> None:
    """In the transaction of the cut or hold: the responsible controllers are told at once. A proposal only waits."""
    if cause.reaction in (CreditCause.Reaction.CUT, CreditCause.Reaction.HELD):
        tell(CUT, f"cause:{cause.pk}", on=cause.as_of, about={"cause": cause.pk})


@transaction.atomic
def tell_of_limits(company: Company, as_of: date) -> int:
    """Tell of temporary limits that end soon and of reviews overdue, each once; reviews again every month."""
    accounts = CreditAccount.objects.filter(company=company)
    found = [
        Notice(
            topic=ENDING,
            key=f"temporary limit:{one.account.pk}:{one.until}",
            business_date=as_of,
            about={"account": one.account.pk, "until": one.until.isoformat()},
        )
        for one in ending_limits(accounts, as_of)
    ]
    rows = list(overdue_reviews(accounts, as_of).select_related("score_row"))
    due = next_reviews(rows, as_of)
    for row in rows:
        late = (as_of - due[row.pk]).days
        found.append(
            Notice(
                topic=REVIEW,
                key=f"review:{row.pk}:{due[row.pk]}:{late // REVIEW_AGAIN}",
                business_date=as_of,
                about={"account": row.pk, "due_on": due[row.pk].isoformat()},
            )
        )
    tell_all(found)
    return len(found)


# --- Changes that wait ---


def _changes(notices: Sequence[Notice], *states: str) -> dict[int, LimitChange]:
    rows = LimitChange.objects.filter(pk__in={n.about["change"] for n in notices}, status__in=states)
    return {row.pk: row for row in rows.select_related("account__customer", "account__company")}


def _waiting_people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """Whoever may decide the change today, deputies included; once it is overdue the managers who see it too."""
    changes = _changes(notices, LimitChange.Status.PROPOSED)
    rows = list(changes.values())
    may = deciders(rows, grades_now({row.account_id for row in rows}, today), on=today)
    overdue = {n.about["change"] for n in notices if n.about["kind"] == LimitReminder.Kind.OVERDUE}
    late = {changes[pk].account_id: changes[pk].account for pk in overdue if pk in changes}
    managers = seen_by(late.values(), _managers()) if late else {}
    found = {}
    for notice in notices:
        change = changes.get(notice.about["change"])
        if change is not None:
            found[notice.pk] = set(may[change.pk])
            if notice.about["kind"] == LimitReminder.Kind.OVERDUE:
                found[notice.pk] |= managers[change.account_id]
    return found


def _managers() -> set[int]:
    named = User.objects.filter(groups__name=roles.MANAGER).values_list("pk", flat=True)
    return staff_with(VIEW) & set(named)


def _waiting_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    """A change that is overdue is told of once, not also as a reminder."""
    changes = _changes(notices, LimitChange.Status.PROPOSED)
    overdue = {n.about["change"] for n in notices if n.about["kind"] == LimitReminder.Kind.OVERDUE}
    texts = {
        (True, True): _("%(customer)s: overdue, a rise waits for a decision since %(day)s"),
        (True, False): _("%(customer)s: overdue, a cut waits for a decision since %(day)s"),
        (False, True): _("%(customer)s: a rise waits for a decision since %(day)s"),
        (False, False): _("%(customer)s: a cut waits for a decision since %(day)s"),
    }
    newest = {n.about["change"]: n for n in sorted(notices, key=lambda n: n.pk)}
    late = {n.about["change"]: n for n in notices if n.about["kind"] == LimitReminder.Kind.OVERDUE}
    found = {}
    for pk, notice in (newest | late).items():
        change = changes.get(pk)
        if change is not None:
            text = texts[pk in overdue, change.is_rise]
            words = {"customer": name_of(change.account), "day": day(change.as_of)}
            found[notice.pk] = Line(
                text % words, reverse("limits:decide", args=[pk]), (pk not in overdue, change.as_of)
            )
    return found


def _proposers(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """Who proposed the change, if that person still proposes limits and sees the account."""
    changes = _changes(notices, LimitChange.Status.PROPOSED, LimitChange.Status.EXPIRED)
    seen = seen_by({row.account_id: row.account for row in changes.values()}.values(), staff_with(PROPOSE))
    return {
        notice.pk: {change.proposer_id} & seen[change.account_id]
        for notice in notices
        if (change := changes.get(notice.about["change"])) is not None and change.proposer_id
    }


def _proposer_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    changes = _changes(notices, LimitChange.Status.PROPOSED, LimitChange.Status.EXPIRED)
    found = {}
    for notice in notices:
        change, is_over = changes.get(notice.about["change"]), notice.about["kind"] == "expired"
        if change is None or is_over == change.is_waiting:
            continue  # decided meanwhile, or what follows is told of in its own line
        words = {"customer": name_of(change.account)}
        if is_over:
            text = _("%(customer)s: the limit change you proposed expired, nobody decided it")
        else:
            on = date.fromisoformat(notice.about["on"])
            text = _("%(customer)s: the limit change you proposed expires on %(day)s if nobody decides it")
            words["day"] = day(on)
        found[notice.pk] = Line(text % words, reverse("limits:decide", args=[change.pk]), change.as_of)
    return found


# --- What was done at once, and what comes ---


def _responsible(accounts: Iterable[CreditAccount], notices: dict[int, int]) -> dict[int, set[int]]:
    """notices: account id per notice."""
    people = responsible_for(accounts)
    return {pk: people[account] for pk, account in notices.items() if account in people}


def _causes(notices: Sequence[Notice]) -> dict[int, CreditCause]:
    rows = CreditCause.objects.filter(pk__in={n.about["cause"] for n in notices})
    return {row.pk: row for row in rows.select_related("account__customer").defer("evidence")}


def _cut_people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    causes = _causes(notices)
    accounts = {cause.account_id: cause.account for cause in causes.values()}
    return _responsible(accounts.values(), {n.pk: causes[n.about["cause"]].account_id for n in notices})


def _cut_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    causes = _causes(notices)
    found = {}
    for notice in notices:
        cause = causes[notice.about["cause"]]
        if cause.reaction == CreditCause.Reaction.HELD:
            text = _("New business with %(customer)s is on hold: a person has to decide")
        elif cause.stops_business:
            text = _("The limit of %(customer)s was cut at once and new business is stopped")
        else:
            text = _("The limit of %(customer)s was cut at once")
        account = cause.account
        path = f"{reverse('desk:customer', args=[account.customer_id])}?account={account.pk}&tab=limits"
        found[notice.pk] = Line(text % {"customer": name_of(account)}, path, cause.pk)
    return found


def _ending_people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """Of temporary limits that still run: a cut meanwhile ends them."""
    accounts = accounts_of(n.about["account"] for n in notices)
    limits = limits_at(list(accounts), today)
    running = {
        n.pk: n.about["account"]
        for n in notices
        if n.about["account"] in accounts
        and limits[n.about["account"]].is_temporary
        and str(limits[n.about["account"]].temporary_until) == n.about["until"]
    }
    return _responsible(accounts.values(), running)


def _review_people(notices: Sequence[Notice], today: date) -> dict[int, set[int]]:
    """Of limits nobody reviewed meanwhile."""
    wanted = CreditAccount.objects.filter(pk__in={n.about["account"] for n in notices})
    overdue = {row.pk: row for row in overdue_reviews(wanted, today)}
    return _responsible(
        overdue.values(), {n.pk: n.about["account"] for n in notices if n.about["account"] in overdue}
    )


def _ending_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    accounts = accounts_of(n.about["account"] for n in notices)
    found = {}
    for notice in notices:
        account, until = accounts.get(notice.about["account"]), date.fromisoformat(notice.about["until"])
        if account is not None:
            text = _("%(customer)s: the temporary limit ends on %(day)s")
            words = {"customer": name_of(account), "day": day(until)}
            found[notice.pk] = Line(text % words, reverse("limits:ending"), until)
    return found


def _review_lines(notices: Sequence[Notice]) -> dict[int, Line]:
    accounts = accounts_of(n.about["account"] for n in notices)
    text = _("%(customer)s: the limit was due for a review on %(day)s")
    found = {}
    for notice in notices:
        account = accounts.get(notice.about["account"])
        if account is not None:
            due = date.fromisoformat(notice.about["due_on"])
            words = {"customer": name_of(account), "day": day(due)}
            found[notice.pk] = Line(text % words, reverse("limits:reviews"), due)
    return found


def register_topics() -> None:
    at_once, digest = MailMode.AT_ONCE, MailMode.DIGEST
    for topic in (
        Topic(
            CUT,
            gettext_lazy("Limits cut at once"),
            at_once,
            PROPOSE,
            _cut_people,
            _cut_lines,
            "limits:causes",
            rank=0,
        ),
        Topic(
            *(WAITING, gettext_lazy("Limit changes that wait for a decision"), digest, VIEW),
            *(_waiting_people, _waiting_lines, "limits:inbox", 2),
        ),
        Topic(
            *(EXPIRING, gettext_lazy("Limit changes you proposed that expire"), digest, PROPOSE),
            *(_proposers, _proposer_lines, "limits:inbox"),
        ),
        Topic(
            *(ENDING, gettext_lazy("Temporary limits that end"), digest, PROPOSE),
            *(_ending_people, _ending_lines, "limits:ending"),
        ),
        Topic(
            *(REVIEW, gettext_lazy("Limit reviews overdue"), digest, PROPOSE),
            *(_review_people, _review_lines, "limits:reviews"),
        ),
    ):
        register(topic)
