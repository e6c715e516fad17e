"""The collector's page through Django's client: parts for htmx, whole pages without it, nothing for strangers."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.models import Contact, Dispute, Promise
from dunning.models import Reminder
from tests.factories import make_company, pay
from tests.worklists.conftest import AS_OF, account_of, history, make_collector, overdue
from worklists.models import FollowUp, Snooze, WorklistRow
from worklists.runs import build_worklists

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SOON = AS_OF + timedelta(days=4)


@pytest.fixture(autouse=True)
def _today(settings):
    settings.BUSINESS_DATE = AS_OF


@pytest.fixture
def accounts(company, marta):
    rows = [
        account_of(company, marta, f"Customer {letter}", language="fr")
        for letter in ("Alfa", "Beta", "Gamma")
    ]
    for number, account in enumerate(rows):
        Contact.objects.create(
            customer=account.customer, name="Anna B.", email=f"a{number}@x.example", phone="+39 051 1"
        )
        overdue(account, f"{9000 - number * 1000}.00")
    build_worklists(AS_OF)
    return rows


@pytest.fixture
def page(marta):
    client = Client()
    client.force_login(marta)
    return client


def act(account, verb):
    return reverse("worklists:act", args=[account.pk, verb])


def ticked(account):
    return [str(pk) for pk in account.instalments.values_list("pk", flat=True)]


def test_the_list_names_amount_date_cause_and_step(page, accounts):
    text = page.get(reverse("worklists:today")).content.decode()
    for words in ("Customer Alfa", "9,000", "at risk", "overdue 20 days", "has not paid anything yet"):
        assert words in text
    assert text.index("Customer Alfa") < text.index("Customer Gamma")


def test_a_customer_comes_as_a_part_for_htmx_and_as_a_page_without(page, accounts):
    address = reverse("worklists:customer", args=[accounts[1].pk])
    part = page.get(address, headers=HTMX).content.decode()
    whole = page.get(address).content.decode()
    assert "<html" not in part and "Customer Beta" in part
    assert "<html" in whole and 'aria-current="true"' in whole


SAVES = [
    ("call", {"outcome": "reached", "text": "ok"}, "call"),
    ("email", {"level": "1"}, "email"),
    ("promise", {"amount": "9,000.00", "due_on": SOON.isoformat()}, "promise"),
    ("dispute", {"amount": "400.00", "reason": "price"}, "dispute"),
    ("snooze", {"until": SOON.isoformat(), "reason": "internal"}, "snooze"),
]


@pytest.mark.parametrize(
    ("verb", "data", "kind"), SAVES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_saving_brings_the_next_customer_and_takes_the_row_off(verb, data, kind, page, accounts):
    first, second, _third = accounts
    extra = {"invoice": ticked(first)[0]} if verb == "dispute" else {}
    response = page.post(act(first, verb), {**data, **extra, "item": ticked(first)}, headers=HTMX)
    text = response.content.decode()
    assert FollowUp.objects.get().kind == kind
    assert "<html" not in text
    panel = text[: text.index('id="wl-head"')]
    assert "Customer Beta" in panel
    assert f'<div id="wl-row-{first.pk}" hx-swap-oob="delete">' in text
    assert f'data-row="{second.pk}"' not in text, "the rest of the list stays as it is"
    assert "<b>2</b>" in text, "two customers left"
    assert response["HX-Replace-Url"] == reverse("worklists:customer", args=[second.pk])
    assert response["HX-Trigger-After-Settle"] == "worklist:moved"
    live = text[text.index('id="wl-live"') :]
    assert "Customer Alfa" in live and "Next: Customer Beta" in live


def test_a_note_stays_with_the_customer(page, accounts):
    text = page.post(act(accounts[0], "note"), {"text": "moved"}, headers=HTMX).content.decode()
    assert "Customer Alfa" in text[: text.index('id="wl-head"')]
    assert "moved" in text
    assert WorklistRow.objects.filter(state="open").count() == 3


@pytest.mark.parametrize(
    ("verb", "data", "words"),
    [
        ("call", {}, "Say how the call ended."),
        ("promise", {"amount": "99999", "due_on": SOON.isoformat()}, "more than is open"),
        ("promise", {"amount": "100", "due_on": "2026-01-01"}, "lies in the past"),
        ("promise", {"amount": "many", "due_on": SOON.isoformat()}, "Enter a number"),
        ("promise", {"amount": "1.234", "due_on": SOON.isoformat()}, "EUR has 2 decimals"),
        ("dispute", {"amount": "99999", "reason": "price"}, "is open and undisputed"),
        ("snooze", {"until": SOON.isoformat(), "reason": ""}, "This field is required"),
        ("snooze", {"until": "2027-06-01", "reason": "internal"}, "At most 30 days"),
        ("note", {"text": " "}, "This field is required"),
    ],
)
def test_a_mistake_is_explained_in_its_place(verb, data, words, page, accounts):
    first = accounts[0]
    extra = {"invoice": ticked(first)[0]} if verb == "dispute" else {}
    response = page.post(act(first, verb), {**data, **extra, "item": ticked(first)}, headers=HTMX)
    assert words in response.content.decode()
    assert response["HX-Retarget"] == "#wl-form"
    assert not FollowUp.objects.exists()
    assert WorklistRow.objects.filter(state="open").count() == 3


def test_a_promise_covers_the_ticked_invoices_oldest_first(page, accounts):
    account = accounts[0]
    newer = overdue(account, "500.00", 5)
    older = account.instalments.order_by("due_on").first()
    data = {"amount": "9100.00", "due_on": SOON.isoformat(), "item": ticked(account)}
    page.post(act(account, "promise"), data, headers=HTMX)
    parts = {item.instalment_id: item.amount.amount for item in Promise.objects.get().items.all()}
    assert parts == {older.pk: Decimal("9000.00"), newer.pk: Decimal("100.00")}


def test_the_letter_is_shown_before_it_is_written_in_the_customers_language(page, accounts):
    text = page.get(act(accounts[0], "email"), {"item": ticked(accounts[0])}, headers=HTMX).content.decode()
    assert "Rappel" in text and "Test mode" in text
    assert not Reminder.objects.exists()
    level = page.get(act(accounts[0], "email"), {"item": ticked(accounts[0]), "level": "3"}, headers=HTMX)
    assert "Dernière relance" in level.content.decode()


def test_in_test_mode_the_reminder_is_held_and_says_so(page, accounts, mailoutbox):
    data = {"level": "1", "item": ticked(accounts[0])}
    text = page.post(act(accounts[0], "email"), data, headers=HTMX).content.decode()
    assert "held: test mode" in text
    assert Reminder.objects.get().state == "held"
    assert mailoutbox == []


def test_without_an_address_the_form_says_to_call(page, company, marta):
    account = account_of(company, marta)
    overdue(account)
    build_worklists(AS_OF)
    text = page.get(act(account, "email"), headers=HTMX).content.decode()
    assert "Nobody can be written to" in text
    assert "disabled" in text


def test_undo_brings_the_customer_back(page, accounts):
    first = accounts[0]
    page.post(act(first, "snooze"), {"until": SOON.isoformat(), "reason": "internal"}, headers=HTMX)
    text = page.post(reverse("worklists:undo"), headers=HTMX).content.decode()
    assert "Customer Alfa" in text[: text.index('id="wl-head"')]
    assert Snooze.objects.get().ended_on == AS_OF
    refused = page.post(reverse("worklists:undo"), headers=HTMX)
    assert "nothing of yours to undo" in refused.content.decode()


def test_the_last_customer_leaves_a_word_not_an_empty_page(page, accounts):
    for account in accounts:
        text = page.post(act(account, "call"), {"outcome": "reached"}, headers=HTMX).content.decode()
    assert "That is all for today" in text
    assert "Nobody is left" in text


def test_everything_works_without_htmx_too(page, accounts):
    response = page.post(act(accounts[0], "call"), {"outcome": "reached"})
    assert response.status_code == 302
    assert response.url == reverse("worklists:customer", args=[accounts[1].pk])
    assert "<html" in page.get(act(accounts[1], "promise")).content.decode()


def test_saving_twice_writes_one_reminder(page, accounts):
    data = {"level": "1", "item": ticked(accounts[0])}
    page.post(act(accounts[0], "email"), data, headers=HTMX)
    again = page.post(act(accounts[0], "email"), data, headers=HTMX)
    assert "already written" in again.content.decode()
    assert Reminder.objects.count() == 1


def everything(account):
    return [
        ("get", reverse("worklists:customer", args=[account.pk])),
        ("get", reverse("worklists:why_not", args=[account.pk])),
        ("post", reverse("worklists:skip", args=[account.pk])),
        *(("get", act(account, verb)) for verb, _data, _kind in SAVES),
        *(("post", act(account, verb)) for verb, _data, _kind in SAVES),
    ]


def test_a_stranger_finds_nothing(accounts):
    stranger = make_collector("stranger", make_company("elsewhere"))
    client = Client()
    client.force_login(stranger)
    for method, address in everything(accounts[0]):
        assert getattr(client, method)(address).status_code == 404, (method, address)
    theirs = client.get(reverse("worklists:today"), {"who": accounts[0].collector_id})
    assert "Customer Alfa" not in theirs.content.decode()


def test_who_may_only_read_can_look_but_not_act(accounts, company):
    client = Client()
    client.force_login(make_collector("ada", company, may_work=False))
    looked = client.get(reverse("worklists:today"), {"who": accounts[0].collector_id}).content.decode()
    assert "Customer Alfa" in looked
    assert 'data-key="c"' not in looked
    for verb, data, _kind in SAVES:
        assert client.post(act(accounts[0], verb), data).status_code == 403
    assert client.post(reverse("worklists:undo")).status_code == 403


def test_without_the_permission_or_login_there_is_no_list(accounts, company, django_user_model):
    nobody = django_user_model.objects.create_user("nobody", password="x", is_staff=True)
    client = Client()
    client.force_login(nobody)
    assert client.get(reverse("worklists:today")).status_code == 403
    assert Client().get(reverse("worklists:today")).status_code == 302


def test_changing_things_needs_post(page, accounts):
    for name, args in (("undo", []), ("skip", [accounts[0].pk])):
        assert page.get(reverse(f"worklists:{name}", args=args)).status_code == 405


def test_queries_do_not_grow_with_the_rows(page, company, marta, accounts):
    def queries(method, address, data=None):
        with CaptureQueriesContext(connection) as caught:
            response = getattr(page, method)(address, data, headers=HTMX)
        assert response.status_code == 200
        return len(caught)

    customer = reverse("worklists:customer", args=[accounts[1].pk])
    save = {"outcome": "reached"}
    for account in accounts:
        history(account, 5, count=3)
    few = (
        queries("get", reverse("worklists:today")),
        queries("get", customer),
        queries("post", act(accounts[0], "call"), save),
    )
    for _ in range(12):
        account = account_of(company, marta)
        history(account, 5, count=2)
        item = overdue(account, "20.00")
        overdue(account, "3000.00")
        pay(item, AS_OF, "5.00")
    build_worklists(AS_OF)
    many = (
        queries("get", reverse("worklists:today")),
        queries("get", customer),
        queries("post", act(accounts[2], "call"), save),
    )
    # The menu's counts are cached for a moment: the whole page may need fewer the second time.
    assert many[0] <= few[0]
    assert many[1:] == few[1:]
    assert max(many) <= 45


def test_the_amount_is_read_the_way_the_person_writes_it(page, accounts, marta):
    marta.language = "it"
    marta.save()
    data = {"amount": "1.234,50", "due_on": SOON.isoformat(), "item": ticked(accounts[0])}
    page.post(act(accounts[0], "promise"), data, headers=HTMX)
    assert Promise.objects.get().amount.amount == Decimal("1234.50")


def test_a_dispute_is_about_part_of_one_invoice(page, accounts):
    data = {"invoice": ticked(accounts[0])[0], "amount": "250.00", "reason": "quality"}
    page.post(act(accounts[0], "dispute"), data, headers=HTMX)
    assert Dispute.objects.get().amount.amount == Decimal("250.00")
