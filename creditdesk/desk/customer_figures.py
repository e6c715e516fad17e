"""The figures on top of the customer page: score and trend, limit, exposure, age of the debt, what comes next.

Every function takes `as_of` and one account; together they run a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from creditdesk.core import charts
from creditdesk.core.money import Money
from customers.completeness import complete_through
from customers.exposure import Exposure, exposures, instalments_open_at
from customers.limits import limit_at
from customers.models import (
    CreditAccount,
    CreditApplication,
    CreditHold,
    Customer,
    Dispute,
    DocumentKind,
    Instalment,
    LegalEvent,
    LimitChange,
    Promise,
    PromiseMove,
)
from customers.rates import RateTable
from scoring.models import AccountScore, Scorecard, ScoreHistory, ScoreOverride
from worklists.causes import say_cause
from worklists.models import WorklistRow
from worklists.steps import say_step

LOOK_BACK_DAYS = 731
TREND_DAYS = 30
GRAVE_EVENTS = {"insolvency", "struck_off", "protest"}


@dataclass(frozen=True, slots=True)
class Task:
    """The account's place on today's worklist of its collector, in words."""

    rank: int
    all: int
    cause: str
    step: str


@dataclass(slots=True)
class Standing:
    """One account at a date. Money in the account's currency; `use` is exposure over limit (None: no limit)."""

    account: CreditAccount
    as_of: date
    complete_through: date | None
    exposure: Exposure
    limit: Money | None
    temporary_until: date | None
    score: AccountScore | None
    before: ScoreHistory | None
    ageing: list[tuple[str, Money]]
    disputed: Money
    disputes: list[Dispute]
    overdue_items: int
    holds: list[CreditHold]
    waiting: LimitChange | None
    promises: list[Promise]
    task: Task | None
    applications: list[CreditApplication]

    @property
    def use(self) -> float | None:
        if self.limit is None or not self.limit.minor:
            return None
        return self.exposure.total.minor / self.limit.minor

    @property
    def headroom(self) -> Money | None:
        return None if self.limit is None else self.limit - self.exposure.total

    @property
    def stale(self) -> bool:
        """The ledger is not complete up to today, so lateness is judged earlier."""
        return self.complete_through is None or self.complete_through < self.as_of


def task_of(account: CreditAccount, as_of: date) -> Task | None:
    """Its open row on the worklist of the day, if there is one; two queries."""
    row = WorklistRow.objects.filter(account=account, run__as_of=as_of, state=WorklistRow.State.OPEN).first()
    if row is None:
        return None
    peers = WorklistRow.objects.filter(run=row.run_id, collector=row.collector_id, lane=row.lane)
    return Task(
        row.rank,
        peers.count(),
        say_cause(row.cause_code, row.cause_params),
        say_step(row.step_code, row.step_params),
    )


def standing(account: CreditAccount, as_of: date) -> Standing:
    exposure = exposures([account], as_of)[account.pk]
    limit = limit_at(account, as_of)
    score = AccountScore.objects.filter(account=account).select_related("card").first()
    before = (
        ScoreHistory.objects.filter(account=account, as_of__lte=as_of - timedelta(days=TREND_DAYS))
        .order_by("-as_of", "-pk")
        .first()
    )
    ageing, overdue_items = _ageing(account, as_of)
    disputes = list(
        Dispute.objects.filter(account=account, superseded_at__isnull=True).order_by("-effective_on")
    )
    rates: RateTable | None = None
    disputed = Money.zero(account.currency)
    for amount in (row.amount for row in disputes if row.closed_on is None):
        if amount.currency != account.currency:
            rates = rates or RateTable.at(as_of)
            amount = rates.convert(amount, account.currency)
        disputed += amount
    return Standing(
        account=account,
        as_of=as_of,
        complete_through=complete_through(account.company_id),
        exposure=exposure,
        limit=limit.in_force,
        temporary_until=limit.temporary_until if limit.is_temporary else None,
        score=score,
        before=before,
        ageing=ageing,
        disputed=disputed,
        disputes=disputes,
        overdue_items=overdue_items,
        holds=list(CreditHold.objects.filter(account=account, released_on__isnull=True).order_by("-pk")),
        waiting=LimitChange.objects.filter(account=account, status=LimitChange.Status.PROPOSED)
        .select_related("account")
        .first(),
        promises=list(
            Promise.objects.filter(
                account=account, status=Promise.Status.OPEN, superseded_at__isnull=True
            ).order_by("due_on")[:5]
        ),
        task=task_of(account, as_of),
        applications=_applications(account),
    )


def _applications(account: CreditAccount) -> list[CreditApplication]:
    """Applications of a prospect that somebody has to go on with; a customer's new ones stand in its limits."""
    if account.customer.status != Customer.Status.PROSPECT:
        return []
    Status = CreditApplication.Status
    found = CreditApplication.objects.filter(account=account, status__in=(Status.OPEN, Status.GRANTED))
    return list(found.order_by("-pk")[:3])


