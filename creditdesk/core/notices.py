"""Telling people what happened: topics, notices, and who gets which when.

    tell(...)        in the transaction of what happened: one row and one queued task, both or neither
    address()        a job: who hears of it now, each in the way they chose; mails that leave at once are written
    write_digests()  a job, once a day: one mail per person with everything that waited for it

Core knows neither accounts nor limits: an app registers a `Topic` that knows whom it concerns and how it reads. Both are
asked when a mail is written, not when the notice was: what is no longer true, or no longer somebody's to read, is dropped.
Every step may run again or be killed: a notice has a key, a person gets one copy of it, a digest has one key per day.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_q.tasks import async_task

from creditdesk.core.jobs import enqueue_many
from creditdesk.core.models import MailMode, MailPreference, Notice, NoticeCopy, StaffMail, User
from creditdesk.core.wording import day

logger = logging.getLogger(__name__)

TASK = "creditdesk.core.tasks.address_notices"
SEND = "creditdesk.core.tasks.send_staff_mail"
BATCH = 200
# A notice about a day longer ago tells of the past (a ledger imported late, a made-up history): nobody is mailed.
STALE = timedelta(days=7)
# So many lines of a topic are written out; the rest are on its page.
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Line:
    """What a mail says of a notice. path: of the page (no host); sort: lines of a topic come in this order.

    A mail travels unsealed: who, what, by when. Amounts, scores and reasons stay on the page.
    """

    text: str
    path: str
    sort: Any = 0


People = Mapping[int, Collection[int]]
"""Ids of users per id of a notice."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A kind of notice. permission: without it nobody ever gets one, so nobody is asked how.

    people(notices, today): whom each concerns today (active, in their scope); lines(notices): what each says in the
    active language, those that are no longer true left out. Both take a constant number of queries.
    page: name of the page where all of it is listed. rank: the lowest comes first in a mail and gives it its subject.
    """

    code: str
    label: str | Promise
    mode: str
    permission: str
    people: Callable[[Sequence[Notice], date], People]
    lines: Callable[[Sequence[Notice]], Mapping[int, Line]]
    page: str
    rank: int = 5


_topics: dict[str, Topic] = {}


def register(topic: Topic) -> None:
    if _topics.setdefault(topic.code, topic) != topic:
        raise ValueError(f"Two topics are named {topic.code!r}.")


def topics() -> list[Topic]:
    return sorted(_topics.values(), key=lambda topic: topic.rank)


def tell(topic: str, key: str, *, on: date, about: Mapping[str, Any]) -> None:
    """Have people told; call it in the transaction of what happened. Told again with the same key, nothing happens."""
    tell_all([Notice(topic=topic, key=key, business_date=on, about=dict(about))])


def tell_all(notices: Iterable[Notice]) -> None:
    """`tell` for many, with one statement and one task."""
    rows = list(notices)
    if not rows:
        return
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("people are told inside the transaction of what they are told of")
    Notice.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    _enqueue_once()


def _enqueue_once() -> None:
    """One task per transaction, however much it tells; the hook vanishes with its savepoint as the queued row does."""
    if any(hook[1] is _enqueued for hook in transaction.get_connection().run_on_commit):
        return
    async_task(TASK)
    transaction.on_commit(_enqueued)


def _enqueued() -> None:
    """Nothing to do: its presence among the commit hooks is the message."""


def address(today: date) -> int:
    """Work out who hears of what was told, and write the mails that leave at once; returns how many notices.

    A topic that fails keeps its own notices waiting, not those of the others; its error is raised at the end.
    """
    untold = Notice.objects.filter(addressed_at__isnull=True).order_by()
    done, errors = 0, []
    for topic in untold.values_list("topic", flat=True).distinct():
        try:
            while count := _address_some(topic, today):
                done += count
        except Exception as error:
            logger.exception("Notices of %s could not be addressed", topic)
            errors.append(error)
    with transaction.atomic():
        waiting = set(_waiting(MailMode.AT_ONCE).values_list("user_id", flat=True))
        errors += _write(MailMode.AT_ONCE, waiting, today)[1]
    if errors:
        raise errors[0]
    return done


@transaction.atomic
def _address_some(topic: str, today: date) -> int:
    untold = Notice.objects.filter(topic=topic, addressed_at__isnull=True)
    rows = list(untold.select_for_update().order_by("pk")[:BATCH])
    fresh = [row for row in rows if row.business_date >= today - STALE]
    people = _people(fresh, today)
    chosen = _modes({user for users in people.values() for user in users})
    copies = []
    for row in fresh:
        default = _topics[row.topic].mode if row.topic in _topics else MailMode.NONE
        for user in sorted(people.get(row.pk, ())):
            mode = chosen.get((user, row.topic), default)
            if mode != MailMode.NONE:
                copies.append(NoticeCopy(notice=row, user_id=user, mode=mode))
    NoticeCopy.objects.bulk_create(copies, ignore_conflicts=True, batch_size=1000)
    Notice.objects.filter(pk__in=[row.pk for row in rows]).update(addressed_at=timezone.now())
    return len(rows)


def write_digests(today: date, users: Collection[int] | None = None) -> int:
    """One mail per person with what waits for it; returns how many were written. Again on the same day: none.

    users: only these (whose working day it is). A topic that fails is left out; its error is raised at the end.
    """
    with transaction.atomic():
        waiting = _waiting(MailMode.DIGEST).values_list("user_id", flat=True)
        wanted = set(waiting) if users is None else set(waiting) & set(users)
        count, errors = _write(MailMode.DIGEST, wanted, today)
    if errors:
        raise errors[0]
    return count


def _waiting(mode: str) -> Any:
    return NoticeCopy.objects.filter(mode=mode, mail__isnull=True, is_dropped=False).order_by("pk")


def _modes(users: Collection[int]) -> dict[tuple[int, str], str]:
    rows = MailPreference.objects.filter(user__in=users)
    return {(user, topic): mode for user, topic, mode in rows.values_list("user_id", "topic", "mode")}


Failed = dict[str, Exception]
"""What went wrong with a topic, by its code: its notices wait, those of the others do not."""


@contextmanager
def _kept_apart(topic: Topic, failed: Failed) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except Exception as error:
        logger.exception("Notices of %s could not be written", topic.code)
        failed[topic.code] = error


def _people(notices: Sequence[Notice], today: date, failed: Failed | None = None) -> dict[int, set[int]]:
    """Whom each notice concerns today, among those who are active and can be written to.

    failed: takes up the topics that fail, instead of raising.
    """
    found: dict[int, set[int]] = {}
    for topic, rows in _by_topic(notices).items():
        with nullcontext() if failed is None else _kept_apart(topic, failed):
            found |= {pk: set(users) for pk, users in topic.people(rows, today).items()}
    everybody = {user for users in found.values() for user in users}
    reachable = set(
        User.objects.filter(pk__in=everybody, is_active=True).exclude(email="").values_list("pk", flat=True)
    )
    return {pk: users & reachable for pk, users in found.items()}


def _by_topic(notices: Iterable[Notice]) -> dict[Topic, list[Notice]]:
    grouped: dict[str, list[Notice]] = defaultdict(list)
    for row in notices:
        grouped[row.topic].append(row)
    return {topic: grouped[topic.code] for topic in topics() if topic.code in grouped}


def _write(mode: str, users: Collection[int], today: date) -> tuple[int, list[Exception]]:
    """Write and queue one mail for each of these people with their waiting copies of a mode. In a transaction.

    Returns how many, and what went wrong: copies of a topic that fails stay waiting, and so do those of a person whose
    mail cannot be written.
    """
    if not users:
        return 0, []
    failed: Failed = {}
    copies = list(
        _waiting(mode).filter(user__in=users).select_for_update(of=("self",)).select_related("notice")
    )
    has_today = set(
        StaffMail.objects.filter(
            key__in=[f"digest:{user}:{today.isoformat()}" for user in users]
        ).values_list("user_id", flat=True)
    )
    chosen = _modes(users)
    still = _people(list({copy.notice_id: copy.notice for copy in copies}.values()), today, failed)
    readers = {row.pk: row for row in User.objects.filter(pk__in=users)}
    mine: dict[int, list[NoticeCopy]] = defaultdict(list)
    dropped: list[int] = []
    for copy in copies:
        if copy.notice.topic in failed:
            continue
        off = chosen.get((copy.user_id, copy.notice.topic)) == MailMode.NONE
        if off or copy.user_id not in still.get(copy.notice_id, ()):
            dropped.append(copy.pk)
        elif mode == MailMode.AT_ONCE or copy.user_id not in has_today:
            mine[copy.user_id].append(copy)
    written, errors = [], list(failed.values())
    for user_id, own in sorted(mine.items()):
        try:
            with transaction.atomic():
                mail, over, broken = _write_one(readers[user_id], mode, own, today)
        except Exception as error:
            logger.exception("The mail to user %s could not be written", user_id)
            errors.append(error)
            continue
        dropped += over
        errors += broken
        written += [mail.pk] if mail is not None else []
    NoticeCopy.objects.filter(pk__in=dropped).update(is_dropped=True)
    enqueue_many(SEND, [(pk,) for pk in written])
    return len(written), errors


def _write_one(
    user: User, mode: str, copies: Sequence[NoticeCopy], today: date
) -> tuple[StaffMail | None, list[int], list[Exception]]:
    """The mail to one person, the copies that are over, and what went wrong with a topic."""
    failed: Failed = {}
    mail, told = _compose(user, mode, [copy.notice for copy in copies], today, failed)
    if mail is not None:
        mail.save()
        kept = [copy.pk for copy in copies if copy.notice_id in told]
        NoticeCopy.objects.filter(pk__in=kept).update(mail=mail)
    over = [copy.pk for copy in copies if copy.notice_id not in told and copy.notice.topic not in failed]
    return mail, over, list(failed.values())


def _compose(
    user: User, mode: str, notices: Sequence[Notice], today: date, failed: Failed
) -> tuple[StaffMail | None, set[int]]:
    """The mail in its reader's language, and the notices it tells of; None: nothing of it is true any more.

    failed: takes up the topics that could not be asked.
    """
    language = (
        user.language if translation.check_for_language(user.language or "") else settings.LANGUAGE_CODE
    )
    with translation.override(language):
        sections, told = [], set()
        for topic, rows in _by_topic(notices).items():
            lines: Mapping[int, Line] = {}
            with _kept_apart(topic, failed):
                lines = topic.lines(rows)
            told |= set(lines)
            if lines:
                ordered = sorted(lines.values(), key=lambda line: (line.sort, line.text))
                sections.append(
                    {
                        "title": str(topic.label),
                        "lines": [(line.text, link(line.path)) for line in ordered[:SHOWN]],
                        "more": _more(len(ordered) - SHOWN),
                        "page": link(_path(topic.page)),
                    }
                )
        if not told:
            return None, told
        first = sections[0]["lines"][0][0]
        context = {
            "sections": sections,
            "name": user.first_name or user.get_username(),
            "is_digest": mode == MailMode.DIGEST,
            "today": day(today),
            "preferences": link(_path("mail_preferences")),
            "language": language,
        }
        kind = "digest" if mode == MailMode.DIGEST else "once"
        end = today.isoformat() if mode == MailMode.DIGEST else str(min(told))
        mail = StaffMail(
            key=f"{kind}:{user.pk}:{end}",
            user=user,
            mode=mode,
            business_date=today,
            language=language,
            to_address=user.email,
            subject=_subject(mode, len(told), first, today),
            body=render_to_string("mail/notices.txt", context).strip() + "\n",
            html=render_to_string("mail/notices.html", context),
        )
    return mail, told


def _subject(mode: str, count: int, first: str, today: date) -> str:
    if mode == MailMode.AT_ONCE and count == 1:
        subject = first
    elif mode == MailMode.AT_ONCE:
        subject = _("%(first)s, and %(count)s more") % {"first": first, "count": count - 1}
    else:
        subject = ngettext(
            "Credit desk, %(day)s: %(count)s item for you",
            "Credit desk, %(day)s: %(count)s items for you",
            count,
        ) % {"day": day(today), "count": count}
    # A name may hold a line break; a header may not.
    return " ".join(subject.split())[:200]


def _more(count: int) -> str:
    if count <= 0:
        return ""
    return ngettext("and %(count)s more", "and %(count)s more", count) % {"count": count}


def _path(name: str) -> str:
    from django.urls import reverse

    return reverse(name)


def link(path: str) -> str:
    """The address of a page as a mail writes it (settings.SITE_URL)."""
    return settings.SITE_URL.rstrip("/") + path


def may_still_read(mail: StaffMail, today: date) -> bool:
    """Does everything in a written mail still concern its reader? Asked again when it could not leave at once."""
    notices = list(Notice.objects.filter(copies__mail=mail))
    people = _people(notices, today)
    return all(mail.user_id in people.get(row.pk, ()) for row in notices)


@transaction.atomic
def write_anew(mail: StaffMail, today: date) -> int:
    """In place of a mail that was cancelled: one with what still concerns its reader; returns how many (0 or 1).

    What was in a digest of an earlier day waits for the next regular one: written now, it would be that day's only
    one, at any hour and on any holiday.
    """
    StaffMail.objects.filter(pk=mail.pk).update(key=f"cancelled:{mail.public_id}")
    NoticeCopy.objects.filter(mail=mail).update(mail=None)
    if mail.mode == MailMode.DIGEST and mail.business_date < today:
        return 0
    return _write(mail.mode, {mail.user_id}, today)[0]


def chosen_modes(user: User) -> dict[str, str]:
    """How a person hears of each topic they may get, by code."""
    kept = {topic: mode for (_user, topic), mode in _modes([user.pk]).items()}
    return {topic.code: kept.get(topic.code, topic.mode) for topic in topics_of(user)}


def topics_of(user: User) -> list[Topic]:
    return [topic for topic in topics() if user.has_perm(topic.permission)]


@transaction.atomic
def choose_modes(user: User, modes: Mapping[str, str]) -> None:
    """Keep how a person wants to hear of topics; those they may not get are ignored. ValueError: no such way."""
    own = {topic.code for topic in topics_of(user)}
    for code, mode in modes.items():
        if mode not in MailMode.values:
            raise ValueError(f"{mode!r} is no way of hearing of a topic")
        if code in own:
            MailPreference.objects.update_or_create(user=user, topic=code, defaults={"mode": mode})
