"""Agencies on the pages, in the admin, through the API and by night."""

from copy import deepcopy
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from creditdesk.core.acts import actor_label
from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, AuditNote, Job
from creditdesk.core.money import Money
from customers.admin.bureau import ProviderForm
from customers.applications import Wish, receive_application
from customers.bureau import tasks
from customers.bureau.automatic import ask_for_reviews
from customers.bureau.nightly import is_down, plan_night
from customers.bureau.pulling import pull
from customers.models import BureauAnswer, BureauBasis, BureauProvider, BureauPull, BureauReport
from scoring.erasing import erase
from tests.api.conftest import Caller, key_for
from tests.customers.bureau.agency import FIRST
from tests.desk_world import client_of
from tests.factories import invoice, make_account
from tests.scoring.checks.worlds import give_limit

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 15)


@pytest.fixture
def desk(world, settings):
    settings.BUSINESS_DATE = TODAY
    cache.clear()
    world.account = world.customer.accounts.get()
    world.page = f"{reverse('desk:customer', args=[world.customer.pk])}?tab=agencies"
    world.get = reverse("bureau:get", args=[world.account.pk])
    return world


def read(response):
    return b"".join(response.streaming_content if response.streaming else [response.content]).decode()


def ask(customer, on=TODAY, **how):
    return pull(customer.pk, on, **{"actor": Actor.job("test"), "cause": "person", **how})


def test_a_controller_sees_plan_and_price_before_paying(desk, agency):
    client = client_of(desk.cast.controller)
    assert "No agency report yet" in client.get(desk.page).content.decode()
    plan = client.get(desk.get).content.decode()
    assert "Alfa" in plan and "Get report for 5.00 EUR" in plan and "At most 14.00 EUR" in plan
    assert agency.asked == [] and not BureauPull.objects.exists()

    answer = client.post(desk.get, {"reason": "new order <b>"}, follow=True).content.decode()
    assert len(agency.asked) == 1 and "new order &lt;b&gt;" in answer
    assert "25,000.00" in answer and "no new one before" in answer
    for day, value in ((40, "4"), (80, "5")):  # what it said before
        BureauReport.objects.create(
            customer=desk.customer,
            provider="alfa",
            outcome="rated",
            standing=20 * (6 - int(value)),
            raw_score=value,
            effective_on=TODAY - timedelta(days=day),
            known_on=TODAY - timedelta(days=day),
        )
    with CaptureQueriesContext(connection) as queries:
        page = client.get(desk.page, headers={"HX-Request": "true", "HX-Target": "panel"}).content.decode()
    assert len(queries) <= 12, len(queries)
    assert "<svg" in page and "+40" in page

    # Asked again: the age rule refuses, unless there is a reason.
    again = client.get(desk.get).content.decode()
    assert "no new report within 6 months" in again
    client.post(desk.get)
    assert len(agency.asked) == 1
    # On the very day nobody asks twice, whatever the reason.
    client.post(desk.get, {"in_spite_of_age": "on", "reason": "rumours"})
    assert [one["headers"].get("Idempotency-Key") for one in agency.asked].count(None) == 0
    assert BureauPull.objects.filter(provider=desk.first, outcome="rated").count() == 1

    # Why it was asked can be erased, from the trail as well.
    question = BureauPull.objects.get(reason="new order <b>")
    erase(desk.account, [f"question-{question.pk}"], by=desk.cast.manager, because="request", as_of=TODAY)
    question.refresh_from_db()
    assert question.reason == "" and not AuditNote.objects.filter(text="new order <b>").exists()

    costs = client.get(reverse("bureau:costs")).content.decode()
    assert "5.00" in costs and "12.00" in costs and "Alfa Srl" in costs
    with CaptureQueriesContext(connection) as queries:
        client.get(reverse("bureau:costs"), {"month": "0001-01"})
    assert len(queries) <= 12, len(queries)
    sheet = client.get(reverse("bureau:costs"), {"export": "csv", "outcome": "paid"})
    rows = b"".join(sheet.streaming_content).decode() if sheet.streaming else sheet.content.decode()
    assert "Alfa Srl" in rows and "new order" not in rows
    # The month that runs is told until today, not until its end.
    assert f"# last day,{TODAY}" in rows


def test_a_stranger_sees_nothing_of_it(desk):
    """Who may open what is in tests/project/test_roles.py."""
    ask(desk.customer)
    client = client_of(desk.cast.stranger)
    assert client.get(desk.get).status_code == 404
    assert "Alfa Srl" not in client.get(reverse("bureau:costs")).content.decode()


