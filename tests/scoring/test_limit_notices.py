"""Who is told what of limits, by mail: in their scope, in their language, without figures, once."""

from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from creditdesk.core import notices, roles
from creditdesk.core.audit import Actor
from creditdesk.core.jobs import run_once
from creditdesk.core.models import MailPreference, Notice, NoticeCopy, StaffMail, User
from creditdesk.core.money import Money
from customers.approval import propose_limit_change, reject_limit_change
from customers.approval_clock import clock_of, run_clock, terms_of
from customers.delegations import delegate_approval, end_delegation
from customers.legal import record_legal_event
from customers.models import ApprovalTerms, Cover, ImportBatch, OpenOrder, OrderHold
from customers.notice_tasks import write_digests
from customers.orders import change_order, record_order
from customers.people import responsible_for
from scoring.causes import react_to_causes
from scoring.engine import rescore
from scoring.limit_notices import CUT
from scoring.limit_tasks import clock_of_company, watch_company
from tests.desk_world import client_of
from tests.factories import ACTOR, invoice, make_account
from tests.people import give_authority, make_user
from tests.scoring.test_automatic_limits import LATE, own_policy
from tests.scoring.test_limit_proposals import give_limit, trade

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
WEDNESDAY, FRIDAY, SATURDAY = (MONDAY + timedelta(days=n) for n in (2, 4, 5))


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = MONDAY
    settings.SITE_URL = "https://desk.example"
    for user in User.objects.all():
        user.email = f"{user.username}@x.example"
        user.save(update_fields=["email"])
    cast.account.customer.name = "Rossi Forniture"
    cast.account.customer.save(update_fields=["name"])
    mail.outbox.clear()

    def on(day):
        settings.BUSINESS_DATE = day
        return day

    cast.on = on
    return cast


@pytest.fixture
def told(run_queued):
    """told(day): send what leaves at once and the digests of a day; the new mails by addressee."""

    def send(day, digest=True):
        before = len(mail.outbox)
        notices.address(day)
        if digest:
            write_digests()
        run_queued()
        return {m.to[0].partition("@")[0]: m for m in mail.outbox[before:]}

    return send


def clock(desk, day):
    desk.on(day)
    run_once("approval clock", str(desk.company.pk), day, clock_of_company)


def propose(desk, amount=20_000, by=None, on=MONDAY, account=None):
    return propose_limit_change(
        account or desk.account,
        Money.of(amount, "EUR"),
        actor=Actor.person(by or desk.controller),
        as_of=on,
        reason_code="customer_request",
        evidence={"grade": "A"},
    )


def test_who_may_decide_is_reminded_and_the_manager_told_when_it_is_overdue(desk, told):
    pia = make_user("pia", roles.APPROVER, company=desk.company)
    User.objects.filter(pk=pia.pk).update(email="pia@x.example", language="fr")
    change = propose(desk)
    own = propose(desk, by=pia, account=make_account(desk.company, "Verdi", portfolio=desk.portfolio))
    clock(desk, MONDAY + timedelta(days=1))
    assert told(desk.on(MONDAY + timedelta(days=1))) == {}, "nothing is due yet"
    clock(desk, WEDNESDAY)
    sent = told(WEDNESDAY)
    assert set(sent) == {"paolo", "pia"}, "nobody else may decide, the stranger neither"
    assert "Rossi Forniture" in sent["paolo"].body and "Verdi" in sent["paolo"].body
    assert "Rossi Forniture" in sent["pia"].body and "Verdi" not in sent["pia"].body, "one's own proposal"
    link = f"https://desk.example{reverse('limits:decide', args=[change.pk])}"
    assert link in sent["paolo"].body and f'href="{link}"' in sent["paolo"].alternatives[0].content
    assert client_of(desk.approver).get(reverse("limits:decide", args=[change.pk])).status_code == 200
    # No figures in a mail: they stay behind the login.
    assert "20,000" not in sent["paolo"].body and "20 000" not in sent["pia"].body
    assert StaffMail.objects.get(user=pia).language == "fr"
    clock(desk, WEDNESDAY)
    assert told(WEDNESDAY) == {}
    overdue = MONDAY + timedelta(days=7)
    reject_limit_change(own, approver=desk.approver, reason="no", on=FRIDAY)
    clock(desk, overdue)
    sent = told(overdue)
    assert set(sent) == {"paolo", "pia", "bruno"}
    assert sent["bruno"].body.count("Rossi Forniture") == 1, "overdue is not also a reminder"
    assert "overdue" in sent["bruno"].body and "Verdi" not in sent["paolo"].body


