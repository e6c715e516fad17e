"""The only way to a customer's bank lines: under a consent in force, and every read leaves a row in the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor
from creditdesk.core.facts import CURRENT, View
from customers.bank.consents import ConsentError, accounts_read, consent_of
from customers.models import BankDataAccess, BankTransaction, CreditAccount, Customer

CREDIT_ASSESSMENT = "credit assessment"
SCORING = "scoring"


def log_access(
    customer: Customer | int | None,
    *,
    reader: Actor,
    what: str,
    purpose: str = CREDIT_ASSESSMENT,
    **data: Any,
) -> BankDataAccess:
    """One row of the log. customer None: a scoring pass. `data`: which days, how many lines; never amounts."""
    return BankDataAccess.objects.create(
        customer_id=customer.pk if isinstance(customer, Customer) else customer,
        user=reader.user,
        actor_name=reader.name,
        what=what,
        purpose=purpose,
        data=data,
    )


def read_lines(
    customer: Customer,
    *,
    reader: Actor,
    what: str,
    on: date,
    purpose: str = CREDIT_ASSESSMENT,
    view: View = CURRENT,
    **data: Any,
) -> QuerySet[BankTransaction]:
    """The customer's bank lines up to a day, newest first, and the log row of this read.

    Raises ConsentError when no consent is in force on that day (nothing is logged: nothing was read).
    """
    if consent_of(customer, on) is None:
        raise ConsentError(_("No consent of the customer is in force: its bank data is not read."))
    log_access(customer, reader=reader, what=what, purpose=purpose, up_to=on, **data)
    return (
        BankTransaction.objects.at(on, view)  # type: ignore[attr-defined]
        .filter(bank_account__in=accounts_read(on, view), bank_account__customer=customer)
        .select_related("bank_account")
        .order_by("-effective_on", "-pk")
    )


def log_scoring_pass(
    *, reader: Actor, as_of: date, accounts: QuerySet[CreditAccount] | None = None, each: bool = False
) -> int:
    """Log a scoring pass over `accounts` (None: all), if it read bank data at all; returns how many rows.

    One row for the pass, with the number of customers whose consent is in force. each: a row per customer instead,
    for a pass over a few accounts, so that the customer's own log names it.
    """
    readable = accounts_read(as_of)
    if accounts is not None:
        readable = readable.filter(customer__in=accounts.values("customer"))
    customers = list(readable.order_by("customer").values_list("customer", flat=True).distinct())
    if not customers:
        return 0
    shared = {
        "user": reader.user,
        "actor_name": reader.name,
        "what": BankDataAccess.What.SCORING,
        "purpose": SCORING,
    }
    rows = (
        [BankDataAccess(customer_id=pk, data={"as_of": as_of}, **shared) for pk in customers]
        if each
        else [BankDataAccess(data={"as_of": as_of, "customers": len(customers)}, **shared)]
    )
    BankDataAccess.objects.bulk_create(rows)
    return len(rows)


def log_study(
    *, reader: Actor, days: Collection[date], accounts: QuerySet[CreditAccount] | None = None
) -> int:
    """Log a pass that computes scores without keeping them (a try-out, a backtest, a fit, a replay): one row, whatever
    the number of days and customers, named after the latest of `days` on which bank data could be read.

    Returns how many rows: 0 where no consent was in force on any of them. days: of a long pass its first and last.
    """
    for day in sorted(set(days), reverse=True):
        if log_scoring_pass(reader=reader, as_of=day, accounts=accounts):
            return 1
    return 0


def log_computed(
    account: CreditAccount, *, reader: Actor, purpose: str, days: Collection[date], what: str = ""
) -> int:
    """Log that figures of one customer were computed from its bank lines for somebody's eyes: one row, in its own
    log, named after the latest of `days` on which they could be read; 0 where no consent was in force on any.

    The row belongs to the read, so it is written before, outside of whatever is tried and taken back.
    """
    for day in sorted(set(days), reverse=True):
        if accounts_read(day).filter(customer=account.customer_id).exists():
            log_access(
                account.customer_id,
                reader=reader,
                what=what or BankDataAccess.What.SCORING,
                purpose=purpose,
                as_of=day,
                days=sorted({d.isoformat() for d in days}),
            )
            return 1
    return 0


def log_listed(rows: Iterable[BankTransaction], *, reader: Actor, what: str, **data: Any) -> None:
    """One row per customer whose lines stand in a list of several customers'."""
    counts: dict[int, int] = {}
    for row in rows:
        customer = row.bank_account.customer_id
        counts[customer] = counts.get(customer, 0) + 1
    now = timezone.now()
    BankDataAccess.objects.bulk_create(
        BankDataAccess(
            at=now + timedelta(microseconds=place),
            customer_id=customer,
            user=reader.user,
            actor_name=reader.name,
            what=what,
            purpose=CREDIT_ASSESSMENT,
            data={"lines": count, **data},
        )
        for place, (customer, count) in enumerate(counts.items())
    )
