"""A controller's day: the worst customer, why it scores as it does, a new limit for it, a ledger file taken in."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.models import Customer, ImportBatch, ImportMapping, Invoice, LimitChange
from scoring.engine import rescore
from scoring.models import AccountScore
from tests.customers.imports.conftest import SETTLED
from tests.desk_world import TODAY, fill
from tests.factories import invoice, make_account

# What scripts and styles do in a browser is asked once; what the pages read and write is tested on every database, and
# the approver's and the collector's journeys go from the browser to the rows on each.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

LEDGER = """customer,number,issued,due,amount,settled,paid,disputed
N-1,NEW-1,2026-09-01,2026-10-01,1250.00,2026-10-05,,no
N-1,NEW-2,2026-10-10,2026-11-09,310.50,,,no
N-1,NEW-3,2026-10-11,2026-11-10,3l0.50,,,no
"""


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = TODAY
    fill(cast.account, cast.collector, decisions=False)
    small = make_account(cast.company, "Bianchi Srl", portfolio=cast.portfolio)
    invoice(small, "50.00", TODAY - timedelta(days=60))
    rescore(TODAY)
    spec = SETTLED | {"company": {"code": "acme"}, "segment": {"code": "main", "name": "Main"}}
    ImportMapping.objects.create(slug="our-erp", layout="settled", spec=spec)
    cast.controller.set_password("correct horse")
    cast.controller.save()
    return cast


def test_from_the_worst_customer_to_a_proposal(desk, browser_page, live_server):
    page = browser_page
    page.goto("/")
    page.get_by_label("Username").fill("carla")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(live_server.url + "/desk/")

    most_overdue = page.get_by_role("region", name="Most overdue").locator("tbody tr")
    expect(most_overdue).to_have_count(2)
    most_overdue.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rossi Forniture")

    score = AccountScore.objects.get(account=desk.account).score
    why = page.locator("section", has=page.get_by_role("heading", name=f"Why {score}"))
    expect(why).to_contain_text("customer", ignore_case=True)
    points = [int(text) for text in why.locator(".d-points:visible").all_inner_texts() if text.strip("+-−")]
    assert points and any(point < 0 for point in points), "something lowers the score, in words and points"

    page.get_by_role("link", name="Propose limit").click()
    page.get_by_label("new limit in EUR").fill("2500")
    page.get_by_label("reason").select_option("customer_request")
    page.get_by_label("comment").fill("They asked for a first limit.")
    page.get_by_role("button", name="Put before the approvers").click()
    expect(page.locator("main")).to_contain_text("waiting for approval")
    expect(page.locator("main")).to_contain_text("They asked for a first limit.")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    change = LimitChange.objects.get()
    assert (change.account, change.new_amount, change.proposer) == (
        desk.account,
        Money.of(2500, "EUR"),
        desk.controller,
    )
    assert change.evidence["score"] == score
    assert AuditEntry.objects.get(act="limit.propose").actor == desk.controller


def test_a_ledger_file_is_seen_before_it_is_taken_in(desk, browser_page, login):
    page = browser_page
    login(page, desk.controller)
    before = Invoice.objects.count()
    page.goto("/desk/")
    page.locator("summary", has_text="Ledger").first.press("Enter")
    page.get_by_role("link", name="Import a ledger").first.click()
    page.locator("input[type=file]").set_input_files(
        {"name": "october.csv", "mimeType": "text/csv", "buffer": LEDGER.encode()}
    )
    page.get_by_label("Mapping").select_option("our-erp")
    page.get_by_role("button", name="Preview").click()
    findings = page.get_by_role("region", name="Findings").locator("tbody tr")
    expect(findings).to_have_count(1)
    expect(findings).to_contain_text("3l0.50")
    assert Invoice.objects.count() == before, "a preview stores nothing"

    page.get_by_role("button", name="Take the good rows in").click()
    expect(page.locator("main")).to_contain_text("october.csv")
    batch = ImportBatch.objects.get(file_name="october.csv")
    assert (batch.imported_by, batch.status) == (desk.controller, "committed")
    assert set(Invoice.objects.filter(batch=batch).values_list("number", flat=True)) == {"NEW-1", "NEW-2"}

    page.goto("/desk/customers/?q=N-1")
    row = page.locator("main tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("310", use_inner_text=True)
    row.get_by_role("link").first.click()
    assert str(Customer.objects.get(code="N-1").pk) in page.url
    expect(page.locator("main")).to_contain_text("NEW-2")