def test_an_agency_is_configured_and_tried_in_the_admin(desk):
    client = client_of(desk.cast.manager)
    url = reverse("admin:customers_bureauprovider_change", args=[desk.first.pk])
    form = client.get(url).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: "" if value is None else value for name, value in data.items() if value is not False}
    data |= {"price": "6.50", "monthly_budget": "", "countries": "it", "ask_above": "1000"}
    for field, wrong in (
        ("secret_variable", "SECRET_KEY"),
        ("secret_file", "/etc/passwd"),
        ("countries", "Italy"),
        ("settings", '{"url": "http://10.0.0.1/{name}"}'),
        ("price", "-1"),
        ("price", "1.005"),
        ("adapter", "recorded"),  # whose settings are others
        ("max_age_months", "0"),
    ):
        form = ProviderForm({**data, field: wrong}, instance=deepcopy(desk.first))
        assert not form.is_valid() and (field in form.errors or "settings" in form.errors), field
    assert client.post(url, data).status_code == 302
    desk.first.refresh_from_db()
    assert (str(desk.first.price), desk.first.monthly_budget, desk.first.countries) == (
        "6.50 EUR",
        None,
        "IT",
    )
    entry = AuditEntry.objects.get(act="bureauprovider.change")
    assert entry.actor == desk.cast.manager and entry.changes.get().before["monthly_budget"] == "12.00 EUR"

    trial = reverse("admin:customers_bureauprovider_try", args=[desk.first.pk])
    good = client.post(trial, {"answer": '{"rating": {"value": "1"}, "id": "<i>x"}'}).content.decode()
    assert "100" in good and "&lt;i&gt;x" in good
    assert "rating/value" in client.post(trial, {"answer": '{"rating": {"value": "x"}}'}).content.decode()
    assert not BureauReport.objects.exists() and not BureauPull.objects.exists()
    assert client_of(desk.cast.controller).post(trial, {"answer": "{}"}).status_code == 403
    # What was answered is looked at, escaped, and never edited.
    question = ask(desk.customer).pulls[0]
    page = client_of(desk.cast.controller).get(
        reverse("admin:customers_bureaupull_change", args=[question.pk])
    )
    assert "R-77" in page.content.decode()
    form = ProviderForm({**data, "currency": "USD"}, instance=desk.first)
    assert "paid in another currency" in str(form.errors["currency"])


def test_the_basis_of_a_person_is_recorded_and_revoked_on_pages(desk):
    BureauProvider.objects.update(answers_sole_traders=True)
    account = make_account(desk.cast.company, kind="sole_trader", **FIRST)
    client = client_of(desk.cast.controller)
    assert "o legal basis" in client.get(reverse("bureau:get", args=[account.pk])).content.decode()
    add = reverse("admin:customers_bureaubasis_add")
    data = {
        "customer": account.customer_id,
        "ground": "consent",
        "reference": "file 7",
        "effective_on": TODAY,
    }
    assert client.post(add, data).status_code == 302
    basis = BureauBasis.objects.get()
    assert (
        "in force"
        in client.get(reverse("desk:customer", args=[account.customer_id]) + "?tab=agencies").content.decode()
    )
    revoke = reverse("bureau:revoke_basis", args=[basis.pk])
    assert client.post(revoke).status_code == 422
    ask(account.customer)
    tab = reverse("desk:customer", args=[account.customer_id]) + "?tab=agencies"
    caller = Caller(key_for(desk.cast.integration)[1])
    assert "25,000.00" in client.get(tab).content.decode() and caller.get("agency-reports").json()["results"]
    report, question = BureauReport.objects.get(), BureauPull.objects.get(outcome="rated")
    lists = [reverse(f"admin:customers_{name}_changelist") for name in ("bureaureport", "bureaupull")]
    pages = [
        reverse("admin:customers_bureaureport_change", args=[report.pk]),
        reverse("admin:customers_bureaupull_change", args=[question.pk]),
    ]
    exported = reverse("bureau:costs") + "?export=csv"

    def seen(client):
        found = [client.get(url, {"q": FIRST["vat_number"]}).context["cl"].result_count for url in lists]
        return found + [client.get(url).status_code for url in pages]

    assert seen(client) == [1, 1, 200, 200] and "rated" in read(client.get(exported))
    assert caller.get("agency-pulls").json()["results"]
    client.post(revoke, {"reason": "withdrawn"})
    # On no page, in no list, search, export or answer any more, but for who audits; what it cost stays told.
    assert seen(client) == [0, 0, 404, 404] and seen(client_of(desk.cast.auditor)) == [1, 1, 200, 200]
    assert "legal basis has ended" in read(client.get(exported)) and "rated" not in read(client.get(exported))
    costs = client.get(reverse("bureau:costs")).content.decode()
    assert "legal basis has ended" in costs and "5.00" in costs
    assert "25,000.00" not in client.get(tab).content.decode()
    assert "25,000.00" in client_of(desk.cast.auditor).get(tab).content.decode()
    assert (
        caller.get("agency-reports").json()["results"] == caller.get("agency-pulls").json()["results"] == []
    )
    assert actor_label("agency reports at night") != "agency reports at night"
    assert (
        BureauReport.objects.filter(customer=account.customer).exists() and not BureauAnswer.objects.exists()
    )
    basis.refresh_from_db()
    assert basis.revoked_on == TODAY
    assert {"bureau_basis.record", "bureau_basis.revoke"} <= set(
        AuditEntry.objects.values_list("act", flat=True)
    )


