"""An order on its way to invoices is worth the same on every day, whatever happens in which order."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.exposure import BESIDE, MINUS, PLUS, exposures, totals_now
from customers.models import BilledPart, Delivery, OpenOrder
from customers.open_items import open_items
from tests.factories import invoice, make_account, make_company
from tests.properties import examples

START = date(2026, 1, 1)
steps = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "bill", "bill", "bill ahead", "list again", "correct"]),
        st.integers(1, 900),
        st.integers(0, 3),
    ),
    min_size=2,
    max_size=7,
)


class Path:
    """One order; every step keeps what a seller can do: nothing is billed that was not ordered or delivered."""

    def __init__(self, account):
        self.account, self.day, self.number = account, START, 0
        self.order = self.write(OpenOrder, number="O", expected_on=START, amount=1000)
        self.ordered, self.delivered, self.billed = 1000, 0, 0
        self.unbilled = {}
        self.worth = {START: 1000}

    def write(self, model, **values):
        dates = {"effective_on": self.day, "known_on": self.day}
        return model.objects.create(account=self.account, currency="EUR", **(dates | values))

    def step(self, name, minor, wait):
        self.day += timedelta(days=wait + 1)
        self.number += 1
        if name == "deliver":
            self.write(Delivery, number=f"D{self.number}", order_number="O", amount=minor)
            self.delivered += minor
            self.unbilled[f"D{self.number}"] = minor
        elif name == "bill" and self.unbilled:
            delivery, rest = min(self.unbilled.items(), key=lambda pair: -pair[1])
            minor = min(minor, rest, max(self.ordered, self.delivered) - self.billed)
            if minor:
                self.unbilled[delivery] -= minor
                self.bill(minor, wait, order_number="O", delivery_number=delivery)
        elif name == "bill ahead":
            minor = min(minor, self.ordered - self.billed)
            if minor > 0:
                self.bill(minor, wait, order_number="O")
        elif name == "correct":
            # A new version of the order, dated as the first one: what hangs on it by its number stays.
            OpenOrder.objects.filter(pk=self.order.pk).update(
                superseded_at="2026-06-01T00:00Z", known_until=self.day
            )
            self.order = self.write(
                OpenOrder, number="O", expected_on=START, amount=1000, effective_on=START, known_on=self.day
            )
        elif name == "list again":
            # A list of open orders says no more than what is neither delivered nor billed on its day.
            rest = exposures([self.account], self.day)[self.account.pk].open_orders.minor
            if rest:
                OpenOrder.objects.filter(pk=self.order.pk).update(
                    superseded_at="2026-06-01T00:00Z", known_until=self.day
                )
                self.order = self.write(
                    OpenOrder,
                    number="O",
                    expected_on=START,
                    amount=rest,
                    open_on=self.day,
                    effective_on=START,
                    known_on=self.day,
                )
        self.worth[self.day] = max(self.ordered, self.delivered, self.billed)

    def bill(self, minor, wait, **what):
        """The part is recorded first; its invoice reaches the ledger on the same day or later."""
        self.billed += minor
        number = f"F{self.number}"
        self.write(BilledPart, invoice_number=number, amount=minor, **what)
        invoice(self.account, str(Decimal(minor) / 100), self.day, number=number)


class StagesTest(TestCase):
    @given(steps)
    @settings(max_examples=examples(6), deadline=None)
    def test_nothing_counts_twice_and_nothing_is_lost(self, path):
        way = Path(make_account(make_company()))
        for name, minor, wait in path:
            way.step(name, minor, wait)
        for on, worth in way.worth.items():
            found = exposures([way.account], on)[way.account.pk]
            self.assertEqual(found.total, Money(worth, "EUR"), (on, path))
        sums = dict.fromkeys((*PLUS, *MINUS, *BESIDE), 0)
        for item in open_items([way.account.pk], on):
            sums[item.part] += item.minor
        self.assertEqual(sums, {name: getattr(found, name).minor for name in sums})
        last = max(way.worth)
        self.assertEqual(totals_now([way.account.pk], last), {(way.account.pk, "EUR"): way.worth[last]})
        then = exposures([way.account], last, view=View(known_at=last))[way.account.pk]
        self.assertEqual(then.total, Money(way.worth[last], "EUR"))
