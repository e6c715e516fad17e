"""What cover is worth on a day, term by term, and that every part of the exposure is accounted for."""

from datetime import date as D
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from creditdesk.core.facts import View
from creditdesk.core.money import Money
from customers.attributes import set_status
from customers.cover import CoverRefused, change_cover, covers_at, record_notice, withdraw_cover
from customers.cover_terms import CoverFacts, assess
from customers.disputes import open_dispute
from customers.exposure import exposures
from customers.headroom import headrooms
from customers.models import Cover, OpenOrder
from customers.open_items import Item
from tests.factories import ACTOR, invoice, make_account, make_company

pytestmark = pytest.mark.django_db
START = D(2026, 1, 1)


def eur(amount):
    return Money.of(amount, "EUR")


def cover(account, amount, kind="insurance", **terms):
    dates = {"effective_on": START, "known_on": START}
    return Cover.objects.create(
        account=account, kind=kind, currency="EUR", amount=Decimal(amount), **(dates | terms)
    )


def standing(account, on, view=None):
    return covers_at([account], on, view or View())[account.pk]


def excluded(part):
    return {one.code: one.amount.amount for one in part.exclusions if one.amount.minor}


def test_every_term_of_an_insurance(django_assert_max_num_queries):
    account = make_account(make_company())
    first = invoice(account, "100", D(2026, 1, 10))  # due 9 February
    invoice(account, "50", D(2026, 1, 10), days=120)
    late = invoice(account, "300", D(2026, 3, 20))  # due 19 April
    cover(account, 1000, percent=90, max_terms_days=60, notify_days=30, max_extension_days=60, policy="P1")
    on = D(2026, 4, 1)
    open_dispute(account, [(late, Decimal("40"))], reason="price", opened_on=D(2026, 3, 25), actor=ACTOR)

    # 100 is overdue by 51 days and was not notified; 50 has long terms; 40 are disputed.
    (part,) = standing(account, on).parts
    assert excluded(part) == {
        "not_notified": 100,
        "terms_too_long": 50,
        "disputed": 40,
        "own_share": Decimal("26"),
    }
    assert (part.base, part.secured, part.room) == (eur(260), eur(234), eur(740))
    record_notice(account, due_through=first.due_on, notified_on=D(2026, 3, 12), actor=ACTOR, policy="P1")
    assert standing(account, on).parts[0].secured == eur(234), "three weeks late"
    record_notice(account, due_through=first.due_on, notified_on=D(2026, 3, 11), actor=ACTOR)
    assert standing(account, on).secured == eur(324)
    # Overdue for more than the extension: what is shipped afterwards is not covered, nor is anything new.
    invoice(account, "70", D(2026, 4, 20))
    (part,) = standing(account, D(2026, 4, 21)).parts
    assert excluded(part)["extension_passed"] == 70 and part.room == eur(0)
    with django_assert_max_num_queries(14):
        found = exposures([account], D(2026, 4, 21))[account.pk]
    assert found.cover == found.standing.secured and found.at_risk == found.total - found.cover


