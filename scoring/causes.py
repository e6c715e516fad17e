"""Causes that cut a limit without waiting for anybody, recorded with their evidence in the transaction of the cut.

late payment   the oldest undisputed item is overdue for so many days, and so much of that age is open
score drop     the score lost so many points within a window, by the same scorecard
cash shock     the net flow of four weeks fell so many usual deviations below its usual level (bank data)
agency fall    a credit agency's rating fell so many points within about a year
ceased         a credit agency says that the business has ceased
insolvency     recorded by customers/legal.py, which cuts by itself; here its cause is written down

From when a cause counts, how much of the limit stays and whether it cuts at once or only proposes is said by the limit
policy. Found from stored scores and the ledger in a constant number of queries per policy; only accounts with a limit
to cut are looked at. Once per item, and of a kind once per window: a person who raised the limit again is not overruled
by the same cause. Causes of several kinds within a window are one trouble: the share that stays is of the limit before
the first of them, so that the deepest cut counts and they do not multiply; an insolvency always cuts to zero. A natural
person's limit is held until a named person decides (customers/automatic.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Sum

from creditdesk.core.audit import Actor, Change, record_act
from creditdesk.core.money import Money
from customers.approval import ApprovalError, lock_account, propose_limit_change
from customers.automatic import Reaction, cut_or_hold
from customers.exposure import instalments_open_at
from customers.legal_bases import basis_of
from customers.limit_evidence import gather_evidence
from customers.limit_reasons import money_param
from customers.limits import limits_at
from customers.models import (
    CreditAccount,
    CreditHold,
    CreditLimit,
    DisputeItem,
    DocumentKind,
    Instalment,
    LegalEvent,
    LimitChange,
    LimitKind,
)
from customers.rates import MissingRate, RateTable
from scoring import agency_causes
from scoring.limit_notices import tell_of_cause
from scoring.limit_terms import CauseTerms, PolicyTerms, floored, share
from scoring.models import AccountScore, CauseKind, CreditCause, ScoreHistory
from scoring.policies import policies_at

SHOCK_DAYS = 28
"""A cash shock is looked at over four weeks: within them it is the same one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A cause of an account that counts under its policy. params: of its sentence (customers/limit_reasons.py)."""

    account_id: int
    kind: str
    key: str
    params: dict[str, Any]
    policy: PolicyTerms

    @property
    def terms(self) -> CauseTerms:
        return self.policy.causes[self.kind]

    @property
    def window(self) -> timedelta:
        """Within it the same cause, and whatever else was seen of the same account, is the same trouble."""
        return timedelta(days=SHOCK_DAYS if self.kind == CauseKind.CASH_SHOCK else self.terms.window_days)


def find_causes(
    as_of: date, account_ids: Sequence[int], instead: dict[int | None, PolicyTerms] | None = None
) -> list[Found]:
    """The causes that count for some accounts at a date and were not recorded before.

    In order of account id, as whoever locks several accounts locks them; of one account the weightiest first.

    instead: policies of segments to be tried in place of those in force (as in limit_inputs.Book).
    """
    policies = {**policies_at(as_of), **(instead or {})}
    limits = limits_at(account_ids, as_of)
    cuttable = [pk for pk, limit in limits.items() if limit.base is not None and limit.base.minor]
    rows = AccountScore.objects.filter(
        account__in=cuttable, as_of__lte=as_of, account__joined_into__isnull=True
    ).select_related("account")
    found: list[Found] = []
    for policy, part in _by_policy(rows, policies):
        for kind, look in _LOOKS.items():
            if kind in policy.causes:
                found += look(as_of, part, policy)
    return _unrecorded(found, as_of)


def react_to_causes(as_of: date, account_ids: Sequence[int]) -> list[CreditCause]:
    """Find and record the causes of some accounts and do what the policy says, each in one transaction."""
    found = find_causes(as_of, account_ids)
    if not found:
        return []
    accounts = {
        account.pk: account
        for account in CreditAccount.objects.filter(pk__in={one.account_id for one in found}).select_related(
            "customer", "company"
        )
    }
    evidence = gather_evidence(list(accounts.values()), as_of)
    made = (_react(one, accounts[one.account_id], evidence[one.account_id], as_of) for one in found)
    return [cause for cause in made if cause is not None]


@transaction.atomic
def _react(found: Found, account: CreditAccount, evidence: dict[str, Any], as_of: date) -> CreditCause | None:
    """None: somebody recorded it meanwhile, there is nothing to cut any more, or a person's change is waiting."""
    locked = lock_account(account.pk)
    if CreditCause.objects.filter(account=locked, kind=found.kind, key=found.key).exists():
        return None
    current = limits_at([locked.pk], as_of)[locked.pk].base
    if current is None:
        return None
    before = _before_this_trouble(locked, current, as_of, found.window)
    target = floored(share(before, found.terms.keep_percent), found.policy.step)
    if target >= current:
        # Written down all the same: who raises the limit later is not overruled by what was seen before.
        return _record(
            locked, found.kind, found.key, found.params, Reaction(), as_of, policy_id=found.policy.policy_id
        )
    why: dict[str, Any] = {
        "actor": Actor.policy(found.kind),
        "reason_code": found.kind,
        "params": found.params,
        "evidence": evidence,
    }
    if found.terms.is_immediate:
        reaction = cut_or_hold(locked, target, on=as_of, **why)
        if reaction.change is None and reaction.hold is None:
            return None
    else:
        try:
            change = propose_limit_change(
                locked, target, as_of=as_of, proposer_kind=LimitChange.ProposerKind.EVENT, **why
            )
        except ApprovalError as error:
            if error.code != "already_waiting":
                raise
            return None
        reaction = Reaction(change)
    return _record(
        locked, found.kind, found.key, found.params, reaction, as_of, policy_id=found.policy.policy_id
    )


