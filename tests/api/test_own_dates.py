"""Two companies whose dates differ: what is due, recorded, counted and told goes by the date of the company it is of."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse

from creditdesk.core import roles
from creditdesk.core.models import AuditEntry, Notice, NoticeCopy, StaffMail
from creditdesk.navigation import counts
from customers.days import dates_now, last_date
from customers.models import Access, CreditAccount, LegalEvent, Reservation
from customers.notice_tasks import write_digests
from customers.order_tasks import sweep_reservations
from tests.api.conftest import Caller, key_for
from tests.desk_world import client_of
from tests.factories import invoice, make_account, make_company
from tests.people import make_users
from worklists import actions
from worklists.models import WorklistRow, WorklistRun

pytestmark = pytest.mark.django_db
# In Auckland it is the 11th, in Los Angeles and in Madrid still the 10th.
NOW = datetime(2026, 3, 10, 20, 0, tzinfo=UTC)
WEST, EAST = date(2026, 3, 10), date(2026, 3, 11)
HOLDS = {"effective_on": "2026-03-01", "expires_on": "2026-12-31"}
ZONES = {"angeles": "America/Los_Angeles", "auckland": "Pacific/Auckland"}


@pytest.fixture
def world(db, settings):
    settings.BUSINESS_DATE, settings.TIME_ZONE = None, "Europe/Madrid"
    cache.clear()
    with time_machine.travel(NOW, tick=False):
        companies = {name: make_company(name, time_zone=zone) for name, zone in ZONES.items()}
        first = make_account(companies["angeles"], "Both Shores")
        second = CreditAccount.objects.create(
            customer=first.customer,
            segment=companies["auckland"].segments.get(),
            company=companies["auckland"],
            currency="EUR",
            portfolio=companies["auckland"].portfolios.get(),
        )
        wanted = {
            "robot": ([roles.INTEGRATION], companies["angeles"], None),
            "carla": ([roles.CONTROLLER], companies["angeles"], None),
            "mia": ([roles.COLLECTOR], companies["auckland"], None),
            "max": ([roles.COLLECTOR], companies["angeles"], None),
        }
        people = {user.username: user for user in make_users(wanted)}
        for name in ("robot", "carla"):
            Access.objects.create(user=people[name], company=companies["auckland"])
        yield {"west": first, "east": second, **people}


def test_the_api_counts_lateness_where_the_invoice_is(world):
    for side in ("west", "east"):
        invoice(world[side], "100.00", WEST - timedelta(days=30), number=side)  # due on the 10th
    caller = Caller(key_for(world["robot"])[1])

    def told(**query):
        return {
            one["number"]: one["days_past_due"]
            for one in caller.get("open-invoices", **query).json()["results"]
        }

    assert told() == {"west": 0, "east": 1}
    assert told(overdue="true") == {"east": 1} and told(overdue="false") == {"west": 0}
    dated = {one["company"]: one["as_of"] for one in caller.get("exposures").json()["results"]}
    assert dated == {"angeles": WEST.isoformat(), "auckland": EAST.isoformat()}
    # The desk's list of customers and the admin's say the same.
    page = client_of(world["carla"])
    listed = page.get(reverse("desk:customers"), {"overdue": "0"}).content.decode()
    assert listed.count("Both Shores") == 1 and last_date() == EAST
    url = reverse("admin:customers_creditaccount_changelist")
    assert page.get(url, {"overdue": "0"}).context["cl"].result_count == 1
    url = reverse("admin:customers_instalment_changelist")
    assert page.get(url, {"due": "0"}).status_code == 200


def test_the_api_asks_which_company_s_date_is_meant(world):
    caller, customer = Caller(key_for(world["robot"])[1]), world["west"].customer
    event = {"customer": customer.code, "kind": "lien", "happened_on": EAST.isoformat(), "source": "Register"}
    refused = caller.post("legal-events", event)
    assert (refused.status_code, refused.json()["code"]) == (422, "company_ambiguous")
    assert "name one of angeles, auckland" in refused.json()["detail"] and not LegalEvent.objects.exists()
    years = {
        "customer": customer.code,
        "balance_sheet_on": "2025-12-31",
        "currency": "EUR",
        "source": "Register",
    }
    for path, body in (
        ("consents", {"customer": customer.code, "purpose": "credit", "reference": "file 7"} | HOLDS),
        ("annual-accounts", years | {"months": 12, "figures": {"equity": "1.00"}}),
    ):
        assert caller.post(path, body).json()["code"] == "company_ambiguous", path
        assert caller.post(path, body | {"company": "auckland"}).status_code == 201, path
    # Named, the rule judges by its date: it has not happened yet in Los Angeles.
    early = caller.post("legal-events", event | {"company": "angeles"})
    assert early.status_code == 422 and "happened_on" in str(early.json()["errors"])
    made = caller.post("legal-events", event | {"company": "auckland"})
    assert (made.status_code, made.json()["known_on"]) == (201, EAST.isoformat())
    assert caller.post("legal-events", event | {"company": "nowhere"}).json()["code"] == "customer_unknown"
    question = {"customer": customer.code}
    assert caller.post("agency-reports", question).json()["code"] == "company_ambiguous"
    assert (
        caller.post("agency-reports", question | {"company": "auckland"})
        .json()["code"]
        .startswith("agency_report")
    )
    # An orderer of a credit check is a customer and nothing more: no date is asked for.
    one = make_account(world["west"].company, "Payer")
    check = {
        "customer": one.customer.code,
        "orderer": customer.code,
        "amount": {"amount": "1.00", "currency": "EUR"},
    }
    answer = caller.post("credit-checks", check | {"point": "order"})
    assert "company_ambiguous" not in answer.content.decode()
    # A key of one company, or the same date everywhere, asks nothing.
    narrow = Caller(key_for(world["robot"], company=world["west"].company)[1])
    assert narrow.post("legal-events", event | {"happened_on": WEST.isoformat()}).status_code == 201
    with time_machine.travel(NOW - timedelta(hours=12), tick=False):  # the 10th everywhere
        late = event | {"happened_on": "2026-03-09"}
        assert [day for day, _ids in dates_now()] == [WEST]
        assert caller.post("legal-events", late).status_code == 201


def test_reservations_worklists_and_digests_go_by_each_company(world):
    for side in ("west", "east"):
        Reservation.objects.create(
            company=world[side].company, account=world[side], reference=side, currency="EUR", amount=100, made_by_name="shop", reserved_on=WEST,
            made_at=NOW - timedelta(hours=2), expires_at=NOW - timedelta(hours=1),
        )  # fmt: skip
    assert sweep_reservations() == 2
    lapsed = AuditEntry.objects.filter(act="reservation.expire")
    assert set(lapsed.values_list("business_date", flat=True)) == {WEST, EAST}
    # A collector's open rows are counted, and the last act undone, on the company's own day.
    for side, who in (("west", "max"), ("east", "mia")):
        account, user = world[side], world[who]
        run = WorklistRun.objects.create(company=account.company, as_of={"west": WEST, "east": EAST}[side])
        WorklistRow.objects.create(
            run=run, account=account, collector=user, rank=1, currency="EUR", account_currency="EUR", overdue=100,
            at_risk=1, collectable=1, probability=1, minutes=1, oldest_due_on=WEST, items=1, cause_code="overdue", step_code="call",
        )  # fmt: skip
        assert counts(user)["worklist"] == 1
        actions.add_note(account, user=user, on=run.as_of, text="rang")
        assert client_of(user).post(reverse("worklists:undo")).status_code in (200, 302)
        assert user.followups.filter(kind="undo", business_date=run.as_of).count() == 1
    # The digest of the morning is dated as it is where its reader's customers are.
    notice = Notice.objects.create(topic="limit_waits", key="n", business_date=WEST)
    seen, broken = {}, False

    def write(day, users):
        if broken and day == min(WEST, EAST):
            raise LookupError("a topic failed")
        seen.update(dict.fromkeys(users, day))
        return len(users)

    for who in ("max", "mia"):
        NoticeCopy.objects.create(notice=notice, user=world[who], mode="digest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("customers.notice_tasks.notices.write_digests", write)
        patch.setattr("customers.notice_tasks.notices.address", lambda today: 0)
        assert write_digests(NOW.isoformat()) == 2
        both, broken = dict(seen), True
        seen.clear()
        with pytest.raises(LookupError):
            write_digests(NOW.isoformat())
    assert seen == {world["mia"].pk: EAST}, "one date's failure is told after the others are written"
    assert both == {world["max"].pk: WEST, world["mia"].pk: EAST} and not StaffMail.objects.exists()