def _ageing(account: CreditAccount, as_of: date) -> tuple[list[tuple[str, Money]], int]:
    labels = [_("not due"), "1-30", "31-60", "61-90", "90+"]
    minors: dict[tuple[int, str], int] = {}
    overdue = 0
    rows = instalments_open_at(
        as_of, instalments=Instalment.objects.filter(account=account, kind=DocumentKind.INVOICE)
    )
    for currency, due_on, minor in rows.order_by().values_list("currency", "due_on", "open_then"):
        late = (as_of - due_on).days
        bucket = 0 if late <= 0 else min((late - 1) // 30 + 1, 4)
        overdue += late > 0
        minors[bucket, currency] = minors.get((bucket, currency), 0) + minor
    rates: RateTable | None = None
    sums = [Money.zero(account.currency) for _label in labels]
    for (bucket, currency), minor in minors.items():
        money = Money(minor, currency)
        if currency != account.currency:
            rates = rates or RateTable.at(as_of)
            money = rates.convert(money, account.currency)
        sums[bucket] += money
    return list(zip(labels, sums, strict=True)), overdue


def score_chart(now: Standing) -> charts.Chart:
    """The score over two years with what happened on it."""
    account, start = now.account, now.as_of - timedelta(days=LOOK_BACK_DAYS)
    kept = ScoreHistory.objects.filter(account=account, as_of__gte=start, as_of__lte=now.as_of).order_by(
        "as_of", "pk"
    )
    rows = list(kept.values_list("as_of", "score", "card"))
    if now.score:
        rows.append((now.score.as_of, now.score.score, now.score.card_id))
    points = {on: score for on, score, _card in rows}
    return charts.line_chart(
        [charts.Series(_("score"), sorted(points.items()))],
        title=_("Score over 24 months"),
        events=sorted(
            [*_events(now, start), *_of_the_score(account, rows, start, now.as_of)],
            key=lambda event: event.on,
        )
        if points
        else [],
        y_range=(0, 100),
        axis_fmt=charts.number,
        height=290,
    )


def _events(now: Standing, start: date) -> list[charts.Event]:
    account, as_of, found = now.account, now.as_of, []
    changes = LimitChange.objects.filter(
        account=account, status=LimitChange.Status.APPLIED, valid_from__range=(start, as_of)
    )
    for change in changes:
        old, new = change.old_amount, change.new_amount
        cut = old is not None and new < old
        text = _("limit %(old)s to %(new)s") % {"old": old or "—", "new": new}
        found.append(charts.Event(change.valid_from, text, "warn" if cut else "good"))
    moves = PromiseMove.objects.filter(
        promise__account=account, to_status=Promise.Status.BROKEN, effective_on__range=(start, as_of)
    ).select_related("promise")
    found += [charts.Event(m.effective_on, _("promise broken: %s") % m.promise.amount, "bad") for m in moves]
    legal = LegalEvent.objects.filter(
        customer=account.customer_id, superseded_at__isnull=True, effective_on__range=(start, as_of)
    )
    found += [
        charts.Event(e.effective_on, str(e.get_kind_display()), "bad" if e.kind in GRAVE_EVENTS else "info")
        for e in legal
    ]
    disputes = [row for row in now.disputes if start <= row.effective_on <= as_of][:12]
    found += [
        charts.Event(d.effective_on, _("dispute: %s") % d.get_reason_display(), "info") for d in disputes
    ]
    return found


def _of_the_score(
    account: CreditAccount, rows: Sequence[tuple[date, int, int]], start: date, as_of: date
) -> list[charts.Event]:
    """Where another card scored the account (rows: day, score, card in order), and what a person put in place."""
    cards = {card for *_rest, card in rows}
    named = Scorecard.objects.filter(pk__in=cards) if len(cards) > 1 else ()
    names = {card.pk: str(card) for card in named}
    found = [
        charts.Event(later[0], _("another scorecard: %s") % names[later[2]], "info")
        for earlier, later in pairwise(rows)
        if earlier[2] != later[2]
    ]
    overrides = ScoreOverride.objects.filter(account=account, valid_from__range=(start, as_of))
    for o in overrides:
        text = _("overridden: %(old)s to %(new)s") % {"old": o.computed_grade, "new": o.grade}
        found.append(charts.Event(o.valid_from, text, "info"))
        # It holds on its last day, and no more on the day somebody ends it.
        over = o.ended_on or o.valid_until + timedelta(days=1)
        if over <= as_of:
            found.append(charts.Event(over, _("override to %s ended") % o.grade, "info"))
    return found


def exposure_chart(now: Standing) -> charts.Chart:
    e = now.exposure
    net = e.open_invoices - e.unapplied_cash - e.open_credits
    parts = [
        (_("open invoices, less cash and credits"), max(net.amount, 0), "s1"),
        (_("deliveries and orders"), (e.unbilled_deliveries + e.open_orders).amount, "s2"),
        (_("bills not yet safe"), e.instruments.amount, "s3"),
    ]
    limit = None if now.limit is None else now.limit.amount
    return charts.exposure_bar(
        parts, limit, title=_("Exposure against the limit"), cover=e.cover.amount, fmt=_whole(e.currency)
    )


def ageing_chart(now: Standing) -> charts.Chart:
    rows = [(label, money.amount) for label, money in now.ageing]
    return charts.ageing_bars(
        rows, title=_("Open invoices by days past due"), fmt=_whole(now.account.currency)
    )


def _whole(currency: str) -> charts.Format:
    return lambda value: charts.number(round(value))


def trend(now: Standing) -> dict[str, Any] | None:
    """How the score moved over 30 days; None when it did not exist then."""
    if now.score is None or now.before is None:
        return None
    return {"score": now.before.score, "grade": now.before.grade, "delta": now.score.score - now.before.score}
