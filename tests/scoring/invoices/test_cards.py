"""Invoice cards in versions, and estimates of open invoices from the one in use."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from creditdesk.core.audit import Actor
from creditdesk.core.facts import View
from creditdesk.core.models import AuditEntry, Job, User
from customers.models import Instalment
from scoring import tasks
from scoring.fitting.logistic import FitError
from scoring.invoices import estimates, load
from scoring.invoices.cards import InvoiceCardError, fit_draft, model_in_use, take_into_use
from scoring.invoices.estimates import estimate
from scoring.models import InvoiceCard, InvoiceLevel
from tests.factories import make_company

from .books import START, made, stored

pytestmark = pytest.mark.django_db
DAY = START + timedelta(days=260)


def freeze(day):
    return time_machine.travel(datetime(day.year, day.month, day.day, 12, tzinfo=UTC), tick=False)


@pytest.fixture(scope="module")
def kept_company(module_database):
    company = make_company(complete_through=DAY)
    stored(company, made(seed=11, payers=25, invoices=420, days=300), through=DAY.toordinal())
    return company


@pytest.fixture
def company(kept_company, db):
    cache.clear()
    return deepcopy(kept_company)


@pytest.fixture
def approver():
    user = User.objects.create(username="paolo")
    user.user_permissions.add(Permission.objects.get(codename="publish_scorecard"))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def card(company, approver):
    return take_into_use(fit_draft(DAY, actor=Actor.job("test")), by=approver)


def test_a_draft_is_not_used_until_a_person_takes_it(company, approver):
    draft = fit_draft(DAY, actor=Actor.job("test"))
    ids = list(Instalment.objects.filter(open_amount__gt=0).values_list("pk", flat=True))
    assert draft.status == "draft" and model_in_use() is None and estimate(ids, DAY) == {}
    with pytest.raises(InvoiceCardError, match="may not"):
        take_into_use(draft, by=User.objects.create(username="carla"))
    take_into_use(draft, by=approver)
    assert set(estimate(ids, DAY)) == set(ids)
    with pytest.raises(InvoiceCardError, match="no draft"):
        take_into_use(draft, by=approver)
    acts = list(AuditEntry.objects.filter(act__startswith="invoice_card").values_list("act", flat=True))
    assert sorted(acts) == ["invoice_card.fit", "invoice_card.use"]


def test_a_new_version_retires_the_one_before(card, approver):
    second = take_into_use(fit_draft(DAY, actor=Actor.job("test")), by=approver)
    card.refresh_from_db()
    assert (card.status, second.status, second.version) == ("retired", "active", card.version + 1)
    assert model_in_use()[0] == second.version


def test_a_stored_card_is_never_edited(card):
    for change in ({"model": {}}, {"trained_until": START}, {"version": 9}):
        with pytest.raises(DatabaseError), transaction.atomic():
            InvoiceCard.objects.filter(pk=card.pk).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        card.delete()


def test_estimates_are_consistent_and_lie_ahead(card):
    rows = Instalment.objects.filter(open_amount__gt=0)
    found = estimate([row.pk for row in rows], DAY)
    for row in rows:
        said = found[row.pk]
        assert 1 >= said.p_late >= said.p_late_15 >= said.p_late_30 >= 0
        assert DAY < said.earliest_on <= said.expected_on <= said.latest_on
        if row.due_on < DAY:
            assert said.p_late == pytest.approx(1)
    assert len({round(said.p_late_15, 3) for said in found.values()}) > 10


def test_settled_and_unknown_rows_have_no_estimate(card):
    paid = Instalment.objects.filter(open_amount=0).first()
    assert estimate([paid.pk, -1], DAY) == {}
    assert estimate([], DAY) == {}


def test_as_known_then_agrees_with_today_where_nothing_was_corrected(card):
    ids = list(Instalment.objects.filter(open_amount__gt=0).values_list("pk", flat=True))
    now, then = estimate(ids, DAY), estimate(ids, DAY, View(known_at=DAY))
    assert set(now) == set(then)
    assert [now[pk].p_late for pk in ids] == pytest.approx([then[pk].p_late for pk in ids], abs=0.01)


def test_queries_do_not_grow(card, django_assert_max_num_queries):
    ids = list(Instalment.objects.filter(open_amount__gt=0).values_list("pk", flat=True))
    cache.clear()
    model_in_use()
    with django_assert_max_num_queries(15):
        estimate(ids[:1], DAY)
    # What the whole book tells is kept for some hours.
    with django_assert_max_num_queries(7):
        estimate(ids, DAY)


def test_the_customer_page_shows_them_once_a_card_is_in_use(client, company, approver):
    client.force_login(User.objects.create(username="root", is_superuser=True, is_staff=True))
    row = Instalment.objects.filter(open_amount__gt=0).first()
    url = f"/desk/customers/{row.account.customer_id}/?account={row.account_id}&tab=invoices"
    with freeze(DAY):
        assert "Expected" not in client.get(url).content.decode()
        take_into_use(fit_draft(DAY, actor=Actor.job("test")), by=approver)
        page = client.get(url)
    assert page.status_code == 200 and "Expected" in page.content.decode()


def test_the_command(company, approver):
    out = StringIO()
    call_command("fit_invoice_card", "--until", DAY.isoformat(), stdout=out)
    version = InvoiceCard.objects.get().version
    assert f"--use {version}" in out.getvalue()
    call_command("fit_invoice_card", "--use", str(version), "--by", "paolo", stdout=out)
    assert InvoiceCard.objects.get().status == "active"
    for arguments, words in (
        (["--use", "99", "--by", "paolo"], "no invoice card 99"),
        (["--use", str(version)], "--by"),
        (["--use", str(version), "--by", "paolo"], "no draft"),
        (["--until", START.isoformat()], "Only 0 invoices"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("fit_invoice_card", *arguments, stdout=out)


def test_a_ledger_too_small_leaves_no_card():
    with pytest.raises(FitError):
        fit_draft(START, actor=Actor.job("test"))
    assert not InvoiceCard.objects.exists()


def test_the_nightly_job_keeps_the_level_for_whoever_asks_first(card, monkeypatch):
    assert model_in_use()[1].moves
    ids = list(Instalment.objects.filter(open_amount__gt=0).values_list("pk", flat=True))
    told = estimate(ids, DAY)
    cache.clear()
    assert tasks.plan_nightly(f"{DAY}T02:30:00+02:00") > 0
    job = Job.objects.get(kind=tasks.LEVEL)
    assert tasks.keep_level(job) == tasks.keep_level(job) == {"kept": True}, "twice does no harm"
    assert InvoiceLevel.objects.get().day == DAY

    def never(*args):
        raise AssertionError("the page told the level anew")

    monkeypatch.setattr(estimates, "_drift", never)
    assert estimate(ids, DAY) == told
    # Another card's levels are of no use once it is the one in use; nor is a level asked for by a retired one.
    job.key = f"{card.version + 1} {DAY}"
    assert tasks.keep_level(job) == {"kept": False}


def test_of_a_large_book_whole_customers_are_read_in_ranges(company, monkeypatch):
    everything = load.load_ledger()
    assert load.learned_accounts() is None
    monkeypatch.setattr(load, "LEARNED_ROWS", len(everything) // 2)
    monkeypatch.setattr(load, "RANGE", 4)
    chosen = load.learned_accounts()
    assert chosen == load.learned_accounts() and 4 < len(chosen) < 20
    some = load.load_ledger(chosen)
    assert sorted(some.row) == sorted(everything.row[np.isin(everything.account, chosen)])
