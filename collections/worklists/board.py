"""What a collector's page shows: the list of the day, its totals, and one customer's panel. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

from django.db.models import Q

from creditdesk.core.clock import business_date
from creditdesk.core.models import User
from creditdesk.core.money import Money
from customers.access import account_scope
from customers.disputes import disputed_at
from customers.exposure import instalments_open_at
from customers.models import Contact, CreditAccount, DocumentKind, Instalment
from customers.promises import open_promised
from dunning.recipients import by_chain, to_call, to_write_to
from worklists.causes import say_cause
from worklists.models import WorklistRow, WorklistRun
from worklists.steps import say_step
from worklists.story import Happening, story_of

State, Lane = WorklistRow.State, WorklistRow.Lane
UNASSIGNED = "none"


@dataclass
class Line:
    """One row of the list, said in the reader's language when it is shown. judged_on: what is overdue, was then."""

    row: WorklistRow
    judged_on: date

    @property
    def days(self) -> int:
        return (self.judged_on - self.row.oldest_due_on).days

    @cached_property
    def cause(self) -> str:
        return say_cause(self.row.cause_code, self.row.cause_params)

    @cached_property
    def step(self) -> str:
        return say_step(self.row.step_code, self.row.step_params)

    @property
    def account_id(self) -> int:
        return self.row.account_id

    @property
    def chance(self) -> float:
        return self.row.probability / 1000


