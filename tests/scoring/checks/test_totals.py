"""A customer that buys from several of our companies: which limit binds, who may say so, and what it stops."""

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from creditdesk.core import roles
from creditdesk.core.models import AuditEntry, User
from customers import bindings, locks
from customers.attributes import set_parent
from customers.bindings import BindingError, Bound, bound_at, decide_binding, in_force, propose_binding
from customers.checks import failure_json, failure_of, result_of
from customers.locks import lock_headroom
from customers.models import Access, CreditAccount, Delivery, LimitBinding, Portfolio
from customers.order_holds import OrderHoldError, release_order
from customers.order_moves import deliver_order
from customers.orders import record_order
from customers.reservations import ReservationError
from scoring.checks import check as check_module
from scoring.checks.sentences import explain_check, message
from scoring.checks.terms import terms_of
from scoring.engine import rescore
from scoring.models import AccountScore
from tests.desk_world import client_of
from tests.factories import ACTOR, make_account, receive
from tests.people import give_authority, make_user
from tests.scoring.checks.worlds import DAY, NOW, check, codes, eur, give_limit, graded, hold_room

pytestmark = pytest.mark.django_db
WHEN = {"actor": ACTOR, "on": DAY, "at": NOW}
SOON = DAY + timedelta(days=10)


def with_other_company(cast, customer):
    """The customer's account with our other company."""
    other = cast.elsewhere.company
    return CreditAccount.objects.create(
        customer=customer, company=other, segment=other.segments.get(), currency="EUR"
    )


@pytest.fixture
def world(cast):
    """Rossi may owe acme 1,000 and other 500; head and second see both companies."""
    beta = with_other_company(cast, cast.account.customer)
    give_limit(cast.account, 1_000)
    give_limit(beta, 500)
    for user in (cast.controller, cast.approver):
        user.accesses.create(company=beta.company)
    return cast, cast.account, beta


def set_to(cast, subject, binds, **extra):
    row = propose_binding(subject, binds, by=cast.controller, on=DAY, reason="one limit for all", **extra)
    return decide_binding(row, approve=True, by=cast.approver, on=DAY, reason="agreed", grades=graded)


def order(account, number, amount, **extra):
    return record_order(account, number, eur(amount), expected_on=SOON, **(WHEN | extra))


def test_each_company_the_total_or_the_tighter_of_both(world):
    cast, acme, beta = world
    assert (check(acme, 1_000).passes, check(acme, 1_001).passes) == (True, False)
    assert check(acme, 10).rooms[0].binds and len(check(acme, 10).rooms) == 1

    set_to(cast, acme.customer, "total")
    # One pool of 1,500: all of it may be used with one company.
    assert (check(beta, 1_500).passes, check(beta, 1_500).fits) == (True, eur(1_500))
    assert order(beta, "B", 800).goes_on
    over = check(acme, 800)
    assert (codes(over), over.blocking_level, over.missing) == (["over_limit"], "total", eur(100))
    assert over.tightest.level == "total" and over.fits == eur(700)
    assert "all our companies together" in explain_check(over)[0].reason
    assert result_of(over.as_json(), acme.pk).rooms == over.rooms
    fits = check(acme, 100)
    assert "all our companies together" in message(fits) and "600" in message(fits)
    # A credit balance with one company does not pay what another is owed; a limit of zero still stops.
    receive(acme, "300", DAY)
    assert check(acme, 1).fits == eur(700)

    set_to(cast, acme.customer, "both", ceiling=eur(900))
    # beta: its own 500 are passed by its order; acme: 900 of the ceiling less 800.
    assert codes(check(beta, 1), "payer") == ["over_limit"]
    tight = check(acme, 101)
    assert (codes(tight, "payer"), codes(tight, "total"), tight.fits) == ([], ["over_limit"], eur(100))
    give_limit(beta, 0, on=DAY)
    set_to(cast, acme.customer, "total")
    assert codes(check(beta, 1)) == ["limit_zero"]
    assert check(acme, 200).passes  # the pool is 1,000 now, 800 of it used


def test_a_group_keeps_to_a_ceiling_over_all_companies_and_a_company_has_a_default(world):
    cast, acme, beta = world
    holding = make_account(cast.company)
    sister = make_account(cast.company)
    for account in (acme, sister):
        set_parent(account.customer, holding.customer, on=date(2026, 1, 1), actor=ACTOR)
    give_limit(sister, 1_000)
    set_to(cast, holding.customer, "total", ceiling=eur(1_200))
    assert order(beta, "B", 400).goes_on
    assert order(sister, "S", 600).goes_on
    stopped = check(acme, 201)
    assert (codes(stopped), stopped.failures[0].customer) == (["over_limit"], holding.customer.name)
    assert stopped.tightest.free == eur(200)
    # Its own setting is nearer than the group's; the ceiling of the group goes on binding.
    set_to(cast, acme.customer, "company")
    again = check(acme, 201)
    assert [room.level for room in again.rooms] == ["payer", "total"]
    assert codes(again) == ["over_limit"]
    # The company's setting is for who has none.
    set_to(cast, cast.company, "both")
    alone = make_account(cast.company)
    line = [alone.customer_id]
    assert bound_at(line, alone.company_id, DAY).binds == "both"
    assert bound_at(line, alone.company_id, DAY - timedelta(days=1)).binds == "company"


