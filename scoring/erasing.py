"""Erasing what people wrote about a customer's credit (GDPR art. 17); who decided what, when and by which reason code
stays.

The words of reviews, contests and overrides of scores, of decisions on credit, of limit changes with their talk and
their decisions, of reviews of limits, of holds, and of every other place named in scoring/written.py are erased for
good, and the audit notes of these acts with them. The
erasure is an act of its own: it names the rows, who asked for it and why, never what stood there. Who wrote the words
does not erase them, and what is still under way (an open contest, a waiting change, a hold in force) keeps its words
until it is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import AuditEntry, AuditNote, User
from customers.access import visible_accounts
from customers.models import (
    BureauPull,
    CreditAccount,
    CreditHold,
    LimitChange,
    LimitChangeComment,
    LimitDecision,
)
from scoring.models import Decision, LimitReview, ScoreOverride, ScoreReview
from scoring.models.report import REPLACED
from scoring.written import AUTHORS, PLACES, WRITTEN, rows_with_words

PERMISSION = "scoring.erase_words"


class Because(models.TextChoices):
    """Why words are erased: what the record of the erasure says."""

    REQUEST = "request", gettext_lazy("the person concerned asked for it (art. 17)")
    NOT_NEEDED = "not_needed", gettext_lazy("no longer needed for what it was written for")
    MISTAKE = "mistake", gettext_lazy("should never have been written")


class ErasureError(ValueError):
    """Words that are not erased; the text says why. code: not_allowed, out_of_scope, nothing, own, open."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Words:
    """What was written in one row, or in a limit change and all its rows. key: names it in a form; needed: why it is
    not over yet, or ""; why_not: why `erase` would not take it from the reader, or ""."""

    key: str
    rows: tuple[Any, ...]
    on: date
    what: str
    needed: str
    why_not: str

    @property
    def row(self) -> Any:
        return self.rows[0]

    @property
    def text(self) -> str:
        words = (text for row in self.rows for text in _texts(row))
        return " · ".join(_(text) if text == REPLACED else text for text in words)

    @property
    def who(self) -> str:
        people = (person for row in self.rows if _texts(row) for person in _people(row))
        return ", ".join(dict.fromkeys(person.get_full_name() or person.get_username() for person in people))


def words_of(account: CreditAccount, reader: User, as_of: date) -> list[Words]:
    """Everything that is still written about an account's credit, newest first; a query per table."""
    found = [
        Words(key, rows, on, what, needed, needed or _own(rows, reader))
        for key, rows, on, what, needed in (
            *_of_the_score(account),
            *_of_the_limit(account),
            *_of_agencies(account),
            *_elsewhere(account, as_of),
        )
    ]
    return sorted(found, key=lambda one: (one.on, one.key), reverse=True)


Found = tuple[str, tuple[Any, ...], date, str, str]


def _of_the_score(account: CreditAccount) -> Iterator[Found]:
    waits = _("The contest waits for its answer: its words are needed until then.")
    for review in _rows(ScoreReview, account=account).select_related("answer"):
        is_open = review.outcome == ScoreReview.Outcome.CONTESTED and not hasattr(review, "answer")
        what = review.get_outcome_display()
        yield f"review-{review.pk}", (review,), review.on, what, waits if is_open else ""
    for override in _rows(ScoreOverride, account=account):
        what = _("overridden to %s") % override.grade
        yield f"override-{override.pk}", (override,), override.valid_from, what, ""
    for decision in _rows(Decision, account=account):
        what = _("decision on credit: %s") % decision.get_outcome_display()
        yield f"decision-{decision.pk}", (decision,), decision.as_of, what, ""


def _of_the_limit(account: CreditAccount) -> Iterator[Found]:
    for review in _rows(LimitReview, account=account):
        yield f"limit-review-{review.pk}", (review,), review.reviewed_on, _("review of the limit"), ""
    parts: dict[int, list[Any]] = {}
    for model in (LimitDecision, LimitChangeComment):
        for row in _rows(model, change__account=account).order_by("pk"):
            parts.setdefault(row.change_id, []).append(row)
    written = Q(pk__in=list(parts)) | _written(LimitChange)
    waits = _("The change waits to be decided: its words are needed until then.")
    changes = LimitChange.objects.filter(written, account=account)
    for change in changes.select_related(*AUTHORS[LimitChange]):
        what = _("limit change to %s") % change.new_amount
        rows = (change, *parts.get(change.pk, ()))
        yield f"change-{change.pk}", rows, change.as_of, what, waits if change.is_waiting else ""
    held = _("The hold is in force: its words are needed until it is released.")
    for hold in _rows(CreditHold, account=account):
        needed = held if hold.released_on is None else ""
        yield f"hold-{hold.pk}", (hold,), hold.placed_on, _("credit hold"), needed


