"""The audit trail: one record per act, with every changed row before and after; sealed in batches.

`record_act` is called inside the transaction of the act, so that neither exists without the other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils import timezone

from creditdesk.core.models import AuditChange, AuditEntry, AuditNote, AuditSeal, SealedEntry, User
from creditdesk.core.sentences import stored


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. A person is named; a policy, job, import or API client carries its name."""

    kind: str
    user: User | None = None
    name: str = ""

    @classmethod
    def person(cls, user: User) -> Actor:
        return cls(AuditEntry.ActorKind.PERSON, user, user.get_username())

    @classmethod
    def policy(cls, name: str) -> Actor:
        return cls(AuditEntry.ActorKind.POLICY, None, name)

    @classmethod
    def job(cls, name: str) -> Actor:
        return cls(AuditEntry.ActorKind.JOB, None, name)

    @classmethod
    def importer(cls, name: str, user: User | None = None) -> Actor:
        return cls(AuditEntry.ActorKind.IMPORT, user, name)

    @classmethod
    def api(cls, name: str, user: User) -> Actor:
        """A client program, by the name of its key, and the user it acts for."""
        return cls(AuditEntry.ActorKind.API, user, name)


@dataclass(frozen=True, slots=True)
class Change:
    """A row an act changed. `before` None: the row is new; `after` None: the row is gone."""

    table: str
    pk: Any
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @classmethod
    def of(cls, row: models.Model, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
        return cls(row._meta.label_lower, row.pk, before, after)


def record_act(
    act: str,
    *,
    actor: Actor,
    subject: models.Model | None = None,
    reason_code: str = "",
    note: str = "",
    business_date: date | None = None,
    data: dict[str, Any] | None = None,
    changes: Iterable[Change] = (),
) -> AuditEntry:
    """Store one act with its changed rows; must run in the act's own transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record_act belongs inside the transaction of the act it records")
    entry = AuditEntry.objects.create(
        act=act,
        actor_kind=actor.kind,
        actor=actor.user,
        actor_name=actor.name,
        business_date=business_date,
        reason_code=reason_code,
        subject_type=subject._meta.label_lower if subject is not None else "",
        subject_pk=str(subject.pk) if subject is not None else "",
        data=stored(data or {}),
    )
    AuditChange.objects.bulk_create(
        (
            AuditChange(entry=entry, table=c.table, object_pk=str(c.pk), before=c.before, after=c.after)
            for c in changes
        ),
        batch_size=2000,
    )
    if note:
        AuditNote.objects.create(entry=entry, text=note)
    return entry


def _digest(entry: AuditEntry, changes: Sequence[AuditChange]) -> str:
    body = {
        "id": entry.pk,
        "at": entry.at,
        "act": entry.act,
        "actor": [entry.actor_kind, entry.actor_id, entry.actor_name],
        "business_date": entry.business_date,
        "reason": entry.reason_code,
        "subject": [entry.subject_type, entry.subject_pk],
        "data": entry.data,
        "changes": [[c.table, c.object_pk, c.before, c.after] for c in changes],
    }
    text = json.dumps(body, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _digests(entries: models.QuerySet[AuditEntry]) -> Iterable[tuple[int, str]]:
    rows = entries.order_by("pk").prefetch_related(
        models.Prefetch("changes", AuditChange.objects.order_by("pk"))
    )
    for entry in rows.iterator(chunk_size=500):
        yield entry.pk, _digest(entry, list(entry.changes.all()))


def _chain(previous: str, digests: Iterable[str]) -> str:
    chain = hashlib.sha256(previous.encode())
    for digest in digests:
        chain.update(digest.encode())
    return chain.hexdigest()


@transaction.atomic
def seal_entries(*, older_than: timedelta = timedelta(minutes=1)) -> AuditSeal | None:
    """Seal the entries not yet sealed. The newest are left: their neighbours may still be uncommitted."""
    last = AuditSeal.objects.select_for_update().order_by("-pk").first()
    pending = AuditEntry.objects.filter(sealed__isnull=True, at__lt=timezone.now() - older_than)
    digests = list(_digests(pending))
    if not digests:
        return None
    seal = AuditSeal.objects.create(
        entries=len(digests), digest=_chain(last.digest if last else "", (d for _, d in digests))
    )
    SealedEntry.objects.bulk_create(
        (SealedEntry(entry_id=pk, seal=seal, digest=digest) for pk, digest in digests), batch_size=2000
    )
    return seal


def verify_seals() -> list[str]:
    """What in the sealed trail no longer matches its seals, as sentences; empty when all is intact."""
    findings, previous = [], ""
    for seal in AuditSeal.objects.order_by("pk"):
        stored = dict(seal.sealed_entries.order_by("entry_id").values_list("entry_id", "digest"))
        actual = dict(_digests(AuditEntry.objects.filter(sealed__seal=seal)))
        findings += [
            f"entry {pk} differs from what seal {seal.pk} covers"
            for pk, digest in stored.items()
            if actual.get(pk) != digest
        ]
        if len(stored) != seal.entries or _chain(previous, stored.values()) != seal.digest:
            findings.append(f"seal {seal.pk} does not match its entries")
        previous = seal.digest
    return findings