def test_two_people_say_which_limit_binds_and_it_stays_as_decided(world):
    cast, acme, _beta = world
    customer = acme.customer

    def refused(code, act):
        with pytest.raises(BindingError) as error:
            act()
        assert error.value.code == code

    both = {"by": cast.controller, "on": DAY, "reason": "why"}
    refused("not_allowed", lambda: propose_binding(customer, "both", **(both | {"by": cast.collector})))
    refused("no_reason", lambda: propose_binding(customer, "both", **(both | {"reason": " "})))
    refused("ceiling", lambda: propose_binding(customer, "company", ceiling=eur(5), **both))
    narrow = make_user("narrow", roles.CONTROLLER, company=cast.company)
    refused("out_of_scope", lambda: propose_binding(customer, "both", **(both | {"by": narrow})))
    row = propose_binding(customer, "total", **both)
    refused("waiting", lambda: propose_binding(customer, "both", **both))
    yes = {"approve": True, "by": cast.approver, "on": DAY, "reason": "fine", "grades": graded}
    refused("not_allowed", lambda: decide_binding(row, **(yes | {"by": cast.controller})))
    give_authority(cast.company, rise=1_499)
    refused("no_authority", lambda: decide_binding(row, **yes))
    give_authority(cast.company, rise=1_500, grade="B")
    refused("no_authority", lambda: decide_binding(row, **yes))
    # Where it takes two, the second is who proposed it: an approver, too.
    give_authority(cast.company, rise=None, needed=2)
    refused("no_authority", lambda: decide_binding(row, **yes))
    partner = make_user("partner", roles.APPROVER, company=cast.company)
    partner.accesses.create(company=cast.elsewhere.company)
    with transaction.atomic():
        sister = make_account(cast.company).customer
        theirs = propose_binding(sister, "both", **(both | {"by": partner}))
        assert decide_binding(theirs, **yes).valid_from == DAY
    give_authority(cast.company, rise=1_500)
    own = LimitBinding.objects.filter(pk=row.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        own.update(status="in_force", decided_by=cast.controller, decided_on=DAY, valid_from=DAY)
    assert decide_binding(row, **yes).valid_from == DAY
    refused("decided", lambda: decide_binding(row, **yes))
    refused("same", lambda: propose_binding(customer, "total", **both))
    for change in (lambda: own.update(binds="both"), lambda: own.update(status="rejected"), own.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    acts = AuditEntry.objects.filter(subject_type="customers.limitbinding", subject_pk=str(row.pk))
    assert list(acts.order_by("pk").values_list("act", flat=True)) == [
        "limit_binding.propose",
        "limit_binding.decide",
    ]


def test_the_page_decides_what_was_read_by_the_worst_grade_of_all_it_concerns(world, settings, monkeypatch):
    settings.BUSINESS_DATE = DAY
    cast, acme, beta = world
    head = acme.customer
    below = make_account(cast.company)
    set_parent(below.customer, head, on=date(2026, 1, 1), actor=ACTOR)
    give_authority(cast.company, rise=None, grade="B")
    url, paolo = reverse("limits:binding", args=[head.pk]), client_of(cast.approver)
    both = {"by": cast.controller, "on": DAY, "reason": "why"}
    first = propose_binding(head, "total", **both)
    assert f'name="proposal" value="{first.pk}"' in paolo.get(url).content.decode()
    yes = {"action": "approve", "decision_reason": "fine"}
    rescore(DAY)
    AccountScore.objects.update(grade="A")
    unscored = list(AccountScore.objects.filter(account__in=(beta, below)))
    AccountScore.objects.filter(account__in=(beta, below)).delete()
    for row in unscored:  # an account without a grade counts as the worst
        refused = paolo.post(url, yes | {"proposal": first.pk})
        assert refused.status_code == 409 and "authority" in refused.content.decode()
        assert LimitBinding.objects.get().status == "waiting"
        row.save(force_insert=True)
    assert len(unscored) == 2
    AccountScore.objects.filter(account=below).update(grade="C")  # a member's counts, too
    assert paolo.post(url, yes | {"proposal": first.pk}).status_code == 409
    AccountScore.objects.update(grade="B")
    decide_binding(first, approve=False, **(both | {"by": cast.approver}))
    second = propose_binding(head, "both", **both)
    stale = paolo.post(url, yes | {"proposal": first.pk})
    assert stale.status_code == 409 and "Somebody was faster" in stale.content.decode()
    assert f'name="proposal" value="{second.pk}"' in stale.content.decode()
    assert paolo.post(url, yes | {"proposal": second.pk}).status_code == 302
    gone = paolo.post(url, yes | {"proposal": second.pk})
    assert gone.status_code == 409 and "Somebody was faster" in gone.content.decode()
    assert LimitBinding.objects.get(status="in_force") == second

    def proposed_meanwhile(as_of):
        monkeypatch.setattr(bindings, "in_force", in_force)
        propose_binding(head, "company", **both)
        return in_force(as_of)

    monkeypatch.setattr(bindings, "in_force", proposed_meanwhile)
    with pytest.raises(BindingError, match="Another setting waits"):
        propose_binding(head, "total", **both)


def test_settings_are_locked_before_accounts_also_when_one_is_found_late(world, monkeypatch):
    cast, acme, _beta = world
    set_to(cast, acme.customer, "total", ceiling=eur(1_200))

    def not_there_yet(*_line):
        monkeypatch.setattr(locks, "bound_at", bound_at)
        return Bound()

    monkeypatch.setattr(locks, "bound_at", not_there_yet)
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        lock_headroom(acme.pk, DAY)
    signs = {
        "back": r"^ROLLBACK TO",
        "settings": r'FROM "customers_limitbinding" WHERE "customers_limitbinding"."id"',
        "accounts": r'FROM "customers_creditaccount" WHERE .*"joined_into_id" IS NULL.* ORDER BY',
    }
    told = [query["sql"] for query in queries]
    steps = [step for sql in told for step, sign in signs.items() if re.search(sign, sql)]
    assert steps == ["accounts", "back", "settings", "accounts"]


def test_reservations_and_releases_keep_to_the_totals(world):
    cast, acme, beta = world
    set_to(cast, acme.customer, "total")
    hold_room(beta, 1_400, "R")
    with pytest.raises(ReservationError):
        hold_room(acme, 101, "S")
    waits = order(acme, "A", 300)
    assert waits.hold.details["failures"][0]["level"] == "total"
    give_authority(cast.company, rise=299)

    def release(**extra):
        values = {"by": cast.approver, "reason": "paid tomorrow", "on": DAY, "until": SOON, "at": NOW}
        return release_order(waits.hold, up_to=eur(300), **(values | extra))

    with pytest.raises(OrderHoldError, match="authority"):
        release()
    give_authority(cast.company, rise=300)
    held = release()
    # Nothing owed elsewhere: 300 with both companies, besides 1,400 that are reserved.
    total = held.details["caps"][f"total:{acme.customer_id}"]
    assert (total["need"]["minor"], total["reserved"]["minor"]) == (30_000, 140_000)
    assert deliver_order(waits.order, "D-1", eur(200), **WHEN).made
    # What the other company delivers meanwhile takes of the same cap.
    Delivery.objects.create(
        account=beta, number="X", currency="EUR", amount=eur(1_400), effective_on=DAY, known_on=DAY
    )
    assert deliver_order(waits.order, "D-2", eur(100), **WHEN).made is None


def test_a_release_is_capped_by_what_the_group_owes(cast):
    holding, sister = make_account(cast.company), make_account(cast.company)
    for account in (cast.account, sister):
        set_parent(account.customer, holding.customer, on=date(2026, 1, 1), actor=ACTOR)
    CreditAccount.objects.filter(pk=holding.pk).update(limit_is_for_group=True)
    for account, limit in ((holding, 1_000), (sister, 5_000), (cast.account, 5_000)):
        give_limit(account, limit)
    assert order(sister, "S", 800).goes_on
    waits = order(cast.account, "A", 600)
    assert waits.hold.details["failures"][0]["level"] == "group"
    values = {"reason": "known", "on": DAY, "until": SOON, "at": NOW, "up_to": eur(600)}
    # Authority over what the payer owes (600) is not enough: the group owes 1,400.
    give_authority(cast.company, rise=1_399)
    with pytest.raises(OrderHoldError, match="1,400"):
        release_order(waits.hold, by=cast.approver, **values)
    give_authority(cast.company, rise=1_400)
    released = release_order(waits.hold, by=cast.approver, **values)
    assert released.details["caps"][f"group:{holding.customer_id}"]["need"]["minor"] == 140_000
    assert deliver_order(waits.order, "D-1", eur(100), **WHEN).made
    # A member owes more than when the release was given: what leaves is asked anew.
    Delivery.objects.create(
        account=sister, number="X", currency="EUR", amount=eur(1_300), effective_on=DAY, known_on=DAY
    )
    assert deliver_order(waits.order, "D-2", eur(100), **WHEN).made is None


def leaving_only(account, as_of):
    terms = terms_of(account, as_of)
    rules = (replace(rule, points=rule.points - {"order"}) for rule in terms.rules)
    return replace(terms, rules=tuple(rules))


def test_a_release_of_an_accepted_order_is_capped_and_takes_effect(cast):
    """Accepted while the group had room: it is past the limit when it leaves, though it adds nothing as an order."""
    holding, sister = make_account(cast.company), make_account(cast.company)
    for account in (cast.account, sister):
        set_parent(account.customer, holding.customer, on=date(2026, 1, 1), actor=ACTOR)
    CreditAccount.objects.filter(pk=holding.pk).update(limit_is_for_group=True)
    for account, limit in ((holding, 1_000), (sister, 5_000), (cast.account, 5_000)):
        give_limit(account, limit)
    accepted = order(cast.account, "A", 600).order
    Delivery.objects.create(
        account=sister, number="X", currency="EUR", amount=eur(800), effective_on=DAY, known_on=DAY
    )
    waits = deliver_order(accepted, "D-1", eur(600), **WHEN)
    assert waits.hold.details["failures"][0]["level"] == "group"
    values = {"by": cast.approver, "reason": "known", "on": DAY, "until": SOON, "at": NOW, "up_to": eur(600)}
    give_authority(cast.company, rise=1_399)
    with pytest.raises(OrderHoldError, match="1,400"):
        release_order(waits.hold, **values)
    # Who does not see the whole group is not told what it owes.
    Access.objects.filter(user=cast.approver).update(portfolio=cast.portfolio)
    south = Portfolio.objects.create(company=cast.company, code="south", name="South")
    CreditAccount.objects.filter(pk=sister.pk).update(portfolio=south)
    blind = User.objects.get(pk=cast.approver.pk)
    with pytest.raises(OrderHoldError, match="would owe —"):
        release_order(waits.hold, **(values | {"by": blind}))
    give_authority(cast.company, rise=1_400)
    key = f"group:{holding.customer_id}"
    # A policy that asks for headroom only where the goods leave comes to the same.
    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_module, "terms_of", leaving_only)
        assert release_order(waits.hold, **values).details["caps"][key]["need"]["minor"] == 140_000
        transaction.set_rollback(True)
    released = release_order(waits.hold, **values)
    assert released.details["caps"][key]["need"]["minor"] == 140_000
    assert deliver_order(accepted, "D-1", eur(600), **WHEN).made


def test_a_pool_and_a_ceiling_of_one_customer_are_two_limits(world):
    cast, acme, _beta = world
    member = make_account(cast.company)
    set_parent(member.customer, acme.customer, on=date(2026, 1, 1), actor=ACTOR)
    give_limit(member, 5_000)
    set_to(cast, acme.customer, "total", ceiling=eur(4_000))
    # The pool of 1,500 is tighter than the ceiling over the group.
    result = check(acme, 1_600)
    assert len({room.key for room in result.rooms}) == len(result.rooms) == 3
    assert (result.fits, result.tightest.limit) == (eur(1_500), eur(1_500))
    assert result_of(result.as_json(), acme.pk).rooms == result.rooms
    (failure,) = result.stopping
    assert failure.key == result.bound_by and failure_of(failure_json(failure)) == failure
    assert order(member, "M", 2_450).goes_on
    # Past both: each keeps the release within what it was given for.
    waits = order(acme, "A", 1_600)
    values = {
        "by": cast.approver,
        "reason": "known",
        "on": DAY,
        "until": SOON,
        "at": NOW,
        "up_to": eur(1_600),
    }
    caps = release_order(waits.hold, **values).details["caps"]
    assert sorted(cap["need"]["minor"] for cap in caps.values()) == [160_000, 405_000]


def test_amounts_of_accounts_a_reader_does_not_see_are_withheld(world, settings):
    settings.BUSINESS_DATE = DAY
    cast, acme, _beta = world
    set_to(cast, acme.customer, "total")
    waits = order(acme, "A", 1_501)
    whole, blind = (
        client_of(cast.approver),
        client_of(make_user("blind", roles.APPROVER, company=cast.company)),
    )
    pages = (
        (reverse("orders:check", args=[acme.pk]), {"amount": "1501", "point": "order"}),
        (reverse("orders:queue"), {}),
        (reverse("orders:decide", args=[waits.hold.pk]), {}),
    )
    for url, query in pages:
        assert "and may owe 1,500.00" in whole.get(url, query).content.decode(), url
        text = blind.get(url, query).content.decode()
        assert "all our companies together — (— accounts) and may owe —" in text, url
        assert "1,500" not in text, url
    assert "tightest" in text and "no limit decided" not in text
