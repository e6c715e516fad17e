"""A simulation range by range: the same figures as in one go, whatever is killed, repeated or edited meanwhile."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.urls import reverse

from creditdesk.core.audit import Actor
from creditdesk.core.jobs import perform
from creditdesk.core.models import Job
from customers.models import ImportBatch
from scoring import segment_policies, simulations
from scoring.engine import rescore
from scoring.models import AccountScore, LimitPolicy
from scoring.policy_publishing import LIFE, change_policy, copy_policy
from tests.desk_world import client_of
from tests.factories import invoice, make_account
from tests.scoring.test_limit_proposals import give_limit, trade

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2026, 3, 2)
EFFECT = "scoring.simulations.simulate_part"


@pytest.fixture
def world(cast, settings, monkeypatch):
    settings.BUSINESS_DATE = DAY
    monkeypatch.setattr(segment_policies, "AT_ONCE", 1)
    monkeypatch.setattr(simulations, "PART", 2)
    ImportBatch.objects.create(source=cast.company.sources.get(), complete_through=DAY)
    accounts = [cast.account, *(make_account(cast.company, portfolio=cast.portfolio) for _ in "abc")]
    for account, limit in zip(accounts, (8_000, 30_000, None, 50_000), strict=True):
        trade(account)
        invoice(account, "9000", DAY - timedelta(days=5))
        if limit:
            give_limit(account, limit)
    rescore(DAY)
    AccountScore.objects.filter(account__in=accounts).update(grade="A", recommendation="approved")
    cast.draft = change_policy(
        copy_policy(LimitPolicy.objects.get(status="active"), by=cast.controller, as_of=DAY),
        by=cast.controller,
        as_of=DAY,
        grades={grade: {"ceiling": 1_000_000, "need_percent": 100} for grade in "ABCDE"},
    )
    return cast


def jobs():
    return Job.objects.filter(kind__startswith="simulate ").order_by("pk")


def test_parts_add_up_to_the_whole_once_whatever_happens(world, monkeypatch):
    client, draft = client_of(world.controller), world.draft
    url = reverse("policies:policy", args=[draft.pk])
    whole = LIFE.simulate(draft, DAY)
    client.post(reverse("policies:simulate", args=[draft.pk]))
    assert jobs().count() == 3  # five accounts, two a part
    first, second, last = jobs().values_list("pk", flat=True)
    assert perform(last, EFFECT) == perform(first, EFFECT) == "done"
    # Asked again while it runs: the same parts, and the one that is killed in its middle starts again.
    client.post(reverse("policies:simulate", args=[draft.pk]))
    with monkeypatch.context() as broken:
        broken.setattr(simulations, "add_up", lambda *_parts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            perform(second, EFFECT)
    assert jobs().count() == 3 and not draft.reports.exists()
    page = client.get(url)
    run = page.context["run"]
    assert (run.done, run.failed, run.total) == (2, 0, 3)
    assert "2 of 3 parts" in page.content.decode()
    assert perform(second, EFFECT) == perform(second, EFFECT) == perform(first, EFFECT) == "done"
    report = draft.reports.get()
    assert report.figures == whole and report.made_by == "carla"
    assert LIFE.simulation_of(draft, DAY) == report
    assert client.get(url).context["run"] is None
    # Simulated again, it is a run of its own.
    client.post(reverse("policies:simulate", args=[draft.pk]))
    assert jobs().count() == 6


def test_an_edit_makes_the_run_void(world):
    draft = world.draft
    simulations.simulate(draft, DAY, actor=Actor.person(world.controller))
    first, *rest = jobs().values_list("pk", flat=True)
    perform(first, EFFECT)
    change_policy(draft, by=world.controller, as_of=DAY, terms={"step": 1000})
    for pk in rest:
        perform(pk, EFFECT)
        assert Job.objects.get(pk=pk).result == {"void": True}
    assert not draft.reports.exists()
    assert simulations.running(LimitPolicy.objects.get(pk=draft.pk), DAY) is None
    LIFE.delete_draft(draft, by=world.controller, as_of=DAY)
