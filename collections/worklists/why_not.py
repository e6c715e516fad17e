"""Why nobody has an account on a list today: the answer a collector gets before asking the controller."""

from __future__ import annotations

from datetime import date

from django.db.models import QuerySet, Sum

from creditdesk.core.money import Money
from customers.completeness import complete_through_all
from customers.exposure import instalments_open_at
from customers.models import CreditAccount, DocumentKind, Instalment
from worklists.gathering import gather
from worklists.holds import Hold, hold_of, say_hold
from worklists.models import WorklistRow, WorklistRun

State = WorklistRow.State


def why_not(account: CreditAccount, as_of: date) -> Hold:
    """Why nobody has this account on a list at `as_of` (code and parameters), or where it stands."""
    row = WorklistRow.objects.filter(account=account, run__as_of=as_of).select_related("collector").first()
    told = None if row is None else _of_row(row)
    if told is not None:
        return told
    complete = complete_through_all([account.company_id]).get(account.company_id)
    if complete is None:
        return "not_judged", {}
    judged_on = min(as_of, complete)
    found = gather(account.company, as_of, judged_on, account_ids=[account.pk])
    situation = found.situations[account.pk]
    if situation.items and not situation.collectable_minor and found.missing_rates:
        return "no_rate", {"pairs": ", ".join(sorted(found.missing_rates))}
    hold = ("nothing_overdue", {}) if not situation.items else hold_of(situation)
    if hold is not None and hold[0] == "nothing_overdue":
        return _nothing_overdue(account, as_of, judged_on, legal=situation.is_legal)
    if hold is not None:
        return hold
    if situation.snoozed_until:
        return "snoozed", {"until": situation.snoozed_until}
    built = WorklistRun.objects.filter(company_id=account.company_id, as_of=as_of).exists()
    return ("new_today" if built else "not_built"), {}


def _of_row(row: WorklistRow) -> Hold | None:
    """What the row of the day says; None when its reason to be there is gone."""
    if row.state == State.OPEN and row.collector is None:
        return "on_nobodys_list", {"rank": row.rank}
    if row.state == State.OPEN:
        lane = "on_legal_lane" if row.lane == WorklistRow.Lane.LEGAL else "on_list"
        return lane, {"rank": row.rank, "collector": row.collector.get_full_name() or str(row.collector)}
    if row.state == State.DONE:
        last = row.followups.order_by("-pk").first()
        return ("done", {"what": last.get_kind_display()}) if last else ("skipped", {})
    if row.state == State.SKIPPED:
        return "skipped", {}
    if row.state == State.SNOOZED and row.held_until:
        return "snoozed", {"until": row.held_until}
    return None


def _nothing_overdue(account: CreditAccount, as_of: date, judged_on: date, *, legal: bool) -> Hold:
    """Nothing is overdue on the day lateness is judged: what is overdue since, or falls due next."""
    if legal:
        return "legal_nothing_due", {}
    invoices: QuerySet[Instalment] = Instalment.objects.filter(account=account, kind=DocumentKind.INVOICE)
    coming = instalments_open_at(as_of, instalments=invoices).order_by("due_on", "pk")
    first = coming.first()
    if first is None:
        return "nothing_open", {}
    if first.due_on >= as_of:
        open_then = Money(first.__dict__["open_then"], first.currency)
        return "next_due", {"minor": open_then.minor, "currency": first.currency, "day": first.due_on}
    late = coming.filter(due_on__lt=as_of, currency=first.currency).order_by()
    minor = late.aggregate(total=Sum("open_then"))["total"]
    return "beyond_complete", {"minor": int(minor), "currency": first.currency, "complete": judged_on}


def say_why_not(account: CreditAccount, as_of: date) -> str:
    return say_hold(*why_not(account, as_of))
