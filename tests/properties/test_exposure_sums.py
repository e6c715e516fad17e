"""What a page states and what it lists are the same statement: sums and rows agree on any book, day and view."""

import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from creditdesk.core.facts import CURRENT, View
from customers.exposure import exposures, instalments_open_at, payments_open_at, totals_now
from customers.exposure_sql import scoped
from customers.instruments import SegmentTerms
from customers.models import (
    BilledPart,
    Cover,
    CreditAccount,
    CreditSegment,
    Delivery,
    ExchangeRate,
    OpenOrder,
    OrderHold,
    OrderHorizon,
    Payment,
)
from customers.open_items import open_items, open_sums, summed_up
from customers.stages import DELIVERY, stages_at
from tests.factories import invoice, make_account, make_company, pay, receive
from tests.properties import examples

START = date(2026, 1, 1)
LAST = START + timedelta(days=60)


def moment(day):
    return timezone.make_aware(datetime.combine(day, time(12)))


class Book:
    """Three accounts (two segments, two currencies) with random facts; some are corrected later."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        company = make_company()
        own = {"code": "slow", "name": "Slow", "order_horizon_days": 20, "return_days": 3}
        slow = CreditSegment.objects.create(company=company, **own)
        ExchangeRate.objects.create(base="EUR", quote="USD", on=START, rate=Decimal("1.25"), source="test")
        self.accounts = [make_account(company) for _number in range(3)]
        OrderHorizon.objects.create(
            segment=slow, product_line="steel", days=self.random.randint(0, 40), **_dates(self.day())
        )
        self.accounts[2].segment = slow
        self.accounts[2].save()
        for account in self.accounts[:2]:
            self.ledger(account)
        for account in self.accounts[1:]:
            self.business(account)
        if self.random.random() < 0.7:
            terms = {"kind": "insurance", "currency": "EUR", "amount": 30000, "percent": 90}
            Cover.objects.create(account=self.accounts[1], **terms, **_dates(START))

    def day(self, first=0, last=60):
        return START + timedelta(days=self.random.randint(first, last))

    def amount(self):
        return str(self.random.randint(1, 300))

    def ledger(self, account):
        for _number in range(self.random.randint(1, 4)):
            currency = self.random.choice(["EUR", "EUR", "USD"])
            row = invoice(account, self.amount(), self.day(0, 30), currency=currency)
            if self.random.random() < 0.6:
                part = str(self.random.randint(1, int(row.amount.amount)))
                tender = self.random.choice([{}, {"instrument": Payment.Instrument.RIBA}])
                pay(row, self.day(31), part, **tender)
        if self.random.random() < 0.6:
            dated = self.random.choice([{}, {"matures_on": self.day(10, 70)}, {"safe_on": self.day(10, 70)}])
            receive(account, self.amount(), self.day(), instrument=Payment.Instrument.BILL, **dated)
        if self.random.random() < 0.4:
            receive(account, self.amount(), self.day(), currency="USD")

    def write(self, model, account, **values):
        """A fact; sometimes one that is corrected on a later day."""
        on = values.pop("on")
        currency = values.pop("currency", "EUR")
        facts = {"account": account, "currency": currency, "effective_on": on, "known_on": on}
        if self.random.random() < 0.3:
            later = on + timedelta(days=self.random.randint(1, 20))
            closed = {"recorded_at": moment(on), "known_until": later, "superseded_at": moment(later)}
            model.objects.create(**(facts | values | closed))
            values["amount"] = self.random.randint(1, 900)
            facts |= {"known_on": later, "recorded_at": moment(later)}
        else:
            facts["recorded_at"] = moment(on)
        return model.objects.create(**(facts | values))

    def business(self, account):
        chance = self.random.random
        for name in ("A", "B"):
            extra = {"closed_on": self.day(40)} if chance() < 0.2 else {}
            extra |= {"open_on": self.day()} if chance() < 0.4 else {}
            on = self.day(0, 15)
            extra |= {"product_line": self.random.choice(["", "steel", "glass"]), "expected_on": self.day()}
            self.write(OpenOrder, account, number=name, amount=900, on=on, **extra)
            if chance() < 0.3:
                OrderHold.objects.create(
                    account=account, order_number=name, at_entry=True, placed_on=on, **_held(account)
                )
        for number in range(self.random.randint(0, 4)):
            extra = {"invoiced_on": self.day(30)} if chance() < 0.2 else {}
            order = self.random.choice(["A", "A", "B", ""])
            minor = self.random.randint(1, 500)
            self.write(
                Delivery,
                account,
                number=f"L{number}",
                order_number=order,
                amount=minor,
                on=self.day(),
                **extra,
            )
        for number in range(self.random.randint(0, 4)):
            delivery, order = self.random.choice(["", "L0", "L1"]), self.random.choice(["A", "B", ""])
            told = self.random.choice(["", f"F{account.pk}-{number}"])
            on = self.day(15 * number, 15 * number + 14)  # one part a day
            self.write(
                BilledPart,
                account,
                delivery_number=delivery,
                order_number=order or ("" if delivery else "A"),
                invoice_number=told,
                amount=self.random.randint(1, 400),
                on=on,
            )
            if told and chance() < 0.8:
                invoice(account, self.amount(), on + timedelta(days=self.random.randint(0, 9)), number=told)


def _dates(on):
    return {"effective_on": on, "known_on": on, "recorded_at": moment(on)}


def _held(account):
    return {"currency": "EUR", "amount": 900, "point": "order", "decide_by": LAST}


def by_hand(account, as_of, view):
    """What customers/stages.py says in words, order by order: {(kind, id): minor units counted}."""
    orders = list(OpenOrder.objects.filter(view.q(), account=account, effective_on__lte=as_of))
    shipped = list(Delivery.objects.filter(view.q(), account=account))
    parts = [(part, billed_on(part, view)) for part in BilledPart.objects.filter(view.q(), account=account)]

    def billed(delivery, day):
        own = (p.amount.minor for p, on in parts if p.delivery_number == delivery.number and on and on <= day)
        return sum(own)

    def left(number, day):
        """Unbilled deliveries of an order, oldest first, after what was billed ahead; the rest of that; delivered."""
        there = [d for d in shipped if d.order_number == number and d.effective_on <= day]
        arrived = {d.number for d in shipped if d.effective_on <= day}
        mine = [p for p, on in parts if number and p.order_number == number and on and on <= day]
        ahead = sum(p.amount.minor for p in mine if p.delivery_number not in arrived)
        found = {}
        for row in sorted(there, key=lambda d: (d.effective_on, d.pk)):
            if row.invoiced_on is None or row.invoiced_on > day:
                unbilled = max(row.amount.minor - billed(row, day), 0)
                taken = min(unbilled, ahead)
                ahead -= taken
                found[DELIVERY, row.pk] = unbilled - taken
        return found, ahead, sum(d.amount.minor for d in there)

    found = dict(left("", as_of)[0])
    for number in {d.order_number for d in shipped} - {""}:
        found |= left(number, as_of)[0]
    held = OrderHold.objects.filter(account=account).values_list("order_number", flat=True)
    for order in orders:
        if (order.closed_on and order.closed_on <= as_of) or order.number in held:
            continue
        _unbilled, ahead, delivered = left(order.number, as_of)
        before = sum(left(order.number, order.open_on)[1:]) if order.open_on else 0
        found["order", order.pk] = max(order.amount.minor - delivered - ahead + before, 0)
    return {key: minor for key, minor in found.items() if minor}


def billed_on(part, view):
    if not part.invoice_number:
        return part.effective_on
    about = part.effective_on - timedelta(days=60)
    named = part.account.invoices.filter(view.q(), number=part.invoice_number, effective_on__gte=about)
    return min(named.values_list("effective_on", flat=True), default=None)


class SumsTest(TestCase):
    @given(st.integers(0, 10**9))
    @settings(max_examples=examples(3), deadline=None)
    def test_sums_and_rows_agree_and_follow_the_rules(self, seed):
        book = Book(seed)
        every = CreditAccount.objects.all()
        ids = every.order_by().values("pk")
        views = [CURRENT, View(known_at=book.day()), View(recorded_by=moment(book.day()))]
        for as_of in {book.day(), LAST}:
            for view in views:
                told = (seed, as_of, view)
                rows = list(open_items(ids, as_of, view, numbers=True))
                self.assertEqual(set(open_sums(ids, as_of, view)), set(summed_up(rows, as_of)), told)
                one_by_one = [row for account in every for row in open_items([account.pk], as_of, view)]
                self.assertEqual(sorted(r[:7] for r in rows), sorted(r[:7] for r in one_by_one), told)
                self.of_the_ledger(rows, as_of, view, told)
                self.of_the_horizon(rows, as_of, view, told)
                for account in every:
                    stages = stages_at([account.pk], as_of, view)
                    counted = {(stage.kind, stage.pk): stage.counted for stage in stages}
                    self.assertEqual(counted, by_hand(account, as_of, view), told)
                self.of_exposures(every, as_of, view, told)

    def of_the_ledger(self, rows, as_of, view, told):
        open_then = defaultdict(dict)
        for row in rows:
            kind = {"open_invoices": "due", "open_credits": "due", "unsafe_cash": "cash"}.get(
                row.part, row.part
            )
            open_then["cash" if kind == "unapplied_cash" else kind][row.pk] = row.minor
        due = dict(instalments_open_at(as_of, view=view).values_list("pk", "open_then"))
        cash = dict(payments_open_at(as_of, view=view).values_list("pk", "open_then"))
        self.assertEqual((open_then["due"], open_then["cash"]), (due, cash), told)

    def of_the_horizon(self, rows, as_of, view, told):
        terms = SegmentTerms.load(as_of, view)
        segments = dict(CreditAccount.objects.values_list("pk", "segment"))
        for row in rows:
            if row.part in ("open_orders", "far_orders"):
                last = as_of + timedelta(days=terms.days(segments[row.account_id], row.line))
                self.assertEqual(row.part == "open_orders", row.due_on <= last, told)

    def of_exposures(self, every, as_of, view, told):
        whole = exposures(every, as_of, view=view)
        rows_of = {account.pk: [] for account in every}
        self.assertEqual(whole, exposures(list(every), as_of, view=view, rows_of=rows_of), told)
        for account in every:
            self.assertEqual(whole[account.pk], exposures([account], as_of, view=view)[account.pk], told)
        if view.is_current:
            totals = totals_now([account.pk for account in every], as_of)
            for pk, exposure in whole.items():
                if {currency for owner, currency in totals if owner == pk} <= {exposure.currency}:
                    self.assertEqual(totals.get((pk, exposure.currency), 0), exposure.total.minor, told)

    def test_no_account_at_all(self):
        self.assertIsNone(scoped([], LAST, CURRENT))
        self.assertEqual((list(open_sums(CreditAccount.objects.none(), LAST)), stages_at([], LAST)), ([], []))
        self.assertEqual(exposures(CreditAccount.objects.none(), LAST), {})
