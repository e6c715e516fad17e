"""Follows the ledger: what a change means for promises and today's lists is worked off right after its commit.

A change leaves one PendingAccount row per account in its own transaction, and one queued task per
transaction (the queue lives in the same database): all commit or none. The task takes what waits, settles
promises by the cash as it stands, refreshes the rows, and removes what it took, in one transaction. Killed
at any point it leaves everything as it was, and the sweep every few minutes starts it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from contextvars import ContextVar
from datetime import date
from typing import Any

from django.db import connection, transaction
from django_q.tasks import async_task

from creditdesk.core.audit import Actor
from creditdesk.core.clock import business_date
from customers.models import Company, CreditAccount
from customers.promises import settle_promises
from worklists.models import PendingAccount
from worklists.runs import refresh_accounts

TASK = "worklists.tasks.follow_ledger"
BATCH = 2000
ACTOR = Actor.job("worklists.follow_ledger")


class _Noted:
    """Accounts noted so far in this transaction; hangs among its on-commit hooks, so it ends with it.

    A rollback to a savepoint drops the hooks registered under it together with the rows and the task written
    under it. So an account found on a hook that is still there has a row that commits whenever ours would.
    """

    def __init__(self, accounts: frozenset[int]) -> None:
        self.accounts = accounts

    def __call__(self) -> None:
        """Nothing is left to do after the commit."""


_following: ContextVar[bool] = ContextVar("following", default=False)


def note_changes(account_ids: Collection[int]) -> None:
    """Called within the transaction of the change."""
    if _following.get() or not account_ids:
        return
    if not connection.in_atomic_block:
        raise RuntimeError("A change is noted in its own transaction")
    hooks = [hook[1] for hook in connection.run_on_commit if isinstance(hook[1], _Noted)]
    fresh = frozenset(account_ids).difference(*(hook.accounts for hook in hooks))
    if not fresh:
        return
    PendingAccount.objects.bulk_create(
        [PendingAccount(account_id=pk) for pk in sorted(fresh)], batch_size=BATCH
    )
    if not hooks:
        async_task(TASK)
    transaction.on_commit(_Noted(fresh))


def ledger_changed(sender: Any, account_ids: Collection[int], **kwargs: Any) -> None:
    """Receiver of customers.events.ledger_changed."""
    note_changes(account_ids)


def promise_moved(sender: Any, promise: Any, **kwargs: Any) -> None:
    """Receiver of customers.events.promise_moved: a promise taken, kept or broken changes what is chased."""
    note_changes({promise.account_id})


def legal_event_recorded(sender: Any, event: Any, **kwargs: Any) -> None:
    """Receiver of customers.events.legal_event_recorded: insolvency moves the accounts to the legal lane."""
    note_changes(CreditAccount.objects.filter(customer=event.customer_id).values_list("pk", flat=True))


def limit_applied(sender: Any, change: Any, **kwargs: Any) -> None:
    """Receiver of customers.events.limit_applied."""
    note_changes({change.account_id})


def follow_ledger(today: date | None = None) -> int:
    """Work off what waits, a batch per transaction; returns how many accounts were looked at."""
    seen = 0
    while True:
        accounts = _follow_batch(today)
        if not accounts:
            return seen
        seen += accounts


@transaction.atomic
def _follow_batch(today: date | None) -> int:
    pending = dict(
        PendingAccount.objects.select_for_update(
            skip_locked=connection.features.has_select_for_update_skip_locked
        )
        .order_by("pk")
        .values_list("pk", "account_id")[:BATCH]
    )
    if not pending:
        return 0
    accounts = set(pending.values())
    # Read the ledger only now: whatever was committed with these rows is seen.
    by_company: dict[int, list[int]] = defaultdict(list)
    for pk, company_id in CreditAccount.objects.filter(pk__in=accounts).values_list("pk", "company_id"):
        by_company[company_id].append(pk)
    mark = _following.set(True)
    try:
        for company in Company.objects.filter(pk__in=by_company).order_by("pk"):
            as_of = today or business_date(company.time_zone)
            settle_promises(as_of, account_ids=by_company[company.pk], actor=ACTOR)
            refresh_accounts(by_company[company.pk], as_of)
    finally:
        _following.reset(mark)
    PendingAccount.objects.filter(pk__in=pending).delete()
    return len(accounts)
