"""Whatever is done to orders, in any order: nobody gets past the limit without a person's release."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from customers.exposure import exposures
from customers.ledger import allocate_payment
from customers.models import Delivery, Instalment, OpenOrder, OrderHold
from customers.order_holds import OrderHoldError, reject_order, release_order, stop_orders
from customers.order_moves import bill_order, deliver_order, pick_order
from customers.order_versions import OrderError
from customers.orders import change_order, check_again, close_order, record_order, reopen_order
from customers.reservations import ReservationError, release_reservation, reserve, reserved
from tests.factories import ACTOR, invoice, make_account, receive
from tests.properties import examples
from tests.scoring.checks.worlds import DAY, NOW, eur, give_limit

pytestmark = pytest.mark.django_db
LIMIT = 1_000
VERBS = st.sampled_from(
    "record far reserve unreserve change nearer close reopen pick deliver bill bill_ahead again release reject stop pay".split()
)
STEPS = st.lists(
    st.tuples(VERBS, st.sampled_from("ABC"), st.sampled_from([1, 300, 500, 999, 1_000, 1_001])), max_size=12
)
WHEN = {"actor": ACTOR, "on": DAY, "at": NOW}
SOON, FAR = DAY + timedelta(days=5), DAY + timedelta(days=200)


class World:
    def __init__(self, cast):
        self.account = make_account(cast.company, portfolio=cast.portfolio)
        self.cast, self.papers, self.held = cast, 0, {}
        give_limit(self.account, LIMIT)
        self.allowed = LIMIT * 100

    def taken(self):
        """Minor units that take room: exposure and reservations."""
        total = exposures([self.account], DAY)[self.account.pk].total.minor
        return total + sum(reserved([self.account.pk], NOW).values())

    def paper(self):
        self.papers += 1
        return f"P-{self.account.pk}-{self.papers}"

    def do(self, verb, number, amount):
        money = eur(amount)
        row = OpenOrder.objects.filter(account=self.account, number=number, superseded_at=None).first()
        hold = OrderHold.objects.filter(account=self.account, order_number=number, status="waiting").first()
        if verb in ("record", "far"):
            record_order(self.account, number, money, expected_on=FAR if verb == "far" else SOON, **WHEN)
        elif verb == "reserve":
            self.held[number] = reserve(self.account, money, reference=number, actor=ACTOR, as_of=DAY, at=NOW)
        elif verb == "unreserve" and number in self.held:
            release_reservation(self.held[number], **WHEN)
        elif verb == "stop":
            stop_orders([self.account.pk], details={"code": "x", "params": {}}, actor=ACTOR, on=DAY)
        elif verb == "pay":
            for item in Instalment.objects.filter(account=self.account, open_amount__gt=0):
                cash = receive(self.account, str(item.open_amount.amount), DAY)
                allocate_payment(cash, [(item, item.open_amount.amount)], actor=ACTOR)
        elif row is None:
            return
        elif verb == "change":
            change_order(row, amount=money, **WHEN)
        elif verb == "nearer":
            change_order(row, expected_on=SOON, **WHEN)
        elif verb == "close":
            close_order(row, actor=ACTOR, on=DAY)
        elif verb == "reopen":
            reopen_order(row, **WHEN)
        elif verb == "pick":
            pick_order(row, **WHEN)
        elif verb == "deliver":
            done = deliver_order(row, self.paper(), money, **WHEN)
            assert not (done.made and hold), "goods of an order on hold left"
        elif verb in ("bill", "bill_ahead"):
            self._bill(row, money, ahead=verb == "bill_ahead")
        elif hold is not None and verb == "again":
            done = check_again(hold, **WHEN)
            assert done.hold or hold.cause != "stopped", "a stopped order went on by itself"
        elif hold is not None and verb == "release":
            self._release(hold)
        elif hold is not None and verb == "reject":
            reject_order(hold, by=self.cast.controller, reason="no", on=DAY)

    def _release(self, hold):
        """A person lets the customer take this much: what is taken now and the order, once."""
        most = self.taken() + hold.amount.minor
        who = {"by": self.cast.approver, "reason": "secured", "up_to": hold.amount}
        release_order(hold, on=DAY, until=SOON, at=NOW, **who)
        self.allowed = max(self.allowed, most)

    def _bill(self, row, money, *, ahead):
        """Billed and posted to the ledger at once, as the books do."""
        paper = self.paper()
        delivery = Delivery.objects.filter(account=self.account, order_number=row.number).first()
        if not ahead and delivery is None:
            return
        name = "" if ahead else delivery.number
        if bill_order(row, paper, money, delivery_number=name, **WHEN).made:
            invoice(self.account, str(money.amount), DAY, number=paper)


# No shrinking: an act is some thirty statements, and a failing list of twelve is short enough to read.
@settings(
    max_examples=examples(4),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@example(
    steps=[("record", "A", 1_000), ("change", "A", 1_001), ("record", "B", 1_000), ("change", "A", 1_000)]
)
@example(steps=[("record", "A", 1_000), ("close", "A", 1), ("record", "B", 1_000), ("reopen", "A", 1)])
@example(steps=[("record", "A", 1_000), ("far", "B", 1_000), ("deliver", "B", 1_000), ("nearer", "B", 1)])
@example(
    steps=[("record", "A", 300), ("bill_ahead", "A", 300), ("bill_ahead", "A", 1_000), ("again", "A", 1)]
)
@example(
    steps=[("reserve", "A", 1_000), ("record", "A", 1_000), ("reserve", "A", 1_000), ("reserve", "B", 1)]
)
@example(
    steps=[
        ("record", "A", 500),
        ("deliver", "A", 500),
        ("close", "A", 1),
        ("reopen", "A", 1),
        ("deliver", "A", 1_000),
    ]
)
@example(
    steps=[
        *(("record", "A", 1_000), ("record", "B", 300), ("close", "A", 1), ("release", "B", 1)),
        *(("close", "B", 1), ("record", "C", 1_000), ("reopen", "B", 1)),
    ]
)
def test_no_sequence_of_acts_gets_past_the_limit(cast, steps):
    world = World(cast)
    for verb, number, amount in steps:
        before = world.taken()
        try:
            world.do(verb, number, amount)
        except (OrderError, OrderHoldError, ReservationError):
            assert world.taken() == before, f"{verb} was refused and took room"
        after = world.taken()
        assert after <= max(world.allowed, before), f"{verb} {number} {amount}: {before} -> {after}"