def _before_this_trouble(account: CreditAccount, current: Money, as_of: date, window: timedelta) -> Money:
    """The limit that shares are taken of: as it was before the first cut for a cause within the window.

    One trouble shows in several ways: a late payment lowers the score as well. The deepest cut counts, they do not
    multiply. A limit decided since, by a person or a policy, starts anew.
    """
    cuts = CreditCause.objects.filter(
        account=account, as_of__gt=as_of - window, as_of__lte=as_of, reaction=CreditCause.Reaction.CUT
    )
    changes = list(cuts.order_by("pk").values_list("change", flat=True))
    newest = CreditLimit.objects.filter(account=account, kind=LimitKind.BASE).order_by("-pk").first()
    if newest is None or newest.change_id not in changes:
        return current
    first = LimitChange.objects.filter(pk__in=changes).order_by("pk").first()
    decided = LimitChange.objects.filter(
        account=account, kind=LimitKind.BASE, status=LimitChange.Status.APPLIED, pk__gt=first and first.pk
    ).exclude(pk__in=changes)
    if first is None or first.old_amount is None or decided.exists():
        return current
    return max(first.old_amount, current)


def record_insolvency(event: LegalEvent) -> list[CreditCause]:
    """The causes of an insolvency that was just recorded, with the cuts and holds customers/legal.py made for it."""
    accounts = CreditAccount.objects.filter(customer=event.customer_id).select_related("customer", "company")
    changes = {
        change.account_id: change
        for change in LimitChange.objects.filter(
            account__in=accounts, reason_code="insolvency", reason_params__event=event.pk
        )
    }
    holds = {
        hold.account_id: hold
        for hold in CreditHold.objects.filter(
            account__in=accounts, reason_code="insolvency", released_on__isnull=True
        )
    }
    params = {"on": event.effective_on.isoformat(), "source": event.source, "event": event.pk}
    told = set(
        CreditCause.objects.filter(account__in=accounts, kind=CauseKind.INSOLVENCY).values_list(
            "account", flat=True
        )
    )
    made = []
    for account in accounts:
        if account.pk in told and account.pk not in changes:
            continue  # Another source tells of the same proceedings.
        reaction = Reaction(
            changes.get(account.pk), holds.get(account.pk), basis_of(account), stops_business=True
        )
        made.append(
            _record(account, CauseKind.INSOLVENCY, f"event:{event.pk}", params, reaction, event.known_on)
        )
    return made


