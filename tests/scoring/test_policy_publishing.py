"""A limit policy's way from draft to use: simulated on the whole book, published by a second person, then frozen."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.models import AuditEntry, Job
from creditdesk.core.money import Money
from customers.models import ImportBatch
from scoring.engine import rescore
from scoring.models import AccountScore, LimitPolicy, PolicyReport
from scoring.policies import policies_at
from scoring.policy_publishing import (
    change_policy,
    copy_policy,
    delete_draft,
    propose_policy,
    publish_policy,
    send_back_policy,
    simulation_of,
)
from scoring.policy_simulation import keep_simulation, simulate
from scoring.segment_policies import PolicyError
from tests.desk_world import client_of
from tests.factories import invoice, make_account
from tests.scoring.test_limit_proposals import give_limit, trade
from tests.scoring.versions_in_use import agreed

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


@pytest.fixture
def draft(cast):
    return copy_policy(LimitPolicy.objects.get(status="active"), by=cast.controller, as_of=DAY)


def refused(code):
    return pytest.raises(PolicyError, check=lambda error: error.code == code)


def in_use(segment=None):
    return policies_at(DAY)[segment].policy_id


def test_two_persons_and_a_simulation_of_what_it_says(draft, cast):
    shipped = in_use()
    change_policy(draft, by=cast.controller, as_of=DAY, terms={"auto_rise_amount": 500_000})
    keep_simulation(draft, DAY, actor=Actor.person(cast.controller))
    # Edited since: the simulation is of something else.
    change_policy(draft, by=cast.controller, as_of=DAY, terms={"auto_limit_amount": 2_000_000})
    assert simulation_of(LimitPolicy.objects.get(pk=draft.pk)) is None
    with refused("not_allowed"):
        propose_policy(draft, by=cast.approver, reason="x", as_of=DAY)
    with refused("no_reason"):
        propose_policy(draft, by=cast.controller, reason=" ", as_of=DAY)
    propose_policy(draft, by=cast.controller, reason="Small rises by themselves.", as_of=DAY)
    with refused("not_draft"):
        change_policy(draft, by=cast.controller, as_of=DAY, terms={"step": 1000})
    with refused("not_simulated"):
        publish_policy(draft, approver=cast.approver, reason="ok", as_of=DAY)
    keep_simulation(draft, DAY, actor=Actor.person(cast.approver))
    with refused("not_simulated"):
        publish_policy(draft, approver=cast.approver, reason="ok", as_of=DAY + timedelta(days=8))
    with refused("not_allowed"):
        publish_policy(draft, approver=cast.controller, reason="ok", as_of=DAY)
    assert in_use() == shipped
    published = publish_policy(draft, approver=cast.approver, reason="Agreed.", as_of=DAY)
    assert (published.status, published.valid_from, in_use()) == ("active", DAY, draft.pk)
    assert LimitPolicy.objects.get(pk=shipped).status == "retired"
    # What counted before still counts for days before.
    assert policies_at(DAY - timedelta(days=1))[None].policy_id == shipped
    assert Job.objects.filter(kind=f"limits-policy-{draft.pk}").exists()
    acts = AuditEntry.objects.filter(subject_type="scoring.limitpolicy", subject_pk=str(draft.pk))
    assert list(acts.order_by("pk").values_list("act", flat=True)) == [
        *("limit_policy.copied", "limit_policy.edited", "limit_policy.simulated", "limit_policy.edited"),
        *("limit_policy.proposed", "limit_policy.simulated", "limit_policy.published"),
    ]


def test_nobody_publishes_what_they_made_edited_or_proposed(draft, cast):
    manager = cast.manager  # may propose and publish
    change_policy(draft, by=manager, as_of=DAY, terms={"step": 1000})
    propose_policy(draft, by=cast.controller, reason="x", as_of=DAY)
    keep_simulation(draft, DAY, actor=Actor.person(manager))
    with refused("edited_it"):
        publish_policy(draft, approver=manager, reason="ok", as_of=DAY)
    sent_back = send_back_policy(draft, by=cast.approver, reason="Too loose.", as_of=DAY)
    assert (sent_back.status, sent_back.decision_reason) == ("draft", "Too loose.")
    own = copy_policy(draft, by=manager, as_of=DAY)
    propose_policy(own, by=manager, reason="x", as_of=DAY)
    keep_simulation(own, DAY, actor=Actor.person(manager))
    with refused("own_proposal"):
        publish_policy(own, approver=manager, reason="ok", as_of=DAY)
    for rows in (
        {"status": "active", "decided_by": manager},
        {"status": "active"},
        {"max_rise_percent": 99},
        {"status": "retired"},
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            LimitPolicy.objects.filter(pk=own.pk).update(**rows)
    active = LimitPolicy.objects.get(status="active")
    for act in (
        lambda: active.grades.update(ceiling=1),
        lambda: active.causes.all().delete(),
        lambda: active.grades.create(grade="A", ceiling=1, need_percent=1),
        lambda: LimitPolicy.objects.filter(pk=active.pk).update(status="draft"),
        lambda: PolicyReport.objects.update(as_of=DAY),
        lambda: LimitPolicy.objects.create(version=99, valid_from=DAY, status="active", is_shipped=True),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()
    delete_draft(sent_back, by=cast.controller, as_of=DAY)
    with refused("not_draft"):
        delete_draft(active, by=cast.controller, as_of=DAY)


def test_bounds_of_what_a_draft_may_say(draft, cast):
    for wrong in (
        {"terms": {"step": 0}},
        {"terms": {"loss_percent": 101}},
        {"grades": {"A": {"ceiling": -1, "need_percent": 1}}},
        {"causes": {"cash_shock": {"threshold": 0}}},
    ):
        with pytest.raises(ValidationError):
            change_policy(draft, by=cast.controller, as_of=DAY, **wrong)
    with pytest.raises(ValueError, match="version"):
        change_policy(draft, by=cast.controller, as_of=DAY, terms={"version": 7})
    assert draft.grades.count() == 5
    change_policy(draft, by=cast.controller, as_of=DAY, grades={"A": {"ceiling": 5, "need_percent": 1}})
    with refused("no_grade"):
        propose_policy(draft, by=cast.controller, reason="x", as_of=DAY)


@pytest.fixture
def book(cast):
    """Three who pay as agreed, with limits of 8,000, 30,000 and none; they owe 9,000, 12,000 and 9,000."""
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    accounts = [cast.account, *(make_account(cast.company, portfolio=cast.portfolio) for _ in "ab")]
    for account, limit, owes in zip(accounts, (8_000, 30_000, None), (9_000, 12_000, 9_000), strict=True):
        trade(account)
        invoice(account, str(owes), DAY - timedelta(days=5))
        if limit:
            give_limit(account, limit)
    rescore(DAY)
    AccountScore.objects.filter(account__in=accounts).update(grade="A", recommendation="approved")
    cast.accounts = accounts
    return cast


def test_the_simulation_tells_who_moves_and_what_it_is_worth(book, draft, django_assert_max_num_queries):
    draft = change_policy(
        draft,
        by=book.controller,
        as_of=DAY,
        terms={"auto_rise_amount": 200_000, "auto_limit_amount": 1_500_000, "loss_percent": 40},
        grades={
            grade: {"ceiling": ceiling, "need_percent": 100}
            for grade, ceiling in zip("ABCDE", (1_000_000, 0, 0, 0, 0), strict=True)
        },
        causes={},
    )
    with django_assert_max_num_queries(45):
        figures = simulate(draft, DAY)
    now, then = figures["counts"]["now"], figures["counts"]["draft"]
    assert figures["accounts"] == 4 and figures["against"] == in_use()
    assert (then["raised"], then["at_once"], then["cut"], then["first"], then["kept"]) == (1, 1, 1, 1, 1)
    assert figures["kept"]["draft"] == {"review": 1}  # the cast's other account has no history
    assert figures["bound_by"]["draft"]["policy"] == 3
    # 8,000 rises by a quarter, 30,000 is cut to the ceiling of 10,000, the third gets it as its first limit.
    sums = figures["money"]["EUR"]
    assert (sums["now"]["limits"], sums["draft"]["limits"]) == (3_800_000, 3_000_000)
    # All of the first limit is used: so is all that is added. The second pays 2,000 down.
    assert (sums["now"]["exposure"], sums["draft"]["exposure"]) == (
        3_000_000,
        900_000 + 200_000 + 1_000_000 + 900_000,
    )
    pds = [AccountScore.objects.get(account=account).pd for account in book.accounts]
    for state, at_risk in (("now", (900, 1_200, 900)), ("draft", (1_100, 1_000, 900))):
        loss = sum(int(owed * 1000 * pd * 40 / 100) for owed, pd in zip(at_risk, pds, strict=True))
        assert sums[state]["expected_loss"] == loss > 0
    # The first owes more than its limit today, the second would.
    assert (now["blocked"], then["blocked"]) == (1, 1)
    mover = figures["movers"][0]
    assert (mover["account"], mover["now"], mover["draft"]) == (book.accounts[1].pk, 3_000_000, 1_000_000)


def test_the_simulation_counts_what_causes_would_cut_tonight(book, draft):
    invoice(book.accounts[1], "700", DAY - timedelta(days=61))
    rescore(DAY)
    late = {"threshold": 30, "least_amount": 50_000, "keep_percent": 0}
    draft = change_policy(draft, by=book.controller, as_of=DAY, causes={"late_payment": late})
    figures = simulate(draft, DAY)
    assert (figures["causes"]["in_use"], figures["causes"]["draft"]) == ({}, {"late_payment": 1})


def test_the_pages_from_copy_to_publishing(book, settings):
    settings.BUSINESS_DATE = DAY
    carla, paolo = client_of(book.controller), client_of(book.approver)
    shipped = LimitPolicy.objects.get(status="active")
    assert carla.get(reverse("policies:list")).status_code == 200
    carla.post(reverse("policies:copy", args=[shipped.pk]), {"segment": book.account.segment_id})
    made = LimitPolicy.objects.get(status="draft")
    assert (made.segment, made.version) == (book.account.segment, 1)
    url = reverse("policies:edit", args=[made.pk])
    page = carla.get(url)
    forms = page.context["forms"]
    data = {
        field.html_name: field.value() if field.value() is not None else ""
        for form in (forms.terms, *forms.grades, *forms.causes)
        for field in form
        if field.value() is not False
    }
    wrong = carla.post(url, data | {"terms-step": "0", "read": "earlier"})
    assert wrong.status_code == 422 and wrong.context["read"] == "earlier", "no newer mark before it was told"
    changed = data | {
        "grade-A-ceiling": "9000.50",
        "terms-auto_rise_amount": "1500",
        "cause-cash_shock-is_used": "",
    }
    assert carla.post(url, changed).status_code == 302
    made.refresh_from_db()
    assert made.grades.get(grade="A").ceiling == Money.of("9000.50", "EUR")
    assert made.auto_rise_amount == Money.of(1500, "EUR")
    assert {cause.kind for cause in made.causes.all()} == {"late_payment", "score_drop"}
    carla.post(reverse("policies:simulate", args=[made.pk]))
    text = carla.get(reverse("policies:policy", args=[made.pk])).content.decode()
    assert "On the whole book" in text and book.account.customer.name in text
    carla.post(reverse("policies:propose", args=[made.pk]), {"propose-reason": "Own ceiling."})
    assert client_of(book.collector).post(reverse("policies:publish", args=[made.pk])).status_code == 403
    paolo.post(reverse("policies:publish", args=[made.pk]), agreed(made))
    made.refresh_from_db()
    assert made.status == "active" and in_use(book.account.segment_id) == made.pk
    # The stranger's company is simulated nowhere by name.
    assert (
        book.account.customer.name
        not in client_of(book.stranger).get(reverse("policies:policy", args=[made.pk])).content.decode()
    )