def test_through_the_api(desk, agency, run_queued):
    _key, token = key_for(desk.cast.integration)
    caller, body = Caller(token), {"customer": desk.customer.code, "reason": "shop"}
    first = caller.post("agency-reports", body, "k-1")
    assert first.status_code == 202 and agency.asked == []
    assert first.json()["steps"][0] == {
        "agency": "alfa",
        "verdict": "ask",
        "price": {"amount": "5.00", "currency": "EUR"},
    }
    assert caller.post("agency-reports", body, "k-1").json() == first.json()
    run_queued()
    assert len(agency.asked) == 1
    (report,) = caller.get("agency-reports", customer=desk.customer.code).json()["results"]
    assert report["standing"] == 80 and report["recommended_limit"] == {
        "amount": "25000.00",
        "currency": "EUR",
    }
    (question,) = caller.get("agency-pulls").json()["results"]
    assert (question["outcome"], question["report"], question["cause"]) == ("rated", report["id"], "api")
    refused = caller.post("agency-reports", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "agency_report_usable")
    assert caller.post("agency-reports", {**body, "in_spite_of_age": True, "reason": ""}).status_code == 422
    other = Caller(key_for(desk.cast.stranger)[1])
    assert other.get("agency-reports").json()["results"] == other.get("agency-pulls").json()["results"] == []
    assert other.post("agency-reports", body).json()["code"] == "customer_unknown"
    narrow = Caller(key_for(desk.cast.integration, "agency-reports:read")[1])
    assert narrow.post("agency-reports", body).status_code == 403


def test_by_night_the_dearest_risk_is_asked_first_within_the_budget(desk, agency, run_queued):
    company = desk.cast.company
    assert plan_night(TODAY).chosen == []  # off until an agency says from which amount on
    BureauProvider.objects.filter(pk=desk.first.pk).update(ask_above=100_000, monthly_budget=1500)
    small, owes, limit, young, person = (
        make_account(company, kind=kind, **FIRST) for kind in (*["company"] * 4, "sole_trader")
    )
    invoice(small, "999.00", TODAY)
    invoice(owes, "5000.00", TODAY)
    give_limit(limit, 90_000)
    invoice(young, "70000.00", TODAY)
    invoice(person, "80000.00", TODAY)
    ask(young.customer, TODAY - timedelta(days=10))
    invoice(desk.account, "1500.00", TODAY)
    agency.play("good")
    with CaptureQueriesContext(connection) as queries:
        night = plan_night(TODAY)
    # The budget pays two; the first by what is owed, then by what may be.
    assert [one.customer_id for one in night.chosen] == [owes.customer_id, desk.customer.pk]
    assert night.over_budget == 1 and len(queries) <= 14, len(queries)

    old = BureauAnswer.objects.get()
    BureauAnswer.objects.filter(pk=old.pk)._raw_delete("default")
    BureauAnswer.objects.create(pull=old.pull, payload="x", erase_on=TODAY)
    lost = BureauPull.objects.create(
        customer=small.customer,
        provider=desk.second,
        cause="night",
        asked_on=TODAY - timedelta(days=1),
        price=900,
        currency="EUR",
        actor_name="night",
        idempotency_key="0b7f4c44-58a5-4e7c-9b6d-111111111111",
        claimed_until=timezone.now() - timedelta(hours=1),
    )
    tasks.plan_nightly()
    assert Job.objects.get(kind=tasks.NIGHT).result == {
        "queued": 2,
        "over_budget": 1,
        "no_rate": 0,
        "in_doubt": 1,
        "answers_deleted": 1,
    }
    tasks.plan_nightly()  # a second time the same night: nothing
    run_queued("bulk")
    assert [one["path"] for one in agency.asked] == ["/v1/IT/IT01234567890"] * 2
    assert set(BureauPull.objects.filter(asked_on=TODAY).values_list("cause", "outcome")) == {
        ("night", "rated")
    }
    lost.refresh_from_db()
    assert lost.outcome == "doubt" and BureauAnswer.objects.filter(pull=old.pull).count() == 0
    # A task that comes twice finds the answer there.
    tasks.ask_at_night(owes.customer_id, TODAY.isoformat(), [desk.first.pk])
    assert len(agency.asked) == 2