def test_a_deputy_is_told_of_the_delegation_and_reminded_in_the_delegators_place(desk, told):
    """Saturday and Sunday remind of nothing and nobody's digest leaves; what the weekend begins, Monday tells."""
    give_authority(desk.company, rise=1_000)
    head = make_user("head", roles.APPROVER, company=desk.company)
    group = head.groups.create(name="heads")
    give_authority(desk.company, group=group.name)
    User.objects.filter(pk=head.pk).update(email="head@x.example")
    second = make_user("second", roles.APPROVER, company=desk.company)
    User.objects.filter(pk=second.pk).update(email="second@x.example")
    propose(desk, on=WEDNESDAY)
    clock(desk, FRIDAY)
    assert set(told(FRIDAY)) == {"head"}, "two business days on; the others' authority ends below"
    terms = {"starts_on": SATURDAY, "reason": "away", "by": head, "today": FRIDAY}
    first = delegate_approval(
        head, desk.approver, desk.company, ends_on=SATURDAY + timedelta(days=9), **terms
    )
    delegate_approval(head, second, desk.company, ends_on=SATURDAY + timedelta(days=1), **terms)
    sent = told(FRIDAY, digest=False)
    assert set(sent) == {"paolo", "second"} and "from 7 Mar 2026 to 16 Mar 2026" in sent["paolo"].body
    for day in (SATURDAY, SATURDAY + timedelta(days=1)):
        clock(desk, day)
        begun = told(day)
        assert set(begun) == ({"paolo", "second"} if day == SATURDAY else set()), "the first day, at once"
    assert not Notice.objects.filter(topic="limit_waiting", business_date=SATURDAY).exists()
    tuesday = MONDAY + timedelta(days=8)
    clock(desk, tuesday)
    sent = told(tuesday)
    assert set(sent) == {"head", "paolo"}, "the second deputy's two days are over"
    end_delegation(first, by=head, today=tuesday)
    thursday = MONDAY + timedelta(days=10)
    clock(desk, thursday)
    assert set(told(thursday)) == {"head", "bruno"}, "ended early; and overdue since Wednesday"


def test_the_calendar_counts_from_a_weekend_as_it_does_in_the_week(desk):
    terms = terms_of([desk.company])[desk.company.pk]
    terms.remind_after_days = terms.escalate_after_days = 2
    for since, due in ((FRIDAY, 3), (SATURDAY, 3), (SATURDAY + timedelta(days=1), 2)):
        change = propose(desk, on=since, account=make_account(desk.company))
        change.account.company = desk.company
        tuesday = since + timedelta(days=due + (since == FRIDAY))
        stands = clock_of(change, terms, tuesday)
        assert (tuesday.weekday(), stands.step, stands.is_overdue) == (1, 1, True), since
        assert clock_of(change, terms, tuesday - timedelta(days=1)).step == 0
        assert not clock_of(change, terms, tuesday - timedelta(days=1)).is_overdue
    # Nothing expires over a weekend: thirty days from a Friday's proposal end on a Saturday.
    late = propose(desk, on=date(2026, 3, 6), account=make_account(desk.company))
    late.account.company = desk.company
    assert clock_of(late, terms_of([desk.company])[desk.company.pk], FRIDAY).expires_on == date(2026, 4, 8)


def test_the_proposer_is_warned_before_a_change_expires_and_told_when_it_did(desk, told):
    ApprovalTerms.objects.create(company=desk.company, expire_rise_after_days=10, remind_after_days=None,
                                 escalate_after_days=None)  # fmt: skip
    propose(desk)  # expires on Thursday of the next week
    friday, expiry = FRIDAY, MONDAY + timedelta(days=10)
    clock(desk, friday)
    assert told(friday) == {}
    clock(desk, expiry - timedelta(days=3))
    sent = told(expiry - timedelta(days=3))
    assert set(sent) == {"carla"} and "12 Mar 2026" in sent["carla"].body
    clock(desk, expiry)
    sent = told(expiry)
    assert set(sent) == {"carla"} and "expired" in sent["carla"].body
    User.objects.filter(pk=desk.controller.pk).update(is_active=False)


