"""Erasing what people wrote about a score (GDPR art. 17); who decided what, when and by which reason code stays.

The words of reviews, contests and overrides, and the audit notes of these acts, are erased for good. The erasure is
an act of its own: it names the rows, who asked for it and why, never what stood there. Who wrote the words does not
erase them, and an open contest keeps its words until it is answered.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import AuditEntry, AuditNote, User
from customers.access import visible_accounts
from customers.models import CreditAccount
from scoring.models import ScoreOverride, ScoreReview

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
    """What a person wrote in one row. key: names it in a form; may: whether `erase` would take it for the reader."""

    key: str
    row: ScoreReview | ScoreOverride
    on: date
    what: str
    who: str
    text: str
    why_not: str


def words_of(account: CreditAccount, reader: User) -> list[Words]:
    """Everything that is still written about an account's scores, newest first; two queries."""
    reviews = ScoreReview.objects.filter(account=account).exclude(note="").select_related("by", "answer")
    overrides = ScoreOverride.objects.filter(account=account).exclude(Q(note="") & Q(end_reason=""))
    found = [
        Words(f"review-{r.pk}", r, r.on, r.get_outcome_display(), _name(r.by), r.note, _why_not(r, reader))
        for r in reviews
    ] + [
        Words(
            f"override-{o.pk}",
            o,
            o.valid_from,
            _("overridden to %s") % o.grade,
            _name(o.made_by),
            " · ".join(filter(None, (o.note, o.end_reason))),
            _why_not(o, reader),
        )
        for o in overrides.select_related("made_by", "ended_by")
    ]
    return sorted(found, key=lambda one: (one.on, one.key), reverse=True)


@transaction.atomic
def erase(
    account: CreditAccount, keys: Collection[str], *, by: User, because: str, as_of: date
) -> list[ScoreReview | ScoreOverride]:
    """Erase the words named by `keys` (Words.key) and the audit notes of these acts. Raises ErasureError."""
    if not by.is_active or not by.has_perm(PERMISSION):
        raise ErasureError("not_allowed", _("Your role does not allow erasing what was written."))
    if not visible_accounts(by).filter(pk=account.pk).exists():
        raise ErasureError("out_of_scope", _("This account is not in your portfolio."))
    CreditAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)
    chosen = [words for words in words_of(account, by) if words.key in set(keys)]
    if not chosen or len(chosen) < len(set(keys)):
        raise ErasureError("nothing", _("Choose words that still stand there."))
    for words in chosen:
        if words.why_not:
            code = "own" if by.pk in _authors(words.row) else "open"
            raise ErasureError(code, words.why_not)
    at = timezone.now()
    for words in chosen:
        _blank(words.row, at)
    rows = [words.row for words in chosen]
    notes = AuditNote.objects.filter(entry__in=_entries_of(rows))
    erased = notes.count()
    notes.delete()
    record_act(
        "score.words_erased",
        actor=Actor.person(by),
        subject=account,
        business_date=as_of,
        reason_code=because,
        data={"rows": len(rows), "audit_notes": erased},
        changes=[Change.of(row, {"words": True}, {"words": False}) for row in rows],
    )
    return rows


def _blank(row: ScoreReview | ScoreOverride, at: datetime) -> None:
    names = ["note", "end_reason"] if isinstance(row, ScoreOverride) else ["note"]
    for name in names:
        setattr(row, name, "")
    row.erased_at = at
    row.save(update_fields=[*names, "erased_at"])


def _entries_of(rows: Collection[ScoreReview | ScoreOverride]) -> models.QuerySet[AuditEntry]:
    """The acts that wrote these rows: a review that overrides is two acts with the same words."""
    named = Q()
    for row in rows:
        named |= Q(changes__table=row._meta.label_lower, changes__object_pk=str(row.pk))
    overrides = [r.override_id for r in rows if isinstance(r, ScoreReview) and r.override_id]
    reviews = ScoreReview.objects.filter(override__in=[r.pk for r in rows if isinstance(r, ScoreOverride)])
    for label, pks in (
        (ScoreOverride._meta.label_lower, overrides),
        (ScoreReview._meta.label_lower, reviews.values_list("pk", flat=True)),
    ):
        named |= Q(changes__table=label, changes__object_pk__in=[str(pk) for pk in pks])
    return AuditEntry.objects.filter(named)


def _authors(row: ScoreReview | ScoreOverride) -> set[int]:
    if isinstance(row, ScoreReview):
        return {row.by_id}
    return {row.made_by_id, row.ended_by_id or row.made_by_id}


def _why_not(row: ScoreReview | ScoreOverride, reader: User) -> str:
    """Why the reader may not erase the words of a row; "" where it may."""
    contested = isinstance(row, ScoreReview) and row.outcome == ScoreReview.Outcome.CONTESTED
    if contested and not hasattr(row, "answer"):
        return _("The contest waits for its answer: its words are needed until then.")
    if reader.pk in _authors(row):
        return _("You wrote this: somebody else erases it.")
    return ""


def _name(user: User | None) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""
