from datetime import date, timedelta

import pytest
from django.db import DatabaseError

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from customers.approval import approve_limit_change, propose_limit_change, reject_limit_change
from customers.attributes import set_status
from customers.automatic import cut_or_hold
from customers.deciding import expire_limit_change
from customers.events import legal_event_recorded, limit_applied
from customers.holds import HoldError, is_stopped, place_hold, release_hold, stops_at
from customers.legal import record_legal_event
from customers.legal_corrections import take_back_legal_event
from customers.limits import limit_at
from customers.models import CreditAccount, CreditHold, CreditSegment, LegalEvent, LimitChange, StatusChange
from customers.status import status_at
from tests.factories import ACTOR, make_account

from .conftest import eur, set_limit

pytestmark = pytest.mark.django_db
HAPPENED, KNOWN = date(2026, 3, 2), date(2026, 3, 5)


def insolvency(account, **extra):
    given = {"effective_on": HAPPENED, "known_on": KNOWN, "source": "register", "actor": ACTOR} | extra
    return record_legal_event(account.customer, LegalEvent.Kind.INSOLVENCY, **given)


def test_insolvency_cuts_a_company_at_once(cast, account):
    other_segment = CreditSegment.objects.create(company=cast.company, code="b", name="B")
    second = CreditAccount.objects.create(
        customer=account.customer, segment=other_segment, company=cast.company, currency="EUR"
    )
    assert not is_stopped(account, KNOWN)
    event = insolvency(account)
    account.customer.refresh_from_db()
    assert account.customer.status == "insolvent"
    for row in (account, second):
        assert limit_at(row, KNOWN).in_force == eur(0)
        assert is_stopped(row, KNOWN)
    # It counts from the day we knew, however long ago it happened.
    assert limit_at(account, KNOWN - timedelta(days=1)).in_force == eur(40_000)
    change = LimitChange.objects.get(account=account, status="applied", is_automatic=True)
    assert (change.proposer_kind, change.reason_code) == ("event", "insolvency")
    assert change.reason_params == {"on": "2026-03-02", "source": "register", "event": event.pk}
    assert change.evidence["exposure"]["total"] == {"minor": 4_631_000, "currency": "EUR"}
    assert change.evidence["limit"]["base"] == {"minor": 4_000_000, "currency": "EUR"}
    acts = set(AuditEntry.objects.values_list("act", flat=True))
    assert {"legal_event.record", "customer.status", "limit.cut_at_once"} <= acts


def test_the_same_event_again_changes_nothing(cast, account):
    first = insolvency(account)
    before = (AuditEntry.objects.count(), LimitChange.objects.count())
    assert insolvency(account) == first
    # Another source telling the same adds its event and nothing else.
    insolvency(account, source="gazette")
    assert LimitChange.objects.count() == before[1]
    assert StatusChange.objects.count() == 1
    assert AuditEntry.objects.count() == before[0] + 1


def test_an_insolvency_ends_a_temporary_limit_above_a_base_of_zero(cast, account):
    set_limit(cast, account, 0)
    season = propose_limit_change(
        account, eur(9_000), actor=Actor.person(cast.controller), as_of=HAPPENED, reason_code="other",
        kind="temporary", valid_until=KNOWN + timedelta(days=30),
    )  # fmt: skip
    approve_limit_change(season, approver=cast.approver, reason="season", on=HAPPENED)
    assert limit_at(account, KNOWN).in_force == eur(9_000)
    insolvency(account)
    assert limit_at(account, KNOWN).in_force == eur(0)
    change = LimitChange.objects.get(account=account, is_automatic=True)
    assert (change.old_amount, change.new_amount, change.status) == (eur(0), eur(0), "applied")
    # Without a temporary limit there is nothing left to end.
    second = insolvency(account, source="gazette")
    assert LimitChange.objects.filter(is_automatic=True).count() == 1
    # Nor is a base limit of zero proposed again when the events turn out wrong.
    take_back_legal_event(second, by=cast.controller, reason="mistaken", on=KNOWN)
    first = LegalEvent.objects.get(superseded_at__isnull=True)
    done = take_back_legal_event(first, by=cast.controller, reason="mistaken", on=KNOWN)
    assert not any(row.proposes for row in done.accounts)


def test_the_cut_and_the_event_are_one_transaction(cast, account):
    def fail(**kwargs):
        raise RuntimeError("power cut")

    limit_applied.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            insolvency(account)
    finally:
        limit_applied.disconnect(fail)
    assert not LegalEvent.objects.exists()
    assert limit_at(account, KNOWN).in_force == eur(40_000)
    assert not is_stopped(account, KNOWN)


def test_a_waiting_rise_falls_with_the_insolvency(cast, account):
    waiting = propose_limit_change(
        account, eur(60_000), actor=Actor.person(cast.controller), as_of=KNOWN, reason_code="other"
    )
    insolvency(account)
    waiting.refresh_from_db()
    assert waiting.status == "superseded"


