"""Default events against brute force: day by day, fact by fact, on generated ledgers, every view."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from creditdesk.core.facts import CURRENT, View
from customers.models import Allocation, Dispute, Instalment, LegalEvent, Payment, StatusChange
from scoring.fitting.materiality import Materiality
from scoring.fitting.outcomes import default_episodes, defaults_between
from scoring.statement import Scope
from tests.scoring.books import END, JUDGED, BookMaker
from tests.scoring.reference_facts import visible

pytestmark = pytest.mark.django_db

LIMITS = Materiality({"EUR": Decimal(1500), "USD": Decimal(1600)})
WINDOWS = [
    (date(2024, 6, 30), date(2025, 6, 30)),
    (date(2024, 12, 31), date(2025, 12, 31)),
    (date(2025, 3, 31), date(2025, 9, 30)),
    (date(2025, 9, 30), END),
]


@pytest.fixture(scope="module", params=[1, 2])
def book(request, django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        atomic = transaction.atomic()
        atomic.__enter__()
        try:
            yield BookMaker(request.param, accounts=7, invoices=10)
        finally:
            transaction.set_rollback(True)
            atomic.__exit__(None, None, None)


class Reference:
    """One account's facts as a view knows them; `in_default(day)` by looking at every one of them."""

    def __init__(self, account, view):
        def known(rows):
            return [row for row in rows if visible(row, view)]

        self.view = view
        self.judged = min(JUDGED, view.known_at) if view.known_at else JUDGED
        self.moves = known(Allocation.objects.filter(account=account).select_related("write_off"))
        self.owed = [
            (i.pk, i.currency, i.due_on, i.effective_on, i.amount.minor,
             [(self.moved_on(m), m.amount.minor) for m in self.moves if m.instalment_id == i.pk])
            for i in known(Instalment.objects.filter(account=account, kind="invoice"))
        ]  # fmt: skip
        self.received = [
            (p.currency, p.effective_on, p.amount.minor,
             [(m.effective_on, m.amount.minor) for m in self.moves if m.payment_id == p.pk])
            for p in known(Payment.objects.filter(account=account))
        ]  # fmt: skip
        self.disputes = [
            (d, [(i.instalment_id, i.amount.minor) for i in d.items.all()])
            for d in known(Dispute.objects.filter(account=account))
        ]
        self.events = known(LegalEvent.objects.filter(customer=account.customer))
        everything = list(StatusChange.objects.filter(customer=account.customer))
        self.statuses = sorted(known(everything), key=lambda s: (s.effective_on, s.pk))
        self.given = account.customer.status if not everything else ""

    def moved_on(self, move):
        if move.kind == "inferred" and move.amount.minor > 0:
            return move.settled_after + timedelta(days=1)
        return move.effective_on

    def closed(self, dispute, day):
        if dispute.closed_on is None or dispute.closed_on > day:
            return False
        if self.view.known_at:
            return dispute.closed_known_on <= self.view.known_at
        return not (self.view.recorded_by and dispute.closed_recorded_at > self.view.recorded_by)

    def residue(self, day, currency):
        total = 0
        disputed = [
            item
            for d, items in self.disputes
            if d.effective_on <= day and not self.closed(d, day)
            for item in items
        ]
        for pk, its_currency, due_on, issued_on, amount, moves in self.owed:
            if its_currency != currency or (day - due_on).days <= 90 or issued_on > day:
                continue
            settled = sum(minor for on, minor in moves if on <= day)
            apart = sum(minor for disputed_pk, minor in disputed if disputed_pk == pk)
            total += max(amount - settled - apart, 0)
        for its_currency, received_on, amount, uses in self.received:
            if its_currency == currency and received_on <= day:
                total -= amount - sum(minor for on, minor in uses if on <= day)
        return total

    def given_up(self, day):
        for m in self.moves:
            if m.kind != "write_off" or m.amount.minor < 0 or m.write_off.is_small:
                continue
            back = next((r.effective_on for r in self.moves if r.reverses_id == m.pk), None)
            if m.effective_on <= day < min(back or date.max, m.effective_on + timedelta(days=365)):
                return True
        return False

    def insolvent(self, day):
        if self.given == "insolvent":
            return True
        open_now = [
            e
            for e in self.events
            if e.kind in ("insolvency", "struck_off")
            and e.effective_on <= day
            and (e.ended_on is None or e.ended_on > day)
        ]
        past = [s for s in self.statuses if s.effective_on <= day]
        return bool(open_now) or bool(past and past[-1].status == "insolvent")

    def in_default(self, day):
        ledger = any(self.residue(day, code) > 100 * LIMITS.amounts[code] for code in LIMITS.amounts)
        return self.insolvent(day) or (day <= self.judged and (ledger or self.given_up(day)))


def expected(account, view, as_of, until):
    truth = Reference(account, view)
    # What was in default when the ledger ended stays so: only new defaults need a complete ledger.
    if truth.in_default(min(as_of, truth.judged)) or truth.insolvent(as_of):
        return None
    days = [as_of + timedelta(days=n) for n in range(1, (until - as_of).days + 1)]
    return next((day for day in days if truth.in_default(day)), None)


def check(book, view):
    seen = 0
    for as_of, until in WINDOWS:
        found = defaults_between(as_of, until, view, materiality=LIMITS)
        for account in book.accounts:
            default = found.get(account.pk)
            assert (default and default.on) == expected(account, view, as_of, until), (account.pk, as_of)
            seen += default is not None
    return seen


def test_current_view(book):
    assert check(book, CURRENT) >= 3


def test_as_known_then_and_later(book):
    assert check(book, View(known_at=date(2025, 8, 31))) + check(book, View(known_at=END)) >= 3


def test_as_recorded_half_way(book):
    check(book, View(recorded_by=book.half_way))


def test_a_shorter_reading_of_the_ledger_tells_the_same_about_its_days(book):
    """Later facts never change an earlier default (but for what was known only later, which views decide)."""
    whole = default_episodes(END, materiality=LIMITS)
    for as_of, until in WINDOWS[:3]:
        part = default_episodes(until, materiality=LIMITS)
        assert part.between(as_of, until).keys() == whole.between(as_of, until).keys()


def test_one_account_a_range_and_a_list_say_the_same_as_the_book_in_five_queries(book):
    as_of, until = WINDOWS[1]
    everyone = defaults_between(as_of, until, materiality=LIMITS)
    ids = [a.pk for a in book.accounts]
    with CaptureQueriesContext(connection) as queries:
        assert defaults_between(as_of, until, materiality=LIMITS, scope=Scope.of(ids)) == everyone
    assert len(queries) <= 6
    assert (
        defaults_between(as_of, until, materiality=LIMITS, scope=Scope.between(min(ids), max(ids)))
        == everyone
    )
    one_by_one = {}
    for pk in ids:
        one_by_one |= defaults_between(as_of, until, materiality=LIMITS, scope=Scope.of([pk]))
    assert one_by_one == everyone
