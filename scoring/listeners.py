"""A change of the ledger marks its accounts for rescoring, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django_q.tasks import async_task

from customers.events import bureau_reported, ledger_changed, legal_event_recorded, promise_moved
from customers.models import CreditAccount, LegalEvent
from scoring.causes import record_insolvency
from scoring.models import DirtyAccount

TASK = "scoring.tasks.rescore_dirty"


def mark_dirty(account_ids: Collection[int]) -> None:
    """Mark accounts and enqueue one task per transaction; both roll back with it (the queue is a table here)."""
    ids = sorted(set(account_ids))
    if not ids:
        return
    with transaction.atomic():
        DirtyAccount.objects.bulk_create((DirtyAccount(account_id=pk) for pk in ids), batch_size=5000)
        _enqueue_once()


def _enqueue_once() -> None:
    """Debounced: the hook left on the connection says that this transaction (or savepoint) has enqueued already.

    It vanishes with its savepoint exactly as the queued row does.
    """
    hooks = transaction.get_connection().run_on_commit
    if any(hook[1] is _enqueued for hook in hooks):
        return
    async_task(TASK)
    transaction.on_commit(_enqueued)


def _enqueued() -> None:
    """Nothing to do: its presence among the commit hooks is the message."""


def _on_ledger_changed(sender: Any, account_ids: Collection[int], **_kwargs: Any) -> None:
    mark_dirty(account_ids)


def _on_promise_moved(sender: Any, promise: Any, **_kwargs: Any) -> None:
    mark_dirty([promise.account_id])


def _on_legal_event(sender: Any, event: Any, **_kwargs: Any) -> None:
    mark_dirty(list(CreditAccount.objects.filter(customer_id=event.customer_id).values_list("pk", flat=True)))
    if event.kind == LegalEvent.Kind.INSOLVENCY and event.ended_on is None:
        record_insolvency(event)


def _on_bureau_reported(sender: Any, customer_ids: Collection[int], **_kwargs: Any) -> None:
    mark_dirty(list(CreditAccount.objects.filter(customer__in=customer_ids).values_list("pk", flat=True)))


def connect() -> None:
    bureau_reported.connect(_on_bureau_reported, dispatch_uid="scoring.bureau_reported")
    ledger_changed.connect(_on_ledger_changed, dispatch_uid="scoring.ledger_changed")
    promise_moved.connect(_on_promise_moved, dispatch_uid="scoring.promise_moved")
    legal_event_recorded.connect(_on_legal_event, dispatch_uid="scoring.legal_event")