def test_for_a_natural_person_a_hold_waits_for_a_person(cast, trader):
    insolvency(trader)
    assert limit_at(trader, KNOWN).in_force == eur(5_000)
    assert is_stopped(trader, KNOWN)
    hold = CreditHold.objects.get()
    assert (hold.change.status, hold.change.new_amount) == ("proposed", eur(0))
    decided = KNOWN + timedelta(days=1)
    approve_limit_change(hold.change, approver=cast.approver, reason="register checked", on=decided)
    hold.refresh_from_db()
    assert (hold.released_on, hold.released_by) == (decided, cast.approver)
    assert limit_at(trader, decided).in_force == eur(0)
    assert is_stopped(trader, decided)


def test_holds_pass_on_to_the_change_that_replaces_theirs(cast, trader):
    def cause(amount, code, on):
        return cut_or_hold(trader, eur(amount), actor=ACTOR, on=on, reason_code=code)

    first = cause(1_000, "late_payment", HAPPENED)
    expire_limit_change(first.change, actor=ACTOR, on=HAPPENED, reason_code="nobody")
    # The same cause again: the hold waits for the change that waits.
    second = cause(500, "late_payment", KNOWN)
    assert (second.hold, second.hold.change) == (first.hold, second.change)
    # A stronger cause replaces the change: deciding it decides for every hold that waited.
    third = cause(0, "cash_shock", KNOWN)
    approve_limit_change(third.change, approver=cast.approver, reason="seen", on=KNOWN)
    assert CreditHold.objects.count() == 2
    assert not CreditHold.objects.filter(released_on__isnull=True).exists()


def test_a_person_may_decide_against_the_cut(cast, trader):
    insolvency(trader)
    trader.customer.refresh_from_db()
    set_status(trader.customer, "active", on=KNOWN, actor=ACTOR, reason_code="mistaken_identity")
    reject_limit_change(
        CreditHold.objects.get().change, approver=cast.approver, reason="another Bianchi", on=KNOWN
    )
    assert not is_stopped(trader, KNOWN)
    assert limit_at(trader, KNOWN).in_force == eur(5_000)


def test_other_events_are_stored_and_announced_only(cast, account):
    heard = []

    def listener(event, **kwargs):
        heard.append(event.kind)

    legal_event_recorded.connect(listener)
    try:
        record_legal_event(
            account.customer, "lien", effective_on=HAPPENED, known_on=KNOWN, source="register", actor=ACTOR
        )
    finally:
        legal_event_recorded.disconnect(listener)
    assert heard == ["lien"]
    assert not is_stopped(account, KNOWN)
    assert limit_at(account, KNOWN).in_force == eur(40_000)


def test_impossible_events_are_refused(account):
    with pytest.raises(ValueError, match="before it happens"):
        insolvency(account, known_on=HAPPENED - timedelta(days=1))
    with pytest.raises(ValueError, match="source"):
        insolvency(account, source=" ")
    assert not LegalEvent.objects.exists()


def test_a_hold_stops_business_until_released_with_a_reason(cast, account):
    hold = place_hold(account, reason_code="person", actor=Actor.person(cast.controller), on=HAPPENED)
    assert place_hold(account, reason_code="person", actor=ACTOR, on=KNOWN) == hold
    assert not is_stopped(account, HAPPENED - timedelta(days=1))
    assert stops_at([account], KNOWN)[account.pk].holds == [hold]
    for person, words in (
        (cast.controller, "ask an approver"),
        (cast.stranger, "not in your portfolio"),
    ):
        with pytest.raises(HoldError, match=words):
            release_hold(hold, by=person, reason="ok", on=KNOWN)
    with pytest.raises(HoldError, match="why"):
        release_hold(hold, by=cast.approver, reason="", on=KNOWN)
    release_hold(hold, by=cast.approver, reason="paid", on=KNOWN)
    assert not is_stopped(account, KNOWN)
    assert is_stopped(account, HAPPENED)
    with pytest.raises(HoldError, match="already"):
        release_hold(hold, by=cast.approver, reason="again", on=KNOWN)


def test_status_is_read_at_a_date(cast):
    customer = cast.account.customer
    assert status_at(type(customer).objects.filter(pk=customer.pk), HAPPENED) == {customer.pk: "active"}
    set_status(customer, "on_hold", on=KNOWN, actor=ACTOR)
    rows = type(customer).objects.filter(pk=customer.pk)
    assert [status_at(rows, d)[customer.pk] for d in (HAPPENED, KNOWN)] == ["active", "on_hold"]
    assert is_stopped(cast.account, KNOWN)


def test_stops_of_many_accounts_take_constant_queries(cast, django_assert_max_num_queries):
    for _n in range(4):
        place_hold(make_account(cast.company), reason_code="person", actor=ACTOR, on=HAPPENED)
    with django_assert_max_num_queries(4):
        stops = stops_at(CreditAccount.objects.all(), KNOWN)
    assert sum(map(bool, stops.values())) == 4


def test_one_open_hold_per_reason_in_the_database(cast):
    facts = {
        "account": cast.account,
        "reason_code": "person",
        "placed_on": HAPPENED,
        "placed_by_name": "x",
    }
    CreditHold.objects.create(**facts)
    with pytest.raises(DatabaseError):
        CreditHold.objects.create(**facts)
