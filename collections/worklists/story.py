"""What happened with an account, newest first: one merged timeline in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core.money import Money
from customers.models import (
    Allocation,
    CreditAccount,
    Dispute,
    DocumentKind,
    Instalment,
    LimitChange,
    Payment,
    Promise,
)
from dunning.models import Reminder
from scoring.models import ScoreHistory
from worklists.models import FollowUp
from worklists.wording import amount, day

PER_KIND = 15
# The open ones stand in their own table: the story needs only the newest business.
INVOICES = 6
SHOWN = 30


@dataclass(frozen=True, slots=True)
class Happening:
    """One line. tone: good, warn, bad, info or mute (see desk.css); symbol: Material symbol of its kind."""

    on: date
    text: str
    note: str = ""
    tone: str = "mute"
    who: str = ""
    symbol: str = "circle"


def story_of(account: CreditAccount, as_of: date) -> list[Happening]:
    """The latest lines up to `as_of`; what follows `as_of` is not told."""
    found = [
        *_invoices(account, as_of),
        *_payments(account, as_of),
        *_promises(account, as_of),
        *_disputes(account, as_of),
        *_reminders(account, as_of),
        *_followups(account, as_of),
        *_limits(account, as_of),
        *_scores(account, as_of),
    ]
    # Stable: within a day the order above holds.
    return sorted(found, key=lambda one: one.on, reverse=True)[:SHOWN]


def _money(money: Money) -> str:
    return amount(money.minor, money.currency)


def _who(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""


def _invoices(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = (
        Instalment.objects.filter(account=account, superseded_at__isnull=True, effective_on__lte=as_of)
        .select_related("invoice")
        .order_by("-effective_on", "-pk")[:INVOICES]
    )
    found = []
    for row in rows:
        if row.kind == DocumentKind.CREDIT_NOTE:
            text = _("credit note %(number)s of %(amount)s")
        else:
            text = _("invoice %(number)s of %(amount)s, due %(day)s")
        values = {"number": row.invoice.number, "amount": _money(row.amount), "day": day(row.due_on)}
        found.append(Happening(row.effective_on, text % values, symbol="description"))
    return found


def _payments(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = list(
        Payment.objects.filter(account=account, superseded_at__isnull=True, effective_on__lte=as_of).order_by(
            "-effective_on", "-pk"
        )[:PER_KIND]
    )
    marks: dict[int, tuple[str, date]] = {}
    late: dict[int, int] = {}
    moves = Allocation.objects.filter(
        payment__in=[row.pk for row in rows], superseded_at__isnull=True, amount__gt=0
    )
    for payment, kind, on, days in moves.values_list("payment_id", "kind", "effective_on", "days_late"):
        if kind == Allocation.Kind.CASH:
            late[payment] = max(days, late.get(payment, days))
        else:
            marks[payment] = (kind, on)
    found = []
    for row in rows:
        text = _("payment of %(amount)s") % {"amount": _money(row.amount)}
        tone = "good" if late.get(row.pk, 0) <= 0 else "warn"
        note = ""
        if row.pk in late and late[row.pk] > 0:
            note = _("%(days)s days late") % {"days": late[row.pk]}
        elif row.open_amount.minor:
            note = _("%(amount)s not applied") % {"amount": _money(row.open_amount)}
        found.append(Happening(row.effective_on, text, note, tone, symbol="payments"))
        kind, on = marks.get(row.pk, ("", as_of))
        if kind == Allocation.Kind.RETURNED:
            text = _("payment of %(amount)s came back") % {"amount": _money(row.amount)}
            found.append(Happening(on, text, "", "bad", symbol="undo"))
    return found


PROMISE_TONE = {"kept": "good", "partly_kept": "warn", "broken": "bad", "open": "info"}


def _promises(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = (
        Promise.objects.filter(account=account, superseded_at__isnull=True, effective_on__lte=as_of)
        .select_related("taken_by")
        .order_by("-effective_on", "-pk")[:PER_KIND]
    )
    found = []
    for row in rows:
        values = {"amount": _money(row.amount), "day": day(row.due_on)}
        text = _("promise of %(amount)s for %(day)s") % values
        found.append(
            Happening(row.effective_on, text, row.given_by, "info", _who(row.taken_by), symbol="handshake")
        )
        if row.resolved_on and row.resolved_on <= as_of:
            text = _("promise of %(amount)s: %(status)s") % {
                "amount": values["amount"],
                "status": row.get_status_display(),
            }
            tone = PROMISE_TONE.get(row.status, "mute")
            found.append(Happening(row.resolved_on, text, "", tone, symbol="handshake"))
    return found


def _disputes(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = (
        Dispute.objects.filter(account=account, superseded_at__isnull=True, effective_on__lte=as_of)
        .select_related("opened_by")
        .order_by("-effective_on", "-pk")[:PER_KIND]
    )
    found = []
    for row in rows:
        values = {"amount": _money(row.amount), "reason": row.get_reason_display()}
        text = _("dispute over %(amount)s: %(reason)s") % values
        found.append(Happening(row.effective_on, text, "", "warn", _who(row.opened_by), symbol="gavel"))
        if row.closed_on and row.closed_on <= as_of:
            text = _("dispute over %(amount)s closed: %(outcome)s") % {
                **values,
                "outcome": row.get_outcome_display(),
            }
            found.append(Happening(row.closed_on, text, symbol="gavel"))
    return found


def _reminders(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = (
        Reminder.objects.filter(account=account, business_date__lte=as_of)
        .select_related("written_by")
        .order_by("-pk")[:PER_KIND]
    )
    found = []
    for row in rows:
        text = _("reminder %(level)s over %(amount)s to %(to)s") % {
            "level": row.level,
            "amount": _money(row.amount),
            "to": row.to_address,
        }
        tone = {"failed": "bad", "sending": "warn"}.get(row.state, "info")
        note = str(row.get_state_display())
        found.append(Happening(row.business_date, text, note, tone, _who(row.written_by), symbol="mail"))
    return found


def _followups(account: CreditAccount, as_of: date) -> list[Happening]:
    kinds = FollowUp.Kind
    rows = (
        FollowUp.objects.filter(account=account, business_date__lte=as_of)
        # Promises, disputes and e-mails tell their own line.
        .exclude(kind__in=[kinds.PROMISE, kinds.DISPUTE, kinds.EMAIL, kinds.SKIP])
        .select_related("by", "contact", "compensates", "snooze")
        .order_by("-pk")[:PER_KIND]
    )
    symbols = {kinds.CALL: "call", kinds.NOTE: "sticky_note_2", kinds.SNOOZE: "snooze", kinds.UNDO: "undo"}
    return [
        Happening(
            row.business_date,
            _said(row),
            row.text,
            "info" if row.kind == kinds.CALL else "mute",
            _who(row.by),
            symbol=symbols[kinds(row.kind)],
        )
        for row in rows
    ]


def _said(row: FollowUp) -> str:
    match row.kind:
        case FollowUp.Kind.CALL:
            who = f" ({row.contact.name})" if row.contact else ""
            return _("call%(who)s: %(outcome)s") % {"who": who, "outcome": row.get_outcome_display()}
        case FollowUp.Kind.SNOOZE if row.snooze is not None:
            return _("held until %(day)s: %(reason)s") % {
                "day": day(row.snooze.until),
                "reason": row.snooze.get_reason_display(),
            }
        case FollowUp.Kind.UNDO if row.compensates is not None:
            return _("undone: %(what)s") % {"what": row.compensates.get_kind_display()}
    return str(row.get_kind_display())


def _limits(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = (
        LimitChange.objects.filter(account=account, status=LimitChange.Status.APPLIED, valid_from__lte=as_of)
        .select_related("decided_by")
        .order_by("-valid_from", "-pk")[:6]
    )
    found = []
    for row in rows:
        if row.old_amount is None:
            text = _("limit set to %(new)s") % {"new": _money(row.new_amount)}
        else:
            text = _("limit from %(old)s to %(new)s") % {
                "old": _money(row.old_amount),
                "new": _money(row.new_amount),
            }
        cut = row.old_amount is not None and row.new_amount < row.old_amount
        found.append(
            Happening(
                row.valid_from, text, "", "warn" if cut else "mute", _who(row.decided_by), symbol="speed"
            )
        )
    return found


def _scores(account: CreditAccount, as_of: date) -> list[Happening]:
    rows = list(
        ScoreHistory.objects.filter(account=account, as_of__lte=as_of)
        .only("pk", "as_of", "score", "grade", "account_id")
        .order_by("-as_of", "-pk")[: PER_KIND + 1]
    )
    found = []
    for newer, older in pairwise(rows):
        if newer.score == older.score:
            continue
        text = _("score from %(old)s to %(new)s") % {
            "old": f"{older.score} {older.grade}",
            "new": f"{newer.score} {newer.grade}",
        }
        tone = "bad" if newer.score < older.score - 5 else "good" if newer.score > older.score + 5 else "mute"
        # The ledger's own day, so that several passes of one day read as they came.
        found.append(Happening(newer.as_of, text, "", tone, symbol="monitoring"))
    return found
