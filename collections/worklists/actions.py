"""What a collector does about an account: each verb one function, one transaction, one line in the log.

Every act checks that the person may work worklists and sees the account, appends a FollowUp, moves the row of
the day, and leaves an audit entry. `undo` compensates the last act; nothing is ever deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models.expressions import Combinable
from django.utils import timezone
from django.utils.translation import gettext as _

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers import disputes, promises
from customers.access import visible_accounts
from customers.models import Contact, CreditAccount, Dispute, Instalment
from dunning import outbox
from worklists.models import FollowUp, Snooze, WorklistRow
from worklists.runs import refresh_accounts

PERMISSION = "worklists.work_worklist"
SNOOZE_MAX_DAYS = 30
SNOOZES_PER_ACCOUNT = 3
SNOOZE_WINDOW_DAYS = 60
# The customer's answer to a dispute is owed within this many days.
ANSWER_DISPUTE_WITHIN_DAYS = 10

Kind, State = FollowUp.Kind, WorklistRow.State
Parts = Sequence[tuple[Instalment, Decimal]]


class ActionError(ValueError):
    """An act that cannot be done; the text names the cure."""


def may_work(user: User, account: CreditAccount) -> bool:
    return user.has_perm(PERMISSION) and visible_accounts(user).filter(pk=account.pk).exists()


def log_call(
    account: CreditAccount,
    *,
    user: User,
    on: date,
    outcome: str,
    contact: Contact | None = None,
    text: str = "",
) -> FollowUp:
    """A telephone call and how it ended; the row is done for today."""
    if outcome not in FollowUp.Outcome.values:
        raise ActionError(_("Say how the call ended."))
    with transaction.atomic():
        row = _begin(account, user, on)
        return _log(
            account, row, user, on, Kind.CALL, State.DONE, outcome=outcome, contact=contact, text=text
        )


def send_reminder(
    account: CreditAccount, *, user: User, on: date, level: int, items: Sequence[Instalment]
) -> FollowUp:
    """Write a reminder into the outbox (held there in test mode) over what is open of these items.

    Disputed parts are not asked for. Raises ReminderError.
    """
    with transaction.atomic():
        row = _begin(account, user, on)
        asked = asked_for(account, items, on)
        reminder = outbox.write(account, asked, level, today=on, actor=Actor.person(user))
        return _log(
            account,
            row,
            user,
            on,
            Kind.EMAIL,
            State.DONE,
            reminder=reminder,
            contact=reminder.contact,
        )


def asked_for(
    account: CreditAccount, items: Sequence[Instalment], on: date
) -> list[tuple[Instalment, Money]]:
    """Open less disputed of each item; items of which nothing is left fall out."""
    disputed = disputes.disputed_at([account.pk], on)
    asked = [(row, Money(row.open_amount.minor - disputed.get(row.pk, 0), row.currency)) for row in items]
    return [(row, money) for row, money in asked if money.minor > 0]


def take_promise(
    account: CreditAccount,
    parts: Parts,
    *,
    user: User,
    on: date,
    due_on: date,
    contact: Contact | None = None,
    text: str = "",
) -> FollowUp:
    """A promise to pay parts of open items by a day. Raises PromiseError."""
    with transaction.atomic():
        row = _begin(account, user, on)
        promise = promises.take_promise(
            account,
            parts,
            due_on=due_on,
            given_on=on,
            actor=Actor.person(user),
            given_by=contact.name if contact else "",
        )
        return _log(
            account, row, user, on, Kind.PROMISE, State.DONE, promise=promise, contact=contact, text=text
        )


def open_dispute(
    account: CreditAccount,
    parts: Parts,
    *,
    user: User,
    on: date,
    reason: str,
    contact: Contact | None = None,
    text: str = "",
) -> FollowUp:
    """A dispute over part of open items; the rest stays collectable. Raises DisputeError."""
    with transaction.atomic():
        row = _begin(account, user, on)
        dispute = disputes.open_dispute(
            account,
            parts,
            reason=reason,
            opened_on=on,
            actor=Actor.person(user),
            answer_by=on + timedelta(days=ANSWER_DISPUTE_WITHIN_DAYS),
        )
        return _log(
            account, row, user, on, Kind.DISPUTE, State.DONE, dispute=dispute, contact=contact, text=text
        )


def snooze(
    account: CreditAccount, *, user: User, on: date, until: date, reason: str, text: str = ""
) -> FollowUp:
    """Let the account rest until a day, for a reason; not for ever, and not again and again."""
    if reason not in Snooze.Reason.values:
        raise ActionError(_("Give a reason why this can wait."))
    if until <= on:
        raise ActionError(_("Choose a day after today."))
    if until > on + timedelta(days=SNOOZE_MAX_DAYS):
        raise ActionError(_("At most %(days)s days: choose an earlier day.") % {"days": SNOOZE_MAX_DAYS})
    with transaction.atomic():
        row = _begin(account, user, on)
        earlier = Snooze.objects.filter(
            account=account, starts_on__gt=on - timedelta(days=SNOOZE_WINDOW_DAYS), ended_on__isnull=True
        ).count()
        if earlier >= SNOOZES_PER_ACCOUNT:
            raise ActionError(
                _("Held back %(count)s times in %(days)s days already: act on it, or hand it over.")
                % {"count": earlier, "days": SNOOZE_WINDOW_DAYS}
            )
        try:
            with transaction.atomic():
                held = Snooze.objects.create(
                    account=account, starts_on=on, until=until, reason=reason, placed_by=user
                )
        except IntegrityError as error:
            raise ActionError(_("This account was held back today already: undo that first.")) from error
        return _log(
            account,
            row,
            user,
            on,
            Kind.SNOOZE,
            State.SNOOZED,
            snooze=held,
            text=text,
            held_until=until,
        )


def add_note(account: CreditAccount, *, user: User, on: date, text: str) -> FollowUp:
    """A note; the row stays where it is."""
    if not text.strip():
        raise ActionError(_("Write the note first."))
    with transaction.atomic():
        row = _begin(account, user, on)
        return _log(account, row, user, on, Kind.NOTE, None, text=text.strip())


def skip(account: CreditAccount, *, user: User, on: date) -> FollowUp:
    """Leave the account alone for today; it is back on the next build."""
    with transaction.atomic():
        row = _begin(account, user, on)
        return _log(account, row, user, on, Kind.SKIP, State.SKIPPED)


def last_undoable(user: User, on: date | Combinable) -> FollowUp | None:
    """The person's last act of the day that was not undone yet."""
    return (
        FollowUp.objects.filter(by=user, business_date=on, compensated_by__isnull=True)
        .exclude(kind=Kind.UNDO)
        .select_related("account__customer", "account__company")
        .order_by("-pk")
        .first()
    )