def test_a_cut_is_told_at_once_to_the_controller_responsible(desk, told):
    ImportBatch.objects.create(source=desk.company.sources.get(), complete_through=MONDAY)
    sole = make_account(desk.company, "Rosa Blu", portfolio=desk.portfolio, kind="sole_trader")
    for account in (desk.account, sole):
        trade(account, months=1)
        give_limit(account, 50_000)
        invoice(account, "1500", MONDAY - timedelta(days=61))
    own_policy(desk.account.segment, LATE)
    rescore(MONDAY)
    OrmQ.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        assert len(react_to_causes(MONDAY, [desk.account.pk, sole.pk])) == 2
    mine = [
        q["sql"] for q in queries if "core_notice" in q["sql"].lower() or "core_staffmail" in q["sql"].lower()
    ]
    assert len(mine) == 2, "the cut itself pays one row; who hears of it is worked out later"
    sent = told(MONDAY, digest=False)
    assert set(sent) == {"carla"}, "not the approver, not the collector, not the stranger"
    text = sent["carla"].body
    assert "Rossi Forniture" in text and "Rosa Blu" not in text and sole.customer.code in text
    assert f"account={desk.account.pk}" in text and "1,500" not in text
    assert client_of(desk.controller).get(text.split("https://desk.example")[1].split()[0]).status_code == 200
    # Who was given just the portfolio goes before who was given the whole company.
    narrow = make_user("nina", roles.CONTROLLER, company=desk.company, portfolio=desk.portfolio)
    User.objects.filter(pk=narrow.pk).update(email="nina@x.example")
    assert responsible_for([desk.account]) == {desk.account.pk: {narrow.pk}}
    record_legal_event(
        desk.elsewhere.customer, "insolvency", effective_on=MONDAY, known_on=MONDAY, source="r", actor=ACTOR
    )
    give_limit(make_account(desk.company, portfolio=desk.portfolio), 1)
    event = make_account(desk.company, "Bianchi", portfolio=desk.portfolio)
    give_limit(event, 9_000)
    record_legal_event(
        event.customer, "insolvency", effective_on=MONDAY, known_on=MONDAY, source="r", actor=ACTOR
    )
    sent = told(MONDAY, digest=False)
    # The other company's insolvency is told there, where one person holds every role.
    assert set(sent) == {"nina", "sam"} and "Bianchi" in sent["nina"].body
    assert "Bianchi" not in sent["sam"].body and desk.elsewhere.customer.name in sent["sam"].body
    # A choice: not at all.
    page = client_of(narrow)
    form = page.get(reverse("mail_preferences")).context["form"]
    choice = {name: field.initial for name, field in form.fields.items()}
    assert choice[CUT] == "at_once" and "order_held" in choice and "deputy" not in choice
    assert page.post(reverse("mail_preferences"), choice | {CUT: "never"}).status_code == 400
    assert page.post(reverse("mail_preferences"), choice | {CUT: "none"}).status_code == 302
    assert MailPreference.objects.get(user=narrow, topic=CUT).mode == "none"


def test_an_order_on_hold_is_told_to_who_handled_it_or_to_the_controller(desk, told):
    give_limit(desk.account, 100)
    OrmQ.objects.all().delete()

    def order(number, actor, account=None):
        return record_order(
            account or desk.account, number, Money.of(5_000, "EUR"), expected_on=FRIDAY, actor=actor, on=MONDAY, at=timezone.now()
        ).hold  # fmt: skip

    by_person = order("SO-1", Actor.person(desk.collector))
    assert by_person is not None
    sent = told(MONDAY, digest=False)
    assert set(sent) == {"marta"} and "SO-1" in sent["marta"].subject
    order("SO-2", Actor.importer("erp"))
    order("SO-3", Actor.api("till", desk.integration))
    sent = told(MONDAY, digest=False)
    assert set(sent) == {"carla"} and "SO-2" in sent["carla"].body and "SO-3" in sent["carla"].body
    # An order accepted before business was stopped: whoever recorded it hears that it waits.
    stopped = make_account(desk.company, "Stopped", portfolio=desk.portfolio)
    give_limit(stopped, 10_000)
    assert order("SO-4", Actor.person(desk.collector), stopped) is None
    record_legal_event(
        stopped.customer, "insolvency", effective_on=MONDAY, known_on=MONDAY, source="r", actor=ACTOR
    )
    sent = told(MONDAY, digest=False)
    assert (
        set(sent) == {"marta", "carla"} and "SO-4" in sent["marta"].body and "SO-4" not in sent["carla"].body
    )


