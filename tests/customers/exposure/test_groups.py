"""Groups of any depth on any day, their exposure in one currency, and by selling company."""

from datetime import date as D
from decimal import Decimal

import pytest

from creditdesk.core.facts import CURRENT, View
from creditdesk.core.money import Money
from customers.attributes import AttributeRefused, set_parent
from customers.groups import Tree, group_exposure, group_of, tree_at
from customers.models import CreditAccount, ExchangeRate, GroupMembership
from tests.factories import ACTOR, invoice, make_account, make_company, receive

pytestmark = pytest.mark.django_db


def test_a_group_of_any_depth_as_it_was(django_assert_num_queries):
    company, other = make_company(), make_company("bravo", "USD")
    ExchangeRate.objects.create(
        base="EUR", quote="USD", on=D(2026, 1, 1), rate=Decimal("1.25"), source="test"
    )
    chain = [make_account(company) for _ in range(7)]
    people = [account.customer for account in chain]
    for below, above in zip(people[1:], people, strict=False):
        set_parent(below, above, on=D(2026, 1, 1), actor=ACTOR)
    for account in chain:
        invoice(account, "100", D(2026, 1, 10))
    abroad = CreditAccount.objects.create(
        customer=people[6], segment=other.segments.get(), company=other, currency="USD"
    )
    invoice(abroad, "125", D(2026, 1, 10))
    receive(chain[3], "150", D(2026, 1, 20))  # a credit balance of one does not reduce what another owes
    # The fourth leaves with everybody below it; known late.
    set_parent(people[3], None, on=D(2026, 3, 1), actor=ACTOR, known_on=D(2026, 4, 1))

    for read in (tree_at, lambda on, view=CURRENT: group_of(people[5].pk, on, view)):
        assert read(D(2025, 12, 31)).head_of(people[5].pk) == people[5].pk
        before, after = read(D(2026, 2, 28)), read(D(2026, 3, 1))
        assert before.head_of(people[5].pk) == people[0].pk
        assert before.below(people[0].pk) == [one.pk for one in people]
        assert before.above(people[2].pk) == [people[1].pk, people[0].pk]
        assert after.head_of(people[5].pk) == people[3].pk
        assert after.below(people[3].pk) == [one.pk for one in people[3:]]
        assert read(D(2026, 3, 1), View(known_at=D(2026, 3, 15))).head_of(people[5].pk) == people[0].pk
    with django_assert_num_queries(1):
        group_of(people[5].pk, D(2026, 2, 28))
    assert group_of(people[0].pk, D(2026, 3, 1)).below(people[0].pk) == [one.pk for one in people[:3]]

    with django_assert_num_queries(8):
        found = group_exposure(people[0], D(2026, 2, 28), "EUR")
    assert found.total.exposure == Money.of(700, "EUR")
    assert [member.depth for member in found.members] == list(range(7))
    assert [member.subtree.exposure.amount for member in found.members] == [700, 600, 500, 400, 400, 300, 200]
    assert [(company.code, sums.exposure.amount) for company, sums in found.entities] == [
        ("acme", 600),
        ("bravo", 100),
    ]
    assert found.rates == {("USD", "EUR"): Decimal("0.8")}
    assert group_exposure(people[0], D(2026, 3, 1), "EUR").total.exposure == Money.of(300, "EUR")
    seen = [chain[0], chain[1]]
    assert group_exposure(people[0], D(2026, 2, 28), "EUR", accounts=seen).total.accounts == 2

    # No circle, neither today nor on a later day by a backdated membership.
    with pytest.raises(AttributeRefused):
        set_parent(people[0], people[2], on=D(2026, 3, 1), actor=ACTOR)
    set_parent(people[0], people[3], on=D(2026, 5, 1), actor=ACTOR)
    with pytest.raises(AttributeRefused):
        set_parent(people[3], people[2], on=D(2026, 4, 1), actor=ACTOR)


def test_a_circle_that_came_in_behind_our_back_does_not_hang():
    people = [make_account(make_company(f"c{n}")).customer for n in range(3)]
    for below, above in ((0, 1), (1, 2), (2, 0)):
        GroupMembership.objects.create(
            customer=people[below], parent=people[above], effective_on=D(2026, 1, 1), known_on=D(2026, 1, 1)
        )
    for tree in (tree_at(D(2026, 2, 1)), group_of(people[1].pk, D(2026, 2, 1))):
        assert {tree.head_of(one.pk) for one in people} == {people[0].pk}
        assert sorted(tree.below(people[0].pk)) == sorted(one.pk for one in people)
    assert Tree.of(D(2026, 1, 1), {1: 2, 2: 1, 3: 2}).below(1) == [1, 2, 3]
