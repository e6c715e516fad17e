"""Two approvers, bulk approval, deputies, the trail and the duties report, as people see them."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.urls import reverse

from creditdesk.core import roles
from creditdesk.core.audit import Actor, seal_entries
from creditdesk.core.models import Job
from creditdesk.core.money import Money
from customers import duties
from customers.approval import apply_automatic_cut, approve_limit_change, propose_limit_change
from customers.limit_evidence import gather_evidence
from customers.limits import limit_at
from customers.models import (
    Access,
    ApprovalAuthority,
    ApprovalDelegation,
    CreditAccount,
    ImportBatch,
    LimitChange,
    LimitDecision,
)
from scoring import version_duties
from scoring.engine import rescore
from scoring.limit_tasks import clock_of_company, plan_clock
from scoring.models import Scorecard
from tests.factories import history, invoice, make_account
from tests.people import give_authority, make_user

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _pinned_day(monkeypatch):
    monkeypatch.setattr(settings, "BUSINESS_DATE", DAY, raising=False)


@pytest.fixture
def pia(cast):
    return make_user("pia", roles.APPROVER, company=cast.company)


def loaded(account):
    return CreditAccount.objects.select_related("customer", "company", "segment").get(pk=account.pk)


def propose(cast, amount, account=None, by=None, **extra):
    account = loaded(account or cast.account)
    evidence = gather_evidence([account], DAY)[account.pk]
    return propose_limit_change(
        account,
        Money.of(amount, "EUR"),
        actor=by or Actor.person(cast.controller),
        as_of=DAY,
        reason_code="customer_request",
        evidence=evidence,
        **extra,
    )


def approve(change, by, **extra):
    return approve_limit_change(change, approver=by, reason="agreed", on=DAY, **extra)


def test_two_people_one_after_the_other_on_the_page(cast, pia, client):
    give_authority(cast.company, rise=None, needed=2)
    change = propose(cast, 50_000)
    url = reverse("limits:decide", args=[change.pk])
    client.force_login(cast.approver)
    page = client.get(url)
    assert "the first of two" in page.content.decode()
    seen = page.context["form"]["seen"].value()
    # What moves between reading and pressing is shown before the decision is taken.
    invoice(cast.account, "7777", DAY - timedelta(days=60))
    stale = client.post(url, {"action": "approve", "reason": "good", "seen": seen})
    text = stale.content.decode()
    assert stale.status_code == 409 and "Facts moved while you were reading" in text
    assert "What moved while it waited" in text and not LimitDecision.objects.exists()
    again = {"action": "approve", "reason": "good", "seen": stale.context["form"]["seen"].value()}
    assert client.post(url, again, follow=True).status_code == 200
    row = LimitDecision.objects.get()
    assert row.evidence["overdue"]["minor"] == 777_700
    text = client.get(url).content.decode()
    assert "You decided this already" in text and "data-approve" not in text
    listed = client.get(reverse("limits:inbox"), {"show": "second"})
    assert [one.decided_by_user for one in listed.context["rows"]] == [True]
    assert client.get(reverse("limits:inbox"), {"show": "mine"}).context["rows"] == []

    client.force_login(pia)
    invoice(cast.account, "1000", DAY - timedelta(days=10))
    page = client.get(url)
    text = page.content.decode()
    assert "What moved since paolo approved" in text and "yours applies the change" in text
    assert {line.tells for line in page.context["moved_since"]} >= {"neutral"}
    client.post(url, {"action": "approve", "reason": "me too", "seen": page.context["form"]["seen"].value()})
    assert limit_at(cast.account, DAY).in_force == Money.of(50_000, "EUR")
    done = client.get(url).content.decode()
    assert done.count("approver ×2") == 2 and "me too" in done


def test_small_rises_are_ticked_and_approved_together(cast, pia, client):
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    accounts = [make_account(cast.company, f"Small {n}", portfolio=cast.portfolio) for n in range(3)]
    for account in accounts:
        issued = [DAY - timedelta(days=30 * month) for month in range(12, 1, -1)]
        history(account, [("9000", day, 30, day + timedelta(days=30)) for day in issued])
        approve(propose(cast, 10_000, account), cast.approver)
    rescore(DAY)
    small = [propose(cast, 10_500, account) for account in accounts]
    large = propose(cast, 40_000)
    client.force_login(pia)
    url = reverse("limits:bulk")
    page = client.get(reverse("limits:inbox"))
    assert {row.change.pk for row in page.context["small"]} == {change.pk for change in small}
    shows = {name: count for name, _label, count in page.context["shows"]}
    assert (shows["all"], shows["small"], shows["mine"]) == (4, 3, 4)
    assert client.get(url).status_code == 405
    assert client.post(url, {"changes": [small[0].pk], "reason": " "}).status_code == 400
    assert client.post(url, {"reason": "fine"}).status_code == 400
    # One of them grows worse, one is not small at all: both are named, the others go through.
    invoice(accounts[2], "500", DAY - timedelta(days=60))
    data = {"changes": [*(change.pk for change in small), large.pk], "reason": "small step"}
    response = client.post(url, data, follow=True)
    text = response.content.decode()
    assert "Approved 2 rises." in text
    assert "Not approved: Small 2." in text and "Not approved: Rossi Forniture." in text
    assert sorted(LimitChange.objects.filter(status="proposed").values_list("pk", flat=True)) == sorted(
        [small[2].pk, large.pk]
    )
    assert LimitDecision.objects.filter(decided_by=pia).count() == 2
    client.force_login(cast.stranger)
    assert client.post(url, {"changes": [large.pk], "reason": "mine now"}).status_code == 400
    large.refresh_from_db()
    assert large.is_waiting


def test_a_deputy_is_recorded_decides_and_is_ended_on_the_pages(cast, pia, client):
    give_authority(cast.company, group=roles.MANAGER, rise=None, cut=None)
    ApprovalAuthority.objects.filter(group__name=roles.APPROVER).delete()
    cast.approver.groups.add(*cast.manager.groups.all())
    change = propose(cast, 5_000)
    url = reverse("limits:delegations")
    client.force_login(cast.approver)
    page = client.get(url)
    assert [user.username for user in page.context["form"].deputies.values()] == ["pia"]
    data = {
        "delegate": pia.pk,
        "company": cast.company.pk,
        "starts_on": "2026-03-02",
        "ends_on": "2026-03-01",
    }
    wrong = client.post(url, data | {"reason": "holiday"})
    assert wrong.status_code == 400 and "last day is before" in wrong.content.decode()
    assert client.post(url, data | {"ends_on": "2026-03-09", "reason": "holiday"}).status_code == 302
    row = ApprovalDelegation.objects.get()
    client.force_login(cast.controller)
    assert "holiday" in client.get(url).content.decode()
    assert client.post(url, data).status_code == 403
    assert client.post(reverse("limits:end_delegation", args=[row.pk])).status_code == 403
    client.force_login(pia)
    assert client.get(reverse("limits:inbox")).context["rows"][0].deputy_for == cast.approver
    decide = reverse("limits:decide", args=[change.pk])
    assert "You decide for paolo" in client.get(decide).content.decode()
    client.post(decide, {"action": "approve", "reason": "in your name"})
    made = LimitDecision.objects.get()
    assert (made.decided_by, made.on_behalf_of, made.delegation) == (pia, cast.approver, row)
    client.force_login(cast.stranger)
    assert client.post(reverse("limits:end_delegation", args=[row.pk])).status_code == 404
    client.force_login(pia)
    client.post(reverse("limits:end_delegation", args=[row.pk]))
    row.refresh_from_db()
    assert row.revoked_by == pia
    # An administrator records one for who is away, never for themselves.
    boss = make_user("boss", roles.APPROVER, company=cast.company)
    boss.is_superuser = True
    boss.save()
    client.force_login(boss)
    add = reverse("admin:customers_approvaldelegation_add")
    data = {"delegator": cast.approver.pk, "company": cast.company.pk, "reason": "ill"}
    days = {"starts_on": "2026-03-02", "ends_on": "2026-03-05"}
    assert (
        "gives themselves authority" in client.post(add, data | days | {"delegate": boss.pk}).content.decode()
    )
    assert client.post(add, data | days | {"delegate": pia.pk}).status_code == 302
    assert ApprovalDelegation.objects.get(reason="ill").created_by == boss


def table(response):
    """(facts, rows as dicts) of an exported CSV."""
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    lines = list(csv.reader(io.StringIO(text)))
    facts = {line[0][2:]: line[1] for line in lines if line and line[0].startswith("# ")}
    head, *rows = [line for line in lines if not line[0].startswith("# ")]
    return facts, [dict(zip(head, row, strict=True)) for row in rows]


def test_the_auditor_takes_the_trail_with_its_control_totals(
    cast, pia, client, django_assert_max_num_queries
):
    give_authority(cast.company, rise=None, cut=None, needed=2)
    change = propose(cast, 12_000, comment="=HYPERLINK(1)")
    approve(change, cast.approver)
    approve(change, pia)
    apply_automatic_cut(
        cast.account, Money.of(2_000, "EUR"), actor=Actor.policy("causes"), on=DAY, reason_code="declined"
    )
    waiting = propose(cast, 9_000)
    elsewhere = propose(cast, 1_000, cast.elsewhere, by=Actor.policy("limit policy"))
    seal_entries(older_than=timedelta(0))
    client.force_login(cast.auditor)
    url = reverse("limits:trail")
    page = client.get(url)
    assert [row.pk for row, _why in page.context["rows"]] == [waiting.pk, change.pk + 1, change.pk]
    facts, rows = table(client.get(url, {"export": "changes.csv"}))
    assert [row["limit change"] for row in rows] == [str(change.pk), str(change.pk + 1), str(waiting.pk)]
    first = rows[0]
    assert (first["decided by 1"], first["decided by 2"]) == ("paolo", "pia")
    assert (first["by authority of 1"], first["approvers needed 2"], first["to"]) == (
        roles.APPROVER,
        "2",
        "12000.00",
    )
    assert first["comment"].startswith("'="), "no formula runs in the auditor's spreadsheet"
    assert facts["control: changes"] == "3" and facts["control: decisions"] == "2"
    assert facts["control: applied, to, EUR"] == facts["control: limits written, EUR"] == "14000.00"
    assert facts["every applied change has its limit"] == facts["ties to the limits, EUR"] == "yes"
    assert facts["exported by"] == "ada"
    facts, rows = table(client.get(url, {"export": "acts.csv"}))
    assert [row["act code"] for row in rows] == [
        "limit.propose", "limit.approve_first", "limit.approve", "limit.cut_at_once", "limit.propose",
    ]  # fmt: skip
    assert facts["control: acts"] == facts["control: sealed"] == "5"
    assert all(len(row["digest"]) == 64 and row["customer"] == "Rossi Forniture" for row in rows)
    assert (rows[1]["who"], rows[1]["by authority of"], rows[1]["note"]) == (
        "paolo",
        roles.APPROVER,
        "agreed",
    )
    assert rows[2]["state after"] == "applied"
    assert str(elsewhere.pk) not in {row["limit change"] for row in rows}
    with django_assert_max_num_queries(30):
        xlsx = client.get(url, {"export": "changes.xlsx", "first": "2026-03-01", "last": "2026-03-02"})
    assert xlsx.content[:2] == b"PK"
    assert client.get(url, {"export": "secrets.csv"}).status_code == 404
    assert client.get(url, {"first": "2026-03-03"}).context["rows"] == []


def test_the_report_of_conflicting_duties(cast, pia, client):
    client.force_login(cast.auditor)
    url = reverse("limits:duties")
    both = make_user("bea", roles.APPROVER, roles.CONTROLLER, company=cast.company)
    boss = make_user("boss", roles.APPROVER, company=cast.company)
    boss.is_superuser = True
    boss.save()
    left = make_user("lou", roles.APPROVER, company=cast.company)
    left.is_active = False
    left.save()
    for one, other in ((cast.approver, pia), (pia, cast.approver)):
        ApprovalDelegation.objects.create(
            delegator=one,
            delegate=other,
            company=cast.company,
            starts_on=DAY,
            ends_on=DAY,
            reason="x",
            created_by=one,
        )
    for number in range(6):
        one, other = (both, pia) if number % 2 else (pia, both)
        account = make_account(cast.company, f"Pair {number}", portfolio=cast.portfolio)
        approve(propose(cast, 1_000, account, by=Actor.person(one)), other)
    page = client.get(url)
    found = {(one.code, one.severity, one.who) for one, _tone, _word in page.context["conflicts"]}
    assert found >= {
        ("rights", "medium", "bea"),
        ("rights", "guarded", "pia"),
        ("superuser", "high", "boss"),
        ("left", "medium", "lou"),
        ("mutual_delegation", "medium", "paolo"),
        ("reciprocal", "medium", "pia, bea"),
    }
    assert page.context["all_hold"]
    held = page.context["guarantees"]
    assert {one.checked for one in held if "limitdecision" in one.guard} == {6, 0}
    tables = ("scorecard", "limitpolicy", "checkpolicy", "termspolicy")
    guards = {
        f"scoring_{t}_{g}" for t in tables for g in ("second_person", "first_proposed", "frozen", "signed")
    }
    assert {one.guard for one in held} > guards
    assert all(one.checked for one in held if one.guard in guards), "what is in use is counted"
    # Who is alone cannot be decided for by anybody else.
    for user in (both, boss, pia):
        user.groups.clear()
    companies = [cast.company]
    assert ("too_few", "medium") in {(c.code, c.severity) for c in duties.conflicts(companies, DAY, DAY)}
    Access.objects.filter(user=cast.approver).delete()
    alone = [c for c in duties.conflicts(companies, DAY, DAY) if c.code == "too_few"]
    assert {c.severity for c in alone} == {"high"} and "nobody may decide" in alone[0].what
    facts, rows = table(client.get(url, {"export": "csv"}))
    assert facts["control: violations"] == "0" and len(rows) == len(held) + int(facts["control: conflicts"])


def test_a_missing_guard_and_a_row_against_a_rule_are_seen(cast, pia, monkeypatch):
    monkeypatch.setattr(duties, "guards_in_database", lambda: {"customers_limitdecision_once"})
    approve(propose(cast, 1_000), pia)
    state = {one.guard: one.holds for one in duties.guarantees()}
    assert state.pop("customers_limitdecision_once") and not any(state.values())
    # A version signed by who made it, with the guard out of the way.
    monkeypatch.setattr(version_duties, "guards_in_database", lambda: {"scoring_scorecard_second_person"})
    card = Scorecard.objects.create(code="x", name="x", version=1, base_points=50, created_by=pia)
    with connection.cursor() as cursor:
        undo = "" if connection.vendor == "sqlite" else " ON scoring_scorecard"
        cursor.execute(f"DROP TRIGGER scoring_scorecard_second_person{undo}")
    Scorecard.objects.filter(status="active", kind="full").update(status="retired")
    Scorecard.objects.filter(pk=card.pk).update(
        status="proposed", proposed_by=cast.controller, proposed_at="2026-03-02T10:00Z"
    )
    Scorecard.objects.filter(pk=card.pk).update(status="active", decided_by=pia)
    found = {one.guard: (one.holds, one.violations) for one in version_duties.version_guarantees()}
    assert found["scoring_scorecard_second_person"] == (False, 1)
    assert not found["scoring_limitpolicy_frozen"][0]


def test_the_clock_is_planned_per_company_and_runs_once(cast):
    propose(cast, 1_000)
    assert plan_clock() == 2
    assert plan_clock() == 2, "still waiting: queued again, done once"
    later = DAY + timedelta(days=40)
    job = Job(kind="approval clock", key=str(cast.company.pk), business_date=later)
    assert clock_of_company(job) == {"waiting": 1, "reminded": 0, "overdue": 0, "expired": 1}
    assert clock_of_company(job) == {"waiting": 0, "reminded": 0, "overdue": 0, "expired": 0}
