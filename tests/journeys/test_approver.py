"""An approver empties the inbox: by keyboard, by mouse, and not what they proposed themselves."""

import pytest
from playwright.sync_api import expect

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry
from creditdesk.core.money import Money
from customers.approval import propose_limit_change
from customers.limits import limit_at
from customers.models import LimitChange, LimitChangeComment
from scoring.engine import rescore
from scoring.proposals import evidence_of
from tests.desk_world import TODAY, fill
from tests.factories import invoice, make_account

pytestmark = pytest.mark.django_db(transaction=True)


def put_before(account, amount, user):
    return propose_limit_change(
        account,
        Money.of(amount, "EUR"),
        actor=Actor.person(user),
        as_of=TODAY,
        reason_code="customer_request",
        evidence=evidence_of(account, TODAY),
    )


@pytest.fixture
def desk(cast, settings):
    settings.BUSINESS_DATE = TODAY
    fill(cast.account, cast.collector, decisions=False)
    cast.second = make_account(cast.company, "Bianchi Srl", portfolio=cast.portfolio)
    cast.own = make_account(cast.company, "Own Proposal Srl", portfolio=cast.portfolio)
    rescore(TODAY)
    put_before(cast.account, 9000, cast.controller)
    put_before(cast.second, 4000, cast.controller)
    put_before(cast.own, 100, cast.approver)
    # What happened after the proposal: the page has to say so.
    invoice(cast.account, "3333.00", TODAY)
    return cast


def in_force(account):
    return limit_at(account, TODAY).in_force


def test_from_a_full_inbox_to_one_s_own_proposal(desk, browser_page, login, live_server, screenshot):
    page = browser_page
    heading = page.get_by_role("heading", level=1)
    login(page, desk.approver)
    page.goto("/")
    expect(page).to_have_url(live_server.url + "/desk/limits/")
    expect(page.get_by_role("heading", name="3 changes wait")).to_be_visible()
    expect(page.locator("tr", has_text="Own Proposal Srl")).to_contain_text("not you: your proposal")

    # By keyboard: the first row has the focus, Enter opens it.
    expect(page.get_by_role("link", name="Rossi Forniture")).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Rossi Forniture")
    exposure = page.get_by_role("region", name="Evidence then and now").locator(
        "tr", has=page.get_by_role("rowheader", name="Exposure", exact=True)
    )
    cells = exposure.get_by_role("cell").all_inner_texts()
    assert cells[0] != cells[1] and "changed" in cells[2], "then and now side by side, the difference marked"

    # A question keeps the change waiting.
    page.get_by_label("Ask the proposer").fill("Which orders is this for?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#questions li")).to_contain_text("Which orders is this for?")
    assert LimitChangeComment.objects.get().author == desk.approver
    assert in_force(desk.account) is None

    page.wait_for_load_state()  # the keys are listened to once the script is there
    page.keyboard.press("r")
    expect(page.get_by_label("Reason (stays with the decision)")).to_be_focused()
    page.keyboard.type("Pays well enough")
    page.keyboard.press("Control+Enter")
    expect(heading).to_have_text("Bianchi Srl")
    screenshot(page, "approver-next")
    assert in_force(desk.account) == Money.of(9000, "EUR")
    change = LimitChange.objects.get(account=desk.account)
    assert (change.decided_by, change.decision_reason) == (desk.approver, "Pays well enough")
    assert AuditEntry.objects.get(act="limit.approve").actor == desk.approver

    # By mouse; nothing is left to decide but one's own.
    page.get_by_label("Reason (stays with the decision)").fill("No business with them yet")
    page.get_by_role("button", name="Reject").click()
    expect(page).to_have_url(live_server.url + "/desk/limits/")
    assert LimitChange.objects.get(account=desk.second).status == "rejected"
    assert in_force(desk.second) is None

    page.get_by_role("link", name="Own Proposal Srl").click()
    expect(page.get_by_role("note")).to_contain_text("somebody else has to decide it")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    page.get_by_label("Reason (stays with the decision)").focus()
    page.keyboard.type("I approve myself")
    page.keyboard.press("Control+Enter")
    assert LimitChange.objects.get(account=desk.own).is_waiting