def test_a_hold_that_takes_anothers_place_before_the_mail_is_written_is_told_once(desk, told):
    give_limit(desk.account, 100)
    by, erp = Actor.person(desk.collector), Actor.importer("erp")
    MailPreference.objects.create(user=desk.controller, topic="order_held", mode="digest")
    for number, actor in (("SO-1", by), ("SO-2", by), ("SO-3", erp)):
        record_order(
            desk.account, number, Money.of(5_000, "EUR"), expected_on=FRIDAY, actor=actor, on=MONDAY, at=timezone.now()
        )  # fmt: skip
    orders = {order.number: order for order in OpenOrder.objects.filter(account=desk.account)}

    def change(number, actor, amount):
        return change_order(
            orders[number], amount=Money.of(amount, "EUR"), actor=actor, on=desk.on(MONDAY), at=timezone.now()
        ).hold  # fmt: skip

    # Held for the same cause: no news of its own, and the first notice is not lost.
    assert change("SO-1", by, 6_000).status == "waiting" and Notice.objects.count() == 3
    sent = told(MONDAY, digest=False)
    assert set(sent) == {"marta"} and sent["marta"].body.count("SO-1") == sent["marta"].body.count("SO-2")
    # The digest tells of an order that was changed since, by the hold it waits in now.
    kept = change("SO-3", erp, 7_000)
    # Ten days on, business is stopped: news, however old the hold is; two notices, one line.
    later = desk.on(MONDAY + timedelta(days=10))
    record_legal_event(
        desk.account.customer, "insolvency", effective_on=later, known_on=later, source="r", actor=ACTOR
    )
    waiting = OrderHold.objects.get(order_number="SO-3", status="waiting")
    assert (waiting.cause, waiting.placed_on) == ("stopped", MONDAY) and waiting.pk != kept.pk
    sent = told(later)
    assert "SO-1" in sent["marta"].body
    text = sent["carla"].body
    link = reverse("orders:decide", args=[waiting.pk])
    assert text.count(link) == 1 and reverse("orders:decide", args=[kept.pk]) not in text
    assert text.count("Order SO-3") == 1


def test_what_comes_near_is_told_once_a_stage_and_only_while_it_is_true(desk, told):
    give_limit(desk.account, 10_000, on=date(2024, 1, 2))
    cover = Cover.objects.create(
        account=desk.account, kind="insurance", provider="Coface", currency="EUR", amount=1_000_000,
        percent=90, notify_days=60, effective_on=date(2025, 1, 1), known_on=date(2025, 1, 1),
        expires_on=MONDAY + timedelta(days=25),
    )  # fmt: skip
    invoice(desk.account, "700", MONDAY - timedelta(days=80))
    change = propose_limit_change(
        desk.account, Money.of(15_000, "EUR"), actor=Actor.person(desk.controller), as_of=date(2026, 2, 2),
        reason_code="seasonal_peak", kind="temporary", valid_from=date(2026, 2, 2),
        valid_until=MONDAY + timedelta(days=9),
    )  # fmt: skip
    from customers.approval import approve_limit_change

    approve_limit_change(change, approver=desk.approver, reason="season", on=date(2026, 2, 2), grade_now="A")

    def watch(day):
        desk.on(day)
        run_once("watch over limits", str(desk.company.pk), day, watch_company)

    with CaptureQueriesContext(connection) as queries:
        watch(MONDAY)
    assert len(queries) < 60
    assert Notice.objects.count() == 4
    sent = told(MONDAY)
    assert set(sent) == {"carla"}
    body = sent["carla"].body
    for words in (
        "Coface expires on 27 Mar 2026",
        "tell Coface",
        "ends on 11 Mar 2026",
        "review on 2 Jan 2025",
    ):
        assert words in body, words
    assert "4 items" in sent["carla"].subject
    watch(MONDAY + timedelta(days=1))
    assert told(MONDAY + timedelta(days=1)) == {}, "each stage once"
    # Seven days before it expires once more, unless it was renewed meanwhile.
    later = MONDAY + timedelta(days=21)
    watch(later)
    assert NoticeCopy.objects.filter(mail=None, is_dropped=False).count() == 0
    notices.address(later)
    Cover.objects.filter(pk=cover.pk).update(superseded_at="2026-03-20T10:00Z", known_until=later)
    assert "Coface expires" not in " ".join(m.body for m in told(later).values())


@pytest.mark.parametrize("language", ["en", "it", "es", "fr"])
def test_every_topic_reads_in_every_language(desk, language, told):
    User.objects.filter(pk=desk.approver.pk).update(language=language)
    propose(desk)
    clock(desk, WEDNESDAY)
    (sent,) = told(WEDNESDAY).values()
    assert "%(" not in sent.subject + sent.body and f'lang="{language}"' in sent.alternatives[0].content
    assert {"en": "4 Mar 2026", "it": "4 mar 2026", "es": "4 mar 2026", "fr": "4 mars 2026"}[
        language
    ] in sent.body
    assert not run_clock(desk.company, WEDNESDAY).reminded