def _record(
    account: CreditAccount,
    kind: str,
    key: str,
    params: dict[str, Any],
    reaction: Reaction,
    as_of: date,
    policy_id: int | None = None,
) -> CreditCause:
    done = CreditCause.Reaction
    if reaction.hold is not None:
        what = done.HELD
    elif reaction.change is None:
        what = done.NOTHING
    else:
        what = done.CUT if reaction.change.is_automatic else done.PROPOSED
    basis = reaction.basis
    cause = CreditCause.objects.create(
        account=account,
        kind=kind,
        key=key,
        as_of=as_of,
        evidence=params,
        policy_id=policy_id,
        reaction=what,
        change=reaction.change,
        hold=reaction.hold,
        stops_business=reaction.stops_business,
        basis=basis,
        provision=basis.provision if basis else "",
    )
    facts = {"kind": kind, "reaction": str(what), "change": reaction.change and reaction.change.pk}
    record_act(
        "credit_cause.record",
        actor=Actor.policy(kind),
        subject=cause,
        reason_code=kind,
        business_date=as_of,
        data={"account": account.pk},
        changes=[Change.of(cause, None, facts)],
    )
    tell_of_cause(cause)
    return cause


def _by_policy(
    rows: QuerySet[AccountScore], policies: dict[int | None, PolicyTerms]
) -> Iterator[tuple[PolicyTerms, QuerySet[AccountScore]]]:
    own = [segment for segment in policies if segment is not None]
    for segment, policy in policies.items():
        if not policy.causes:
            continue
        part = (
            rows.exclude(account__segment__in=own)
            if segment is None
            else rows.filter(account__segment=segment)
        )
        yield policy, part


def _late_payment(as_of: date, rows: QuerySet[AccountScore], policy: PolicyTerms) -> list[Found]:
    terms = policy.causes[CauseKind.LATE_PAYMENT]
    late = {row.account_id: row for row in rows.filter(oldest_overdue_days__gte=terms.threshold)}
    if not late:
        return []
    # Judged no later than the ledger is complete to: the score knows until when.
    items = instalments_open_at(
        as_of, instalments=Instalment.objects.filter(account__in=list(late), kind=DocumentKind.INVOICE)
    ).filter(due_on__lte=as_of - timedelta(days=terms.threshold))
    disputed = _disputed(list(late), as_of)
    sums: dict[int, Money] = {}
    oldest: dict[int, tuple[int, str]] = {}
    rates = RateTable.at(as_of)
    for pk, account_id, number, part, due_on, currency, minor in items.order_by("due_on", "pk").values_list(
        *("pk", "account_id", "invoice__number", "number", "due_on", "currency", "open_then")
    ):
        row = late[account_id]
        days = ((row.judged_on or as_of) - due_on).days
        undisputed = minor - disputed.get(pk, 0)
        if undisputed <= 0 or days < terms.threshold:
            continue
        oldest.setdefault(account_id, (days, f"{number}/{part} {due_on}"[-80:]))
        own = row.account.currency
        try:
            money = rates.convert(Money(undisputed, currency), own)
            sums[account_id] = sums.get(account_id, Money.zero(own)) + money
        except MissingRate:
            continue
    return [
        Found(pk, CauseKind.LATE_PAYMENT, key, {"amount": money_param(sums[pk]), "days": days}, policy)
        for pk, (days, key) in oldest.items()
        if pk in sums and _reaches(sums[pk], terms.least_amount, policy, rates)
    ]


def _reaches(money: Money, least: int, policy: PolicyTerms, rates: RateTable) -> bool:
    try:
        return money >= rates.convert(Money(least, policy.currency), money.currency)
    except MissingRate:
        return True