@dataclass(slots=True)
class Board:
    """A collector's day. at_risk: one Money per company currency, of what is still open."""

    on: date | None
    who: User | None
    runs: list[WorklistRun]
    to_collect: list[Line] = field(default_factory=list)
    legal: list[Line] = field(default_factory=list)
    held: list[Line] = field(default_factory=list)
    done: list[Line] = field(default_factory=list)
    query: str = ""

    @property
    def judged_on(self) -> date | None:
        return min((run.judged_on for run in self.runs if run.judged_on), default=None)

    def judged_for(self, company_id: int) -> date | None:
        """The day on which lateness is judged for a company, as its run says."""
        return next((run.judged_on for run in self.runs if run.company_id == company_id), None)

    @property
    def open(self) -> list[Line]:
        return [*self.to_collect, *self.legal]

    @property
    def at_risk(self) -> list[Money]:
        totals: dict[str, int] = {}
        for line in self.open:
            totals[line.row.currency] = totals.get(line.row.currency, 0) + line.row.at_risk.minor
        return [Money(minor, currency) for currency, minor in sorted(totals.items())]

    @property
    def minutes_left(self) -> int:
        return sum(line.row.minutes for line in self.open)

    @property
    def time_left(self) -> tuple[int, int]:
        """Hours and minutes, to the next five minutes."""
        minutes = -(-self.minutes_left // 5) * 5
        return divmod(minutes, 60)

    @property
    def share_done(self) -> int:
        total = len(self.open) + len(self.done)
        return round(100 * len(self.done) / total) if total else 0

    @property
    def missing_rates(self) -> list[str]:
        return sorted({pair for run in self.runs for pair in run.counts.get("missing_rates", [])})

    def line_of(self, account_id: int) -> Line | None:
        lines = (*self.to_collect, *self.legal, *self.held, *self.done)
        return next((line for line in lines if line.account_id == account_id), None)

    def after(self, account_id: int | None, rank: int = 0, lane: str = Lane.NORMAL) -> Line | None:
        """The open line that follows one that has just left its place; at the end, the first that is left."""
        order = [Lane.NORMAL, Lane.LEGAL]
        here = (order.index(Lane(lane)), rank)
        for line in self.open:
            if line.account_id != account_id and (order.index(Lane(line.row.lane)), line.row.rank) >= here:
                return line
        return next((line for line in self.open if line.account_id != account_id), None)


def todays_runs() -> list[WorklistRun]:
    """The runs of each company's own business day."""
    newest = business_date() + timedelta(days=1)
    runs = WorklistRun.objects.filter(as_of__lte=newest, as_of__gte=newest - timedelta(days=2))
    return [
        run
        for run in runs.select_related("company").order_by("company_id", "as_of")
        if run.as_of == business_date(run.company.time_zone)
    ]


def frame_of(who: User | None, *, query: str = "") -> Board:
    """A board without its rows, for parts of the page that show one customer only: one query."""
    runs = todays_runs()
    return Board(runs[0].as_of if runs else None, who, runs, query=query)


def line_for(board: Board, account: CreditAccount) -> Line | None:
    """The account's row of today, on whoever's list it stands: one query."""
    run = next((run for run in board.runs if run.company_id == account.company_id), None)
    if run is None:
        return None
    row = WorklistRow.objects.filter(run=run, account=account).exclude(state=State.LEFT).first()
    if row is None:
        return None
    row.account = account
    return _line(row, run)


def board_of(viewer: User, who: User | None, *, query: str = "") -> Board:
    """The list of one collector (None: accounts without one), as far as the viewer may see: three queries."""
    board = frame_of(who, query=query)
    by_pk = {run.pk: run for run in board.runs}
    rows = (
        WorklistRow.objects.filter(account_scope(viewer, "account__"), run__in=list(by_pk), collector=who)
        .exclude(state=State.LEFT)
        .select_related("account__customer")
        .order_by("rank", "-at_risk", "pk")
    )
    for row in rows:
        line = _line(row, by_pk[row.run_id])
        if row.state in {State.DONE, State.SKIPPED}:
            board.done.append(line)
        elif row.state == State.SNOOZED:
            board.held.append(line)
        elif row.lane == Lane.LEGAL:
            board.legal.append(line)
        else:
            board.to_collect.append(line)
    board.held.sort(key=lambda line: (line.row.held_until, line.account_id))
    board.done.sort(key=lambda line: (line.row.finished_at is not None, line.row.finished_at), reverse=True)
    return board


def _line(row: WorklistRow, run: WorklistRun) -> Line:
    return Line(row, run.judged_on or run.as_of)


def collectors(viewer: User, runs: Sequence[WorklistRun]) -> list[tuple[str, str, int]]:
    """Whose lists the viewer may open: (value, name, open rows), one query."""
    rows = (
        WorklistRow.objects.filter(
            account_scope(viewer, "account__"), run__in=[run.pk for run in runs], state=State.OPEN
        )
        .order_by()
        .values_list("collector_id", "collector__username", "collector__first_name", "collector__last_name")
    )
    counts: dict[tuple, int] = {}
    for key in rows:
        counts[key] = counts.get(key, 0) + 1
    return sorted(
        (
            (str(pk or UNASSIGNED), f"{first} {last}".strip() or username or "", count)
            for (pk, username, first, last), count in counts.items()
        ),
        key=lambda choice: choice[1],
    )


@dataclass(slots=True)
class OpenItem:
    """An open invoice as the panel shows it. Money of the instalment's own currency."""

    instalment: Instalment
    open: Money
    disputed: Money
    promised: Money
    days: int

    @property
    def collectable(self) -> Money:
        rest = self.open.minor - self.disputed.minor - self.promised.minor
        return Money(max(rest, 0), self.open.currency)

    @property
    def asked(self) -> Decimal:
        return self.collectable.amount


@dataclass
class Panel:
    """One customer, all facts on one screen; the story is read only when it is shown."""

    account: CreditAccount
    line: Line | None
    items: list[OpenItem]
    contacts: list[Contact]
    call: Contact | None
    write: Contact | None
    on: date
    chosen: set[int] = field(default_factory=set)
    why_not: str = ""

    @cached_property
    def story(self) -> list[Happening]:
        return story_of(self.account, self.on)

    @property
    def further(self) -> list[str]:
        return [say_cause(code, params) for code, params in self.line.row.also] if self.line else []

    @property
    def total(self) -> Money:
        currency = self.account.currency
        return sum((item.open for item in self.items if item.open.currency == currency), Money.zero(currency))


def open_items(account: CreditAccount, on: date, judged_on: date) -> list[OpenItem]:
    """Open invoices, the oldest first, with what holds each back: three queries."""
    rows = instalments_open_at(
        on, instalments=Instalment.objects.filter(account=account, kind=DocumentKind.INVOICE)
    )
    disputed = disputed_at([account.pk], on)
    promised = open_promised([account.pk], on)
    found = []
    for row in rows.select_related("invoice").order_by("due_on", "pk"):
        found.append(
            OpenItem(
                row,
                Money(row.__dict__["open_then"], row.currency),
                Money(min(disputed.get(row.pk, 0), row.amount.minor), row.currency),
                Money(promised.get(row.pk, 0), row.currency),
                (judged_on - row.due_on).days,
            )
        )
    return found


def panel_of(
    account: CreditAccount,
    line: Line | None,
    on: date,
    judged_on: date | None,
    chosen: Sequence[int] = (),
) -> Panel:
    """Everything about one customer. `chosen`: the ticked invoices (none: the overdue ones of one currency)."""
    items = open_items(account, on, judged_on or on)
    contacts = by_chain(account.customer.contacts.all())
    ticked = {item.instalment.pk for item in items} & set(chosen)
    if not ticked:
        due = [item for item in items if item.days > 0 and item.collectable.minor]
        ticked = {item.instalment.pk for item in due if item.open.currency == due[0].open.currency}
    return Panel(
        account,
        line,
        items,
        contacts,
        to_call(contacts),
        to_write_to(contacts),
        on,
        ticked,
    )


def account_for(viewer: User, pk: int) -> CreditAccount | None:
    """The account if the viewer may see it."""
    return (
        CreditAccount.objects.filter(account_scope(viewer), Q(pk=pk))
        .select_related("customer", "company", "collector", "score_row")
        .first()
    )
