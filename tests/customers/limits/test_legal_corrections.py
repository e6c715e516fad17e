"""A wrongly recorded legal event is taken back in one act; the limit it cut is only proposed."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from creditdesk.core.audit import verify_seals
from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry
from customers.approval import ApprovalError, approve_limit_change
from customers.attributes import set_status
from customers.events import ledger_changed
from customers.holds import is_stopped
from customers.legal import record_legal_event
from customers.legal_corrections import TakeBackRefused, plan_take_back, take_back_legal_event
from customers.limits import limit_at
from customers.models import CreditHold, LegalEvent, LimitChange, StatusChange
from tests.desk_world import client_of
from tests.factories import ACTOR, make_account

from .conftest import eur, set_limit
from .test_legal import HAPPENED, KNOWN, insolvency

pytestmark = pytest.mark.django_db
LATER = KNOWN + timedelta(days=3)


def take_back(cast, event, **extra):
    given = {"by": cast.controller, "reason": "another Rossi of the same town", "on": LATER} | extra
    return take_back_legal_event(event, **given)


def status_of(account):
    account.customer.refresh_from_db()
    return account.customer.status


def test_the_event_and_its_status_go_and_the_earlier_limit_is_proposed(cast, account):
    heard = []
    listen = lambda account_ids, **kwargs: heard.extend(account_ids)  # noqa: E731
    event = insolvency(account)
    ledger_changed.connect(listen)
    done = take_back(cast, event)
    ledger_changed.disconnect(listen)
    assert account.pk in heard
    assert status_of(account) == "active"
    assert not LegalEvent.objects.seen().exists()
    assert not StatusChange.objects.seen().exists()
    # The limit stays where the cut put it until somebody with rise authority decides.
    assert limit_at(account, LATER).in_force == eur(0)
    change = LimitChange.objects.get(account=account, status="proposed")
    assert done.accounts[0].proposed == change
    assert (change.old_amount, change.new_amount, change.is_rise) == (eur(0), eur(40_000), True)
    assert (change.proposer, change.reason_code) == (cast.controller, "event_taken_back")
    with pytest.raises(ApprovalError):
        approve_limit_change(change, approver=cast.controller, reason="mine", on=LATER)
    approve_limit_change(change, approver=cast.approver, reason="register checked", on=LATER)
    assert limit_at(account, LATER).in_force == eur(40_000)
    assert not is_stopped(account, LATER)


def test_what_we_knew_then_is_still_told(cast, account):
    event = insolvency(account)
    take_back(cast, event)
    for facts in (LegalEvent.objects, StatusChange.objects):
        assert facts.seen(View(known_at=KNOWN)).exists()
        assert not facts.seen(View(known_at=LATER)).exists()


def test_the_act_has_its_trail(cast, account):
    event = insolvency(account)
    take_back(cast, event)
    act = AuditEntry.objects.get(act="legal_event.take_back")
    assert (act.actor, act.reason_code, act.business_date) == (cast.controller, "insolvency", LATER)
    assert act.note.text == "another Rossi of the same town"
    assert act.changes.get().after["known_until"] == LATER.isoformat()
    moved = AuditEntry.objects.filter(act="customer.status").latest("pk").changes.get()
    assert (moved.before, moved.after) == ({"status": "insolvent"}, {"status": "active"})
    assert verify_seals() == []


def test_the_status_before_comes_back_whatever_it_was(cast):
    fresh = make_account(cast.company, status="prospect", portfolio=cast.portfolio)
    take_back(cast, insolvency(fresh))
    assert status_of(fresh) == "prospect"
    set_status(fresh.customer, "on_hold", on=HAPPENED - timedelta(days=9), actor=ACTOR)
    event = insolvency(fresh, source="gazette")
    assert status_of(fresh) == "insolvent"
    take_back(cast, event)
    assert status_of(fresh) == "on_hold"


def test_a_status_somebody_set_later_stays(cast, account):
    event = insolvency(account)
    set_status(account.customer, "closed", on=KNOWN + timedelta(days=1), actor=ACTOR)
    take_back(cast, event)
    assert status_of(account) == "closed"


def test_while_another_source_still_says_so_only_the_event_goes(cast, account):
    first, second = insolvency(account), insolvency(account, source="gazette")
    done = take_back(cast, first)
    assert done.stands == [second]
    assert status_of(account) == "insolvent"
    assert not LimitChange.objects.filter(status="proposed").exists()
    # The cut came with the first event; taking back the last one proposes the rise all the same.
    take_back(cast, second)
    assert status_of(account) == "active"
    assert LimitChange.objects.get(status="proposed").new_amount == eur(40_000)


def test_a_limit_decided_since_is_left_alone(cast, account):
    event = insolvency(account)
    set_status(account.customer, "active", on=KNOWN, actor=ACTOR)
    set_limit(cast, account, 10_000, on=KNOWN)
    done = take_back(cast, event)
    assert done.accounts[0].cut is None
    assert limit_at(account, LATER).in_force == eur(10_000)
    assert not LimitChange.objects.filter(status="proposed").exists()


def test_without_an_earlier_limit_there_is_nothing_to_propose(cast):
    fresh = make_account(cast.company, portfolio=cast.portfolio)
    done = take_back(cast, insolvency(fresh))
    assert "propose one by hand" in done.accounts[0].obstacle
    assert not LimitChange.objects.filter(status="proposed").exists()


def test_a_natural_persons_cut_is_taken_off_the_table_and_the_hold_waits_for_an_approver(cast, trader):
    done = take_back(cast, insolvency(trader))
    assert not done.releases_holds
    assert not LimitChange.objects.filter(status="proposed").exists()
    assert limit_at(trader, LATER).in_force == eur(5_000)
    assert CreditHold.objects.get().released_on is None


def test_who_may_release_holds_does_so_in_the_same_act(cast, trader):
    cast.controller.user_permissions.add(Permission.objects.get(codename="change_credithold"))
    event = insolvency(trader)
    by = type(cast.controller).objects.get(pk=cast.controller.pk)
    take_back(cast, event, by=by)
    assert CreditHold.objects.get().released_by == by
    assert not is_stopped(trader, LATER)


def test_it_is_taken_back_once_with_a_reason_by_who_may(cast, account):
    event = insolvency(account)
    for extra, words in (
        ({"reason": "  "}, "Write down why"),
        ({"by": cast.collector}, "Your role does not"),
        ({"by": cast.stranger}, "not in your portfolio"),
    ):
        with pytest.raises(TakeBackRefused, match=words):
            take_back(cast, event, **extra)
    take_back(cast, event)
    with pytest.raises(TakeBackRefused, match="already"):
        take_back(cast, event)
    # Recorded again, it counts again.
    insolvency(account)
    assert status_of(account) == "insolvent"


def test_other_events_go_without_consequences(cast, account):
    event = record_legal_event(
        account.customer, "lien", effective_on=HAPPENED, known_on=KNOWN, source="register", actor=ACTOR
    )
    plan = plan_take_back(event, by=cast.controller, on=LATER)
    assert (plan.status_moves, plan.accounts) == (False, [])
    take_back(cast, event)
    assert not LegalEvent.objects.seen().exists()


def test_the_page_says_what_moves_and_does_it_on_post(cast, account, settings):
    settings.BUSINESS_DATE = LATER
    event = insolvency(account)
    url = reverse("admin:customers_legalevent_take_back", args=[event.pk])
    client = client_of(cast.controller)
    page = client.get(url).content.decode()
    for words in ("insolvent", "active", "40,000.00", "Rossi Forniture"):
        assert words in page
    assert "Write down why" in client.post(url, {"reason": " "}).content.decode()
    assert LegalEvent.objects.seen().exists()
    done = client.post(url, {"reason": "wrong Rossi"}, follow=True)
    assert "taken back" in done.content.decode()
    assert not LegalEvent.objects.seen().exists()
    assert "already" in client.get(url).content.decode()
    for who, status in (("collector", 403), ("auditor", 403), ("stranger", 404)):
        assert client_of(getattr(cast, who)).post(url, {"reason": "x"}).status_code == status


@pytest.mark.filterwarnings("error")
def test_a_link_without_a_scheme_is_taken_as_https(cast):
    given = {
        "customer": cast.account.customer_id,
        "kind": "lien",
        "effective_on": HAPPENED,
        "known_on": KNOWN,
        "source": "register",
        "link": "register.example/17",
    }
    client_of(cast.controller).post(reverse("admin:customers_legalevent_add"), given)
    assert LegalEvent.objects.get().link == "https://register.example/17"