def test_withdrawn_expired_replaced_and_the_guarantor_gone():
    company = make_company()
    account, parent = make_account(company), make_account(company)
    invoice(account, "100", D(2026, 1, 10))
    insured = cover(account, 80, percent=50, policy="P1", expires_on=D(2026, 12, 31))
    OpenOrder.objects.create(
        account=account,
        number="1",
        currency="EUR",
        amount=Decimal(30),
        expected_on=D(2026, 3, 1),
        effective_on=START,
        known_on=START,
    )
    on = D(2026, 2, 1)
    (part,) = standing(account, on).parts
    assert (part.base, part.secured, excluded(part)) == (
        eur(80),
        eur(40),
        {"above_amount": 50, "own_share": 40},
    )
    with pytest.raises(CoverRefused):
        withdraw_cover(insured, on=D(2027, 1, 1), actor=ACTOR, today=on)
    newer = withdraw_cover(insured, on=D(2026, 1, 20), actor=ACTOR, today=on)
    (part,) = standing(account, on).parts
    assert excluded(part) == {"withdrawn": 30, "above_amount": 20, "own_share": 40} and part.room == eur(0)
    assert standing(account, on, View(known_at=D(2026, 1, 31))).parts[0].exclusions[0].code != "withdrawn"
    with pytest.raises(CoverRefused):
        change_cover(insured, actor=ACTOR, on=on, percent=60)
    with pytest.raises(DatabaseError), transaction.atomic():
        Cover.objects.filter(pk=newer.pk).update(percent=100)
    with pytest.raises(ValidationError):
        change_cover(newer, actor=ACTOR, on=on, expires_on=D(2025, 1, 1))

    # Our own limit is void once the insurer has decided; the parent is worth what it is worth.
    own = cover(account, 500, basis="discretionary", policy="P1")
    deposit = cover(account, 20, kind="deposit")
    guarantee = cover(account, 60, kind="parent", guarantor=parent.customer, haircut_percent=50)
    found = {part.cover.pk: part for part in standing(account, on).parts}
    assert found[own.pk].why_not == "insurer_decided"
    # The deposit takes what the insurer does not (the order), the insurer its 80, the parent what is left.
    assert (found[deposit.pk].base, found[newer.pk].base, found[guarantee.pk].base) == (
        eur(20),
        eur(80),
        eur(30),
    )
    assert standing(account, on).secured == eur(20 + 40 + 15)
    set_status(parent.customer, "insolvent", on=D(2026, 2, 1), actor=ACTOR)
    assert standing(account, on).secured == eur(60)
    assert standing(account, D(2026, 1, 31)).secured == eur(75)
    late = standing(account, D(2027, 1, 1))
    assert {part.why_not for part in late.parts} == {"expired", "insurer_decided", "guarantor_gone", ""}
    room = headrooms([account], on)[account.pk]
    assert room.total is None and room.exposure == eur(130)


COVERS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["insurance", "deposit", "guarantee", "parent"]),
        "amount": st.integers(1, 900),
        "percent": st.integers(0, 100),
        "haircut_percent": st.integers(0, 100),
        "withdrawn": st.sampled_from([None, 0, 20, 60]),
        "extension": st.sampled_from([None, 10, 40]),
        "notify": st.sampled_from([None, 10]),
    }
)
ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["open_invoices", "unbilled_deliveries", "open_orders", "instruments"]),
        st.integers(1, 500),
        st.integers(0, 90),
        st.integers(0, 90),
    ),
    max_size=5,
)


@given(st.lists(COVERS, max_size=4), ITEMS, st.integers(0, 600), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_cover_add_up(terms, rows, cash, disputed):
    """Bases and the rest are the exposure; nobody pays more than he promised; exclusions explain the difference."""
    as_of = START + timedelta(days=91)
    covers = []
    for number, one in enumerate(terms):
        row = Cover(pk=number, account_id=1, effective_on=START, currency="EUR", kind=one["kind"])
        row.amount, row.percent, row.haircut_percent = one["amount"], one["percent"], one["haircut_percent"]
        if one["withdrawn"] is not None:
            row.withdrawn_on = START + timedelta(days=one["withdrawn"])
        row.max_extension_days, row.notify_days = one["extension"], one["notify"]
        covers.append(row)
    items = []
    for number, (part, minor, day, due) in enumerate(rows):
        on = START + timedelta(days=day)
        due_on = on + timedelta(days=due) if part in ("open_invoices", "open_orders") else None
        items.append(Item(1, part, "EUR", minor, on, due_on, number, about=number))
    exposure = Money(sum(item.minor for item in items) - cash, "EUR")
    facts = CoverFacts({1: covers}, {}, {0: disputed})
    found = assess(1, exposure, items, facts, as_of, lambda money: money)
    owed = max(exposure.minor, 0)
    assert sum(part.base.minor for part in found.parts) <= owed
    assert found.secured.minor + found.unsecured.minor == owed
    for part in found.parts:
        assert 0 <= part.secured.minor <= part.base.minor <= part.limit.minor
        assert part.base.minor + part.room.minor <= part.limit.minor
        lost = {one.code: one.amount.minor for one in part.exclusions}
        assert all(minor >= 0 for minor in lost.values())
        assert part.secured.minor + lost.get("own_share", 0) + lost.get("haircut", 0) == part.base.minor
    assert found.room.minor >= 0
