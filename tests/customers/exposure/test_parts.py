"""Orders, deliveries and tendered bills in an exposure: horizon, invoice not there yet, safe day."""

from datetime import date as D
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.exposure import exposures, totals_now
from customers.headroom import headroom_of
from customers.horizons import set_horizon
from customers.instruments import SegmentTerms
from customers.limits import Limit
from customers.models import BilledPart, Delivery, ExchangeRate, OpenOrder, OrderHorizon, Payment
from tests.factories import ACTOR, invoice, make_account, make_company, pay, receive

pytestmark = pytest.mark.django_db


def parts(account, on):
    found = exposures([account], on)[account.pk]
    assert totals_now([account.pk], on).get((account.pk, "EUR"), 0) == found.total.minor
    return {
        name: getattr(found, name).minor
        for name in ("open_invoices", "unbilled_deliveries", "open_orders", "far_orders", "instruments")
        if getattr(found, name).minor
    } | ({"unapplied_cash": found.unapplied_cash.minor} if found.unapplied_cash.minor else {})


def test_a_delivery_stays_exposure_until_its_invoice_is_in_the_ledger():
    account = make_account(make_company())
    facts = {"account": account, "currency": "EUR", "known_on": D(2026, 1, 1)}
    OpenOrder.objects.create(
        number="7", expected_on=D(2026, 1, 20), amount=1000, effective_on=D(2026, 1, 1), **facts
    )
    Delivery.objects.create(number="8", order_number="7", amount=600, effective_on=D(2026, 1, 5), **facts)
    BilledPart.objects.create(
        delivery_number="8", invoice_number="F1", amount=250, effective_on=D(2026, 1, 6), **facts
    )
    # The same number a year ago is another invoice.
    invoice(account, "2.50", D(2025, 1, 6), number="F1")
    assert parts(account, D(2026, 1, 9)) == {
        "open_invoices": 250,
        "unbilled_deliveries": 600,
        "open_orders": 400,
    }
    invoice(account, "2.50", D(2026, 1, 8), number="F1")
    assert parts(account, D(2026, 1, 7))["unbilled_deliveries"] == 600
    assert parts(account, D(2026, 1, 9)) == {
        "open_invoices": 500,
        "unbilled_deliveries": 350,
        "open_orders": 400,
    }
    OpenOrder.objects.update(closed_on=D(2026, 1, 12))
    assert "open_orders" in parts(account, D(2026, 1, 11))
    assert "open_orders" not in parts(account, D(2026, 1, 12))
    Delivery.objects.update(invoiced_on=D(2026, 1, 13))
    assert parts(account, D(2026, 1, 13)) == {"open_invoices": 500}


def test_each_segment_has_its_horizon():
    account = make_account(make_company())
    OpenOrder.objects.create(
        account=account,
        currency="EUR",
        known_on=D(2026, 1, 1),
        effective_on=D(2026, 1, 1),
        number="7",
        expected_on=D(2026, 3, 2),
        amount=1000,
    )
    assert parts(account, D(2026, 1, 2)) == {"open_orders": 1000}
    account.segment.order_horizon_days = 30
    account.segment.save()
    assert parts(account, D(2026, 1, 30)) == {"far_orders": 1000}
    assert parts(account, D(2026, 1, 31)) == {"open_orders": 1000}
    assert exposures([account], D(2026, 1, 2), order_horizon_days=59)[account.pk].open_orders.minor == 1000


def test_a_product_line_has_a_horizon_of_its_own_from_a_day_on():
    account = make_account(make_company())
    segment = account.segment
    for number, line in (("7", "machines"), ("8", "")):
        OpenOrder.objects.create(
            account=account,
            currency="EUR",
            known_on=D(2026, 1, 1),
            effective_on=D(2026, 1, 1),
            number=number,
            product_line=line,
            expected_on=D(2026, 3, 2),
            amount=1000,
        )
    set_horizon(segment, 20, product_line="machines", on=D(2026, 1, 10), actor=ACTOR)
    set_horizon(segment, 30, on=D(2026, 1, 20), actor=ACTOR)
    set_horizon(segment, None, product_line="machines", on=D(2026, 1, 25), actor=ACTOR)
    # What counted on a past day stays: first the segment's own 90 days, then each from its day on.
    assert parts(account, D(2026, 1, 9)) == {"open_orders": 2000}
    assert parts(account, D(2026, 1, 15)) == {"open_orders": 1000, "far_orders": 1000}
    assert parts(account, D(2026, 1, 24)) == {"far_orders": 2000}
    # Without one of its own the line follows the segment again.
    assert SegmentTerms.load(D(2026, 1, 25)).days(segment.pk, "machines") == 30
    assert sum(totals_now([account.pk], D(2026, 1, 15)).values()) == 1000
    # As it was known on a day; and a row stays what it was.
    set_horizon(segment, 60, on=D(2026, 1, 5), known_on=D(2026, 2, 1), actor=ACTOR)
    assert parts(account, D(2026, 1, 9)) == {"open_orders": 2000}
    known = SegmentTerms.load(D(2026, 1, 19), View(known_at=D(2026, 1, 19)))
    assert (known.days(segment.pk), SegmentTerms.load(D(2026, 1, 19)).days(segment.pk)) == (90, 60)
    with pytest.raises(DatabaseError), transaction.atomic():
        OrderHorizon.objects.update(days=1)
    with pytest.raises(DatabaseError), transaction.atomic():
        OpenOrder.objects.update(product_line="other")


def test_a_bill_is_not_money_before_it_can_no_longer_come_back():
    account = make_account(make_company())
    row = invoice(account, "100", D(2026, 1, 1))
    matures = D(2026, 2, 1)
    pay(row, D(2026, 1, 20), instrument=Payment.Instrument.RIBA, matures_on=matures)
    receive(account, "40", D(2026, 1, 20), instrument=Payment.Instrument.PAGARE)
    assert parts(account, D(2026, 1, 29)) == {"instruments": 10000}
    # No maturity: counted from the day it came in.
    assert parts(account, D(2026, 1, 30)) == {"instruments": 10000, "unapplied_cash": 4000}
    safe = matures + timedelta(days=account.segment.return_days)
    assert "instruments" in parts(account, safe - timedelta(days=1))
    assert parts(account, safe) == {"unapplied_cash": 4000}
    found = exposures([account], D(2026, 1, 29))[account.pk]
    room = headroom_of(Limit(account.pk, Money.of(150, "EUR")), found, Money.of(20, "EUR"))
    assert (room.total, room.secured, room.unsecured) == tuple(Money.of(n, "EUR") for n in (30, 0, 30))
    assert headroom_of(Limit(account.pk, None), found).total is None


def test_cash_reduces_only_what_is_owed_in_its_currency():
    account = make_account(make_company())
    ExchangeRate.objects.create(
        base="EUR", quote="USD", on=D(2026, 1, 1), rate=Decimal("1.25"), source="test"
    )
    on = D(2026, 1, 31)
    receive(account, "125", D(2026, 1, 10), currency="USD")
    assert exposures([account], on)[account.pk].total == Money.of(-100, "EUR"), "a credit balance"
    invoice(account, "300", D(2026, 1, 5))
    invoice(account, "50", D(2026, 1, 5), currency="USD")
    found = exposures([account], on)[account.pk]
    assert (found.total, found.unapplied_cash, found.other_currency) == tuple(
        Money.of(n, "EUR") for n in (300, 40, 60)
    )
    assert totals_now([account.pk], on) == {(account.pk, "EUR"): 30000}