def undo(*, user: User, on: date | Combinable) -> FollowUp:
    """Compensate the person's last act of today; returns the new line. on: a date, or today of each company
    (customers.days.today_of). Raises ActionError and its relatives.
    """
    with transaction.atomic():
        act = last_undoable(user, on)
        if act is None:
            raise ActionError(_("There is nothing of yours to undo today."))
        account, day = act.account, act.business_date
        row = _begin(account, user, day)
        if FollowUp.objects.filter(compensates=act).exists():
            raise ActionError(_("This was undone already."))
        _compensate(act, Actor.person(user), day)
        line = _log(account, row, user, day, Kind.UNDO, None, compensates=act)
        _reopen(row, day)
    return line


def _begin(account: CreditAccount, user: User, on: date) -> WorklistRow | None:
    """Check the person's right and lock the account's row of the day, if it has one."""
    if not may_work(user, account):
        raise PermissionDenied
    return (
        WorklistRow.objects.select_for_update(of=("self",))
        .filter(account=account, run__as_of=on)
        .select_related("run")
        .first()
    )


def _log(
    account: CreditAccount,
    row: WorklistRow | None,
    user: User,
    on: date,
    kind: str,
    state: str | None,
    *,
    held_until: date | None = None,
    **fields: Any,
) -> FollowUp:
    contact = fields.get("contact")
    if contact is not None and contact.customer_id != account.customer_id:
        raise ActionError(_("This contact belongs to another customer: choose one of the list."))
    line = FollowUp.objects.create(account=account, row=row, kind=kind, business_date=on, by=user, **fields)
    changes = []
    if row is not None and state is not None:
        changes.append(Change.of(row, {"state": row.state}, {"state": state}))
        row.state, row.held_until, row.finished_at = state, held_until, timezone.now()
        row.save(update_fields=["state", "held_until", "finished_at"])
    record_act(
        f"followup.{kind}",
        actor=Actor.person(user),
        subject=account,
        business_date=on,
        data={"followup": line.pk, "outcome": line.outcome},
        changes=changes,
    )
    return line


def _compensate(act: FollowUp, actor: Actor, on: date) -> None:
    if act.promise is not None:
        promises.withdraw_promise(act.promise, on=on, actor=actor, reason_code="undone")
        _give_back_replaced(act, actor, on)
    if act.dispute is not None:
        disputes.close_dispute(act.dispute, outcome=Dispute.Outcome.WITHDRAWN, on=on, actor=actor)
    if act.reminder is not None:
        outbox.cancel(act.reminder, actor=actor, on=on)
    if act.snooze is not None:
        Snooze.objects.filter(pk=act.snooze_id, ended_on__isnull=True).update(ended_on=on)


def _give_back_replaced(act: FollowUp, actor: Actor, on: date) -> None:
    """A promise that the undone one had replaced is taken again, as it was given, over what is still open."""
    for old in act.promise.replaces.prefetch_related("items__instalment"):
        parts = [
            (item.instalment, min(item.amount, item.instalment.open_amount).amount)
            for item in old.items.all()
            if item.instalment.open_amount.minor > 0
        ]
        if parts:
            promises.take_promise(
                old.account,
                parts,
                due_on=old.due_on,
                given_on=old.effective_on,
                known_on=on,
                actor=actor,
                given_by=old.given_by,
            )


def _reopen(row: WorklistRow | None, on: date) -> None:
    """After an undo the row is open again, unless another act of today still stands; then rank it anew."""
    if row is None:
        return
    standing = (
        FollowUp.objects.filter(row=row, business_date=on, compensated_by__isnull=True)
        .exclude(kind__in=[Kind.UNDO, Kind.NOTE])
        .order_by("-pk")
        .values_list("kind", "snooze__until")
        .first()
    )
    state, until = State.OPEN, None
    if standing is not None:
        kind, until = standing
        finished: dict[str, WorklistRow.State] = {Kind.SNOOZE: State.SNOOZED, Kind.SKIP: State.SKIPPED}
        state = finished.get(kind, State.DONE)
    WorklistRow.objects.filter(pk=row.pk).update(state=state, held_until=until, finished_at=None)
    refresh_accounts([row.account_id], on)


def reminder_failed(sender: Any, reminder: Any, **kwargs: Any) -> None:
    """Receiver of dunning.events.reminder_failed: the row comes back, so that somebody finds another way."""
    from worklists.pending import note_changes

    WorklistRow.objects.filter(
        followups__reminder=reminder, followups__compensated_by__isnull=True, state=State.DONE
    ).update(state=State.OPEN, finished_at=None)
    note_changes({reminder.account_id})