def _disputed(accounts: Sequence[int], as_of: date) -> dict[int, int]:
    """Minor units in dispute per instalment at the date."""
    rows = (
        DisputeItem.objects.filter(
            Q(dispute__closed_on__isnull=True) | Q(dispute__closed_on__gt=as_of),
            dispute__account__in=accounts,
            dispute__superseded_at__isnull=True,
            dispute__effective_on__lte=as_of,
        )
        .order_by()
        .values("instalment")
        .annotate(total=Sum("amount"))
    )
    return dict(rows.values_list("instalment", "total"))


def _score_drop(as_of: date, rows: QuerySet[AccountScore], policy: PolicyTerms) -> list[Found]:
    terms = policy.causes[CauseKind.SCORE_DROP]
    earlier = ScoreHistory.objects.filter(
        account=OuterRef("account"),
        # Another scorecard is no deterioration of the customer.
        card=OuterRef("card"),
        as_of__lt=OuterRef("as_of"),
        as_of__gte=as_of - timedelta(days=terms.window_days),
    ).order_by("-score", "-as_of", "-pk")
    fallen = rows.filter(score__lte=100 - terms.threshold).annotate(
        best=Subquery(earlier.values("score")[:1]), best_on=Subquery(earlier.values("as_of")[:1])
    )
    return [
        Found(
            row.account_id,
            CauseKind.SCORE_DROP,
            f"{row.best_on}",
            {"before": row.best, "on": row.best_on.isoformat(), "score": row.score, "grade": row.grade},
            policy,
        )
        for row in fallen
        if row.best is not None and row.best - row.score >= terms.threshold
    ]


def _cash_shock(as_of: date, rows: QuerySet[AccountScore], policy: PolicyTerms) -> list[Found]:
    terms = policy.causes[CauseKind.CASH_SHOCK]
    return [
        Found(
            row.account_id,
            CauseKind.CASH_SHOCK,
            f"{as_of}",
            {"times": round(-row.bank_sudden_change, 1)},  # type: ignore[attr-defined]
            policy,
        )
        for row in rows.filter(bank_sudden_change__lte=-terms.threshold)
    ]


def _agency_fall(as_of: date, rows: QuerySet[AccountScore], policy: PolicyTerms) -> list[Found]:
    terms = policy.causes[CauseKind.AGENCY_FALL]
    window = timedelta(days=terms.window_days)
    found = agency_causes.falls(as_of, rows, points=terms.threshold, window=window)
    return [Found(pk, CauseKind.AGENCY_FALL, key, params, policy) for pk, key, params in found]


def _ceased(as_of: date, rows: QuerySet[AccountScore], policy: PolicyTerms) -> list[Found]:
    found = agency_causes.ceased(as_of, rows)
    return [Found(pk, CauseKind.CEASED, key, params, policy) for pk, key, params in found]


_LOOKS = {
    CauseKind.LATE_PAYMENT: _late_payment,
    CauseKind.CASH_SHOCK: _cash_shock,
    CauseKind.SCORE_DROP: _score_drop,
    CauseKind.AGENCY_FALL: _agency_fall,
    CauseKind.CEASED: _ceased,
}


def _unrecorded(found: list[Found], as_of: date) -> list[Found]:
    """Without those recorded before: the same key, or one of the kind within its window."""
    known: dict[tuple[int, str], set[str]] = defaultdict(set)
    rows = CreditCause.objects.filter(account__in={one.account_id for one in found})
    for pk, kind, key in rows.values_list("account_id", "kind", "key"):
        known[pk, kind].add(key)
    latest = {
        (pk, kind): day
        for pk, kind, day in rows.order_by()
        .values("account", "kind")
        .annotate(day=Max("as_of"))
        .values_list("account", "kind", "day")
    }

    def is_new(one: Found) -> bool:
        place = (one.account_id, one.kind)
        if one.key in known[place]:
            return False
        return place not in latest or latest[place] <= as_of - one.window

    new = [one for one in found if is_new(one)]
    order = list(_LOOKS)
    return sorted(
        new, key=lambda one: (one.account_id, one.terms.keep_percent, order.index(CauseKind(one.kind)))
    )