def _of_agencies(account: CreditAccount) -> Iterator[Found]:
    """Why agencies were asked; questions stay with a customer that was merged into this one."""
    whose = Q(customer=account.customer_id) | Q(customer__merged_into=account.customer_id)
    for pull in _rows(BureauPull).filter(whose).exclude(outcome=BureauPull.Outcome.ASKED):
        yield f"question-{pull.pk}", (pull,), pull.asked_on, pull.get_cause_display(), ""


def _elsewhere(account: CreditAccount, as_of: date) -> Iterator[Found]:
    for place in PLACES:
        for row, on in rows_with_words(place, account):
            yield f"{place.key}-{row.pk}", (row,), on, place.what(row), place.needed(row, as_of)


def _written(model: type[models.Model]) -> Q:
    some = Q()
    for name in WRITTEN[model]:
        some |= ~Q(**{name: ""})
    return some


def _rows(model: Any, **where: Any) -> models.QuerySet[Any]:
    return model.objects.filter(_written(model), **where).select_related(*AUTHORS[model])


def _texts(row: Any) -> list[str]:
    return [text for name in WRITTEN[type(row)] if (text := getattr(row, name))]


def _people(row: Any) -> list[User]:
    return [person for name in AUTHORS[type(row)] if (person := getattr(row, name))]


def _own(rows: Collection[Any], reader: User) -> str:
    if any(person.pk == reader.pk for row in rows if _texts(row) for person in _people(row)):
        return _("You wrote this: somebody else erases it.")
    return ""


@transaction.atomic
def erase(
    account: CreditAccount, keys: Collection[str], *, by: User, because: str, as_of: date
) -> list[models.Model]:
    """Erase the words named by `keys` (Words.key) and the audit notes of these acts. Raises ErasureError."""
    if not by.is_active or not by.has_perm(PERMISSION):
        raise ErasureError("not_allowed", _("Your role does not allow erasing what was written."))
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise ErasureError("out_of_scope", _("This account is not in your portfolio."))
    CreditAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    chosen = [words for words in words_of(account, by, as_of) if words.key in set(keys)]
    if not chosen or len(chosen) < len(set(keys)):
        raise ErasureError("nothing", _("Choose words that still stand there."))
    for words in chosen:
        if words.why_not:
            raise ErasureError("open" if words.needed else "own", words.why_not)
    at = timezone.now()
    rows = [row for words in chosen for row in words.rows]
    written = [row for row in rows if _texts(row)]
    for row in written:
        _blank(row, at)
    notes = AuditNote.objects.filter(entry__in=_entries_of(rows))
    erased = notes.count()
    notes.delete()
    record_act(
        "score.words_erased",
        actor=Actor.person(by),
        subject=account,
        business_date=as_of,
        reason_code=because,
        data={"rows": len(written), "audit_notes": erased},
        changes=[Change.of(row, {"words": True}, {"words": False}) for row in written],
    )
    return [words.row for words in chosen]


def _blank(row: Any, at: datetime) -> None:
    names = WRITTEN[type(row)]
    for name in names:
        setattr(row, name, "")
    if not any(column.name == "erased_at" for column in row._meta.concrete_fields):  # the act alone says when
        row.save(update_fields=names)
        return
    row.erased_at = at
    row.save(update_fields=[*names, "erased_at"])


def _entries_of(rows: Collection[Any]) -> models.QuerySet[AuditEntry]:
    """The acts that wrote these rows: a review that overrides is two acts with the same words."""
    named = Q()
    for row in rows:
        named |= Q(changes__table=row._meta.label_lower, changes__object_pk=str(row.pk))
        if isinstance(row, BureauPull):
            named |= Q(act__startswith="bureau.", data__pull=row.pk)
    overrides = [r.override_id for r in rows if isinstance(r, ScoreReview) and r.override_id]
    reviews = ScoreReview.objects.filter(override__in=[r.pk for r in rows if isinstance(r, ScoreOverride)])
    for label, pks in (
        (ScoreOverride._meta.label_lower, overrides),
        (ScoreReview._meta.label_lower, reviews.values_list("pk", flat=True)),
    ):
        named |= Q(changes__table=label, changes__object_pk__in=[str(pk) for pk in pks])
    return AuditEntry.objects.filter(named)
