"""The trail of limit approvals for an auditor: every act, and every change with its decisions, as rows to export.

Acts come from the audit trail with seal and digest, so that they can be compared with `verify_audit`; changes come from
the limit changes themselves. Both carry control totals that tie them to each other and to the limits in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from creditdesk.core.acts import act_label
from creditdesk.core.exports import Export
from creditdesk.core.models import AuditChange, AuditEntry, User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.limit_reasons import render_reason
from customers.models import CreditLimit, LimitChange, LimitDecision
from customers.shown import Shown

CHUNK = 500
CHANGE = "customers.limitchange"
# What else says who may approve: part of the trail without a customer.
ABOUT_AUTHORITY = (
    *("customers.approvaldelegation", "customers.approvalauthority", "customers.approvalterms"),
)


def acts_between(entries: QuerySet[AuditEntry], first: date, last: date) -> QuerySet[AuditEntry]:
    """The acts of the trail on limit changes and on authority, by the business date (else the day recorded)."""
    in_period = Q(business_date__gte=first, business_date__lte=last) | Q(
        business_date__isnull=True, at__date__gte=first, at__date__lte=last
    )
    return entries.filter(in_period, subject_type__in=[CHANGE, *ABOUT_AUTHORITY]).order_by("pk")


def changes_between(user: Any, first: date, last: date) -> QuerySet[LimitChange]:
    """The limit changes proposed in a period, or decided in it, that the user may see."""
    decided = LimitDecision.objects.filter(decided_on__gte=first, decided_on__lte=last).values("change")
    return (
        LimitChange.objects.filter(account_scope(user, "account__"))
        .filter(Q(as_of__gte=first, as_of__lte=last) | Q(pk__in=decided))
        .order_by("pk")
    )


def acts_export(
    entries: QuerySet[AuditEntry], first: date, last: date, facts: list[tuple[str, Any]]
) -> Export:
    """One row per act, oldest first."""
    return Export(
        name="limit-acts",
        title=_("Trail of limit approvals: acts"),
        as_of=last,
        header=[
            *(_("entry"), _("recorded at"), _("business date"), _("act"), _("act code"), _("kind of actor")),
            *(_("who"), _("on behalf of"), _("reason"), _("note"), _("limit change"), _("company")),
            *(_("customer number"), _("customer"), _("currency"), _("from"), _("to"), _("state after")),
            *(_("by authority of"), _("grade to be covered"), _("approvers needed"), _("seal"), _("digest")),
        ],
        rows=_act_rows(entries),
        facts=[*_period(first, last), *facts, *_act_totals(entries)],
    )


def changes_export(
    changes: QuerySet[LimitChange], first: date, last: date, facts: list[tuple[str, Any]]
) -> Export:
    """One row per limit change with who proposed it and who decided it on whose authority.

    changes: annotated with what the reader may see of each (`shown_fields`).
    """
    return Export(
        name="limit-changes",
        title=_("Trail of limit approvals: changes"),
        as_of=last,
        header=[
            *(_("limit change"), _("company"), _("customer number"), _("customer"), _("kind"), _("currency")),
            *(_("from"), _("to"), _("direction"), _("valid from"), _("valid until"), _("proposed on")),
            *(_("proposed by (kind)"), _("proposed by"), _("why"), _("comment"), _("score then")),
            *(_("grade then"), _("state"), _("closed at"), _("decided automatically")),
            *(
                heading % {"n": number}
                for number in (1, 2)
                for heading in (
                    *(_("decision %(n)s"), _("decided by %(n)s"), _("on behalf of %(n)s")),
                    *(_("decided on %(n)s"), _("reason %(n)s"), _("by authority of %(n)s")),
                    *(_("grade %(n)s"), _("approvers needed %(n)s")),
                )
            ),
            *(_("comments"), _("reminders"), _("limit row"), _("in force from")),
        ],
        rows=_change_rows(changes),
        facts=[*_period(first, last), *facts, *_change_totals(changes)],
    )


def _period(first: date, last: date) -> list[tuple[str, Any]]:
    return [(_("first day"), first), (_("last day"), last)]


def _act_totals(entries: QuerySet[AuditEntry]) -> list[tuple[str, Any]]:
    ends = entries.aggregate(
        rows=Count("pk"), low=Min("pk"), high=Max("pk"), sealed=Count("sealed"), at=Max("at")
    )
    by_act = entries.order_by("act").values_list("act").annotate(n=Count("pk"))
    return [
        (_("control: acts"), ends["rows"]),
        (_("control: first entry"), ends["low"] or ""),
        (_("control: last entry"), ends["high"] or ""),
        (_("control: sealed"), ends["sealed"]),
        (_("control: not sealed yet"), ends["rows"] - ends["sealed"]),
        *((_("control: %(act)s") % {"act": act_label(act)}, n) for act, n in by_act),
    ]


def _change_totals(changes: QuerySet[LimitChange]) -> list[tuple[str, Any]]:
    applied = changes.filter(status=LimitChange.Status.APPLIED).order_by()
    written = CreditLimit.objects.filter(change__in=applied.values("pk"))
    states = changes.order_by("status").values_list("status").annotate(n=Count("pk"))
    facts: list[tuple[str, Any]] = [
        (_("control: changes"), changes.count()),
        *((_("control: %(state)s") % {"state": LimitChange.Status(state).label}, n) for state, n in states),
        (
            _("control: decisions"),
            LimitDecision.objects.filter(change__in=changes.order_by().values("pk")).count(),
        ),
        (_("control: limits written"), written.count()),
        (_("every applied change has its limit"), applied.count() == written.count()),
    ]
    sums = (
        applied.order_by("currency").values("currency").annotate(old=Sum("old_amount"), new=Sum("new_amount"))
    )
    in_force = dict(written.order_by("currency").values_list("currency").annotate(total=Sum("amount")))
    for row in sums:
        currency = row["currency"]
        old, new = Money(row["old"] or 0, currency), Money(row["new"] or 0, currency)
        written_sum = Money(in_force.get(currency) or 0, currency)
        named = {"currency": currency}
        facts += [
            (_("control: applied, from, %(currency)s") % named, old),
            (_("control: applied, to, %(currency)s") % named, new),
            (_("control: limits written, %(currency)s") % named, written_sum),
            (_("ties to the limits, %(currency)s") % named, new == written_sum),
        ]
    return facts


def _chunks(rows: QuerySet) -> Iterator[list[Any]]:
    source = rows.iterator(chunk_size=CHUNK)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _act_rows(entries: QuerySet[AuditEntry]) -> Iterator[list[Any]]:
    for chunk in _chunks(entries.select_related("actor", "note", "sealed")):
        ids = {int(entry.subject_pk) for entry in chunk if entry.subject_type == CHANGE}
        changes = {
            change.pk: change
            for change in LimitChange.objects.filter(pk__in=ids)
            .select_related("account__customer", "account__company")
            .defer("evidence")
        }
        decisions = {
            (row.change_id, row.decided_by_id): row
            for row in LimitDecision.objects.filter(change__in=ids).defer("evidence")
        }
        names = _names({entry.data.get("on_behalf_of") for entry in chunk} - {None})
        about = AuditChange.objects.filter(entry__in=[entry.pk for entry in chunk], table=CHANGE)
        states = {
            entry_id: (values or {}).get("status", "")
            for entry_id, values in about.values_list("entry_id", "after")
        }
        for entry in chunk:
            yield _act_row(entry, changes, decisions, names, states.get(entry.pk, ""))


def _act_row(
    entry: AuditEntry,
    changes: dict[int, LimitChange],
    decisions: dict[tuple[int, int], LimitDecision],
    names: dict[int, str],
    state: str,
) -> list[Any]:
    change = changes.get(int(entry.subject_pk)) if entry.subject_type == CHANGE else None
    decides = entry.act in ("limit.approve", "limit.approve_first", "limit.reject")
    decision = decisions.get((change.pk, entry.actor_id or 0)) if change is not None and decides else None
    note = entry.note.text if hasattr(entry, "note") else ""
    sealed = entry.sealed if hasattr(entry, "sealed") else None
    account = change.account if change is not None else None
    return [
        *(entry.pk, entry.at, entry.business_date, act_label(entry.act), entry.act),
        *(entry.get_actor_kind_display(), entry.actor_name, names.get(entry.data.get("on_behalf_of"), "")),
        *(entry.reason_code, note, change.pk if change is not None else None),
        *(account.company.code if account else "", account.customer.code if account else ""),
        *(account.customer.name if account else "", change.currency if change is not None else ""),
        *((change.old_amount, change.new_amount) if change is not None else (None, None)),
        LimitChange.Status(state).label if state in LimitChange.Status.values else state,
        *(
            (decision.authority_group, decision.grade, decision.approvers_needed)
            if decision is not None
            else ("", "", None)
        ),
        *((sealed.seal_id, sealed.digest) if sealed is not None else (None, "")),
    ]


def _change_rows(changes: QuerySet[LimitChange]) -> Iterator[list[Any]]:
    related = changes.select_related("account__customer", "account__company", "limit")
    for chunk in _chunks(related):
        ids = [change.pk for change in chunk]
        decisions: dict[int, list[LimitDecision]] = {pk: [] for pk in ids}
        rows = LimitDecision.objects.filter(change__in=ids).select_related("decided_by", "on_behalf_of")
        for row in rows.defer("evidence").order_by("pk"):
            decisions[row.change_id].append(row)
        counts = {
            pk: counted
            for pk, *counted in LimitChange.objects.filter(pk__in=ids).values_list(
                "pk", Count("comments", distinct=True), Count("reminders", distinct=True)
            )
        }
        for change in chunk:
            yield _change_row(change, decisions[change.pk], counts[change.pk])


def _change_row(change: LimitChange, decisions: list[LimitDecision], counts: list[int]) -> list[Any]:
    account, limit = change.account, getattr(change, "limit", None)
    evidence = change.evidence or {}
    return [
        *(change.pk, account.company.code, account.customer.code, account.customer.name),
        *(change.get_kind_display(), change.currency, change.old_amount, change.new_amount),
        *(_("rise") if change.is_rise else _("cut"), change.valid_from, change.valid_until, change.as_of),
        *(change.get_proposer_kind_display(), change.proposer_name),
        *(render_reason(change.reason_code, change.reason_params, shown=Shown.of(change)), change.comment),
        *(evidence.get("score"), evidence.get("grade", ""), change.get_status_display()),
        *(change.decided_at, change.is_automatic),
        *(value for number in (0, 1) for value in _decision_cells(decisions[number : number + 1])),
        *counts,
        *((limit.pk, limit.valid_from) if limit is not None else (None, None)),
    ]


def _decision_cells(found: list[LimitDecision]) -> list[Any]:
    if not found:
        return [""] * 8
    row = found[0]
    return [
        *(row.get_verdict_display(), row.decided_by.get_username()),
        *(row.on_behalf_of.get_username() if row.on_behalf_of else "", row.decided_on, row.reason),
        *(row.authority_group, row.grade, row.approvers_needed),
    ]


def _names(ids: set[int]) -> dict[int, str]:
    return {user.pk: user.get_username() for user in User.objects.filter(pk__in=ids)} if ids else {}


def export_facts(user: Any, stamp: datetime) -> list[tuple[str, Any]]:
    """Who exported when; the rows are those this person may see."""
    return [(_("recorded by"), stamp), (_("exported by"), user.get_username())]