def test_an_agency_that_is_down_is_left_alone_for_the_night(desk, agency):
    BureauProvider.objects.filter(pk=desk.first.pk).update(ask_above=0, monthly_budget=None)
    agency.play("unavailable")
    for _n in range(7):
        one = make_account(desk.cast.company, **FIRST).customer
        tasks.ask_at_night(one.pk, TODAY.isoformat(), [desk.first.pk])
    assert len(agency.asked) == 5
    # The next agency is asked all the same.
    BureauProvider.objects.filter(pk=desk.second.pk).update(ask_above=0)
    assert tasks.ask_at_night(one.pk, TODAY.isoformat(), [desk.first.pk, desk.second.pk]) == "unavailable"
    assert len(agency.asked) == 6
    # Questions on their way are no failures.
    for _n in range(5):
        BureauPull.objects.create(
            customer=make_account(desk.cast.company).customer,
            provider=desk.second,
            cause="night",
            asked_on=TODAY,
            price=900,
            currency="EUR",
            actor_name="night",
            idempotency_key=uuid4(),
            claimed_until=timezone.now() + timedelta(minutes=1),
        )
    assert not is_down(desk.second.pk, TODAY, timezone.now())
    assert is_down(desk.second.pk, TODAY, timezone.now() + timedelta(minutes=2))


def test_a_task_that_comes_late_asks_on_the_day_it_runs(desk, agency, settings):
    BureauProvider.objects.update(ask_above=0, ask_at_onboarding=True)
    settings.BUSINESS_DATE = TODAY + timedelta(days=1)
    assert tasks.ask_at_night(desk.customer.pk, TODAY.isoformat(), [desk.first.pk]) == "late"
    assert tasks.ask(desk.customer.pk, TODAY.isoformat(), "onboarding") == "rated"
    assert BureauPull.objects.get().asked_on == BureauReport.objects.get().known_on == settings.BUSINESS_DATE
    # What was asked for in spite of the age rule, run twice, is paid once, whatever came of it.
    agency.play("nonsense")
    settings.BUSINESS_DATE += timedelta(days=1)
    user = desk.cast.controller
    again = (desk.customer.pk, settings.BUSINESS_DATE.isoformat(), "client", user.pk, "rumours", True)
    BureauProvider.objects.update(monthly_budget=None)
    assert tasks.ask_for_client(*again) == "bad_answer, bad_answer"
    asked = len(agency.asked)
    tasks.ask_for_client(*again)
    assert len(agency.asked) == asked


def test_at_an_application_and_for_a_review(desk, agency, run_queued):
    account = make_account(desk.cast.company, **FIRST)

    def apply():
        wish = Wish(Money.of(5000, "EUR"))
        receive_application(account, wish, actor=Actor.person(desk.cast.controller), on=TODAY)

    assert ask_for_reviews([account.customer_id], TODAY) == 0
    apply()
    assert "customers.bureau.tasks.ask" not in run_queued()
    BureauProvider.objects.filter(pk=desk.first.pk).update(ask_at_onboarding=True, ask_at_review=True)
    other = make_account(desk.cast.company, **FIRST)
    account = other
    apply()
    assert "customers.bureau.tasks.ask" in run_queued()
    assert BureauPull.objects.get(customer=other.customer).cause == "onboarding"
    assert ask_for_reviews([other.customer_id, desk.customer.pk], TODAY) == 1
    run_queued()
    assert BureauPull.objects.get(customer=desk.customer).cause == "review"
    # Nobody is queued of whom nobody would be asked, however long the review is overdue.
    person = make_account(desk.cast.company, kind="sole_trader", **FIRST).customer
    foreign = make_account(desk.cast.company, **FIRST | {"country": "DE"}).customer
    BureauProvider.objects.update(ask_at_review=True)
    BureauProvider.objects.filter(pk=desk.first.pk).update(countries="IT", answers_sole_traders=True)
    assert ask_for_reviews([person.pk, foreign.pk, desk.customer.pk], TODAY) == 0
    # Nor is the same said of somebody every day.
    BureauProvider.objects.update(monthly_budget=0, max_age_months=0)
    later = [TODAY + timedelta(days=n) for n in (1, 2, 3)]
    assert [len(ask(desk.customer, on).pulls) for on in later] == [2, 0, 0]
